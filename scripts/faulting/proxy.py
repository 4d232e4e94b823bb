"""The shipped Envoy in front of some replicas, on loopback; or the same as somebody might have written it at first."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from scripts.evaluation.server import end, free_port, last_words
from scripts.faulting.errors import FaultError

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "k8s/envoy/envoy.yaml"
DESCRIPTORS = ROOT / "k8s/envoy/ragents-http.binpb"
SECONDS = 30.0  # until it serves
PAUSE = 0.05
Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running Envoy: where it listens, and where it tells of itself."""

    address: str
    admin: str

    async def counter(self, name: str) -> int:
        """One of its counters, such as `cluster.ragents.upstream_rq_total`."""
        async with httpx.AsyncClient(timeout=5) as way:
            told = (await way.get(f"http://{self.admin}/stats", params={"filter": f"^{name}$"})).text
        return int(told.rpartition(": ")[2] or 0)


def shipped(addresses: Sequence[str], listen: str, admin: str) -> Config:
    """The shipped configuration, but for places: its own, the replicas' and the descriptors' file's."""
    config: Config = yaml.safe_load(SHIPPED.read_text())
    listener, cluster = config["static_resources"]["listeners"][0], config["static_resources"]["clusters"][0]
    listener["address"] = _place(listen)
    transcoder(config)["proto_descriptor"] = str(DESCRIPTORS)
    cluster["type"] = "STATIC"
    del cluster["dns_refresh_rate"]
    cluster["load_assignment"]["endpoints"][0]["lb_endpoints"] = [
        {"endpoint": {"address": _place(address)}} for address in addresses
    ]
    return config | {"admin": {"address": _place(admin)}}


def transcoder(config: Config) -> Config:
    """The filter that turns JSON into calls."""
    found: Config = _connections(config)["http_filters"][0]["typed_config"]
    return found


def naive(config: Config) -> None:
    """Without what the shipped one adds to the first example that one finds, and with a mesh's usual retries."""
    cluster = config["static_resources"]["clusters"][0]
    del cluster["health_checks"], cluster["common_lb_config"]
    for route in _connections(config)["route_config"]["virtual_hosts"][0]["routes"]:
        route["route"] = {
            "cluster": "ragents",
            "retry_policy": {"retry_on": "connect-failure,refused-stream,unavailable,cancelled", "num_retries": 2},
        }


def _connections(config: Config) -> Config:
    chain = config["static_resources"]["listeners"][0]["filter_chains"][0]
    found: Config = chain["filters"][0]["typed_config"]
    return found


def _place(address: str) -> Config:
    host, _, port = address.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}


@asynccontextmanager
async def proxied(
    addresses: Sequence[str], folder: Path, change: Callable[[Config], None] | None = None
) -> AsyncIterator[Proxy]:
    """An Envoy that serves; FaultError with its last words where it does not."""
    listen, admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    config = shipped(addresses, listen, admin)
    if change is not None:
        change(config)
    path, log = folder / f"envoy-{listen.rpartition(':')[2]}.yaml", folder / "envoy.log"
    path.write_text(yaml.safe_dump(config))
    options = ["--concurrency", "1", "--log-level", "warning", "--use-dynamic-base-id", "--disable-hot-restart"]
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(str(Path(sys.executable).with_name("envoy")), "-c", str(path), *options),
            stdin=DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for us, who end it in order
        )
    try:
        await _ready(admin, process, log)
        yield Proxy(listen, admin)
    finally:
        await end(process)


async def _ready(admin: str, process: asyncio.subprocess.Process, log: Path) -> None:
    """Once it is live and its first health checks are through."""
    async with httpx.AsyncClient(timeout=5) as way:
        try:
            async with asyncio.timeout(SECONDS):
                while process.returncode is None:
                    try:
                        if (await way.get(f"http://{admin}/ready")).status_code == 200:
                            return
                    except httpx.HTTPError:
                        pass  # it does not listen yet
                    await asyncio.sleep(PAUSE)
        except TimeoutError:
            pass
    raise FaultError(f"Envoy did not come up: {last_words(log)}")
