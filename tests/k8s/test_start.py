"""A real server with the settings that are shipped: it starts, and answers the shipped probes and Prometheus."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import grpc
import pytest
import trustme

from scripts.manifests.building import Built, overlay
from scripts.manifests.scaling_facts import adapted, series_of
from scripts.manifests.settings_facts import environment_of
from tests.postgres_servers import embedded_database
from tests.redis_servers import free_port, valkey_server
from tests.services.processes import SERVING, Running, checked, health, serving

PREFIX, SECRETS = "RAGENTS_", "/run/secrets/ragents/"


@asynccontextmanager
async def started(built: Built, folder: Path) -> AsyncIterator[tuple[Running, dict[str, object]]]:
    """The server with its ConfigMap; hosts, ports and files are of this machine. And what it was started with."""
    authority = trustme.CA().issue_cert("ragents")
    authority.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    authority.private_key_pem.write_to_path(folder / "tls.key")
    async with (
        embedded_database() as database,
        valkey_server() as cache,
        valkey_server("--maxmemory-policy", "noeviction") as state,
    ):
        secrets = {"database": database, "cache": cache.url, "limits": state.url}
        for name in ("database", "cache", "limits", "checkpoint-key", "chat-key"):
            (folder / name).write_text(secrets.get(name, "secret"))
        given = {name.removeprefix(PREFIX).lower(): value for name, value in environment_of(built).items()}
        moved = {
            name: str(folder / Path(value).name) if value.startswith("/") else value for name, value in given.items()
        }
        ports = {name: f"127.0.0.1:{free_port()}" for name in ("listen", "health_listen", "metrics_listen")}
        async with serving(**(moved | ports)) as running:
            yield running, dict(ports)


@pytest.mark.parametrize("name", ["dev", "prod"])
async def test_a_server_with_the_shipped_settings_answers_the_shipped_probes(name: str, tmp_path: Path) -> None:
    built = overlay(name)
    async with (
        started(built, tmp_path) as (running, ports),
        grpc.aio.insecure_channel(str(ports["health_listen"])) as channel,
    ):
        await health(channel, SERVING, service=built.container["readinessProbe"]["grpc"]["service"])
        for kind in ("startupProbe", "livenessProbe"):
            assert await checked(channel, built.container[kind]["grpc"]["service"]) == SERVING
        await exported(f"http://{ports['metrics_listen']}/metrics")
        running.process.terminate()
        given = built.pod["spec"]["terminationGracePeriodSeconds"]
        assert await running.ended(given) == 0


async def exported(url: str) -> None:
    """Waits until the page has the series that the adapter's rules read; those of calls come with the first."""
    wanted = {series_of(rule) for rule in adapted().values()}
    async with aiohttp.ClientSession() as session, asyncio.timeout(30), session.get(url) as page:
        text = await page.text()
    assert {name for name in wanted if f"# TYPE {name.removesuffix('_total')}" in text} == wanted
