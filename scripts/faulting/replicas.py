"""Several servers on one database, as a deployment has them; each can be frozen, thawed and killed."""

import asyncio
import hashlib
import json
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from scripts.evaluation.server import START, end, free_port, last_words
from scripts.faulting.errors import FaultError
from tests.services.processes import READINESS, SERVING, environment

PAUSE = 0.05  # seconds between two looks at a server that starts
SERVER = ("ragents_server",)
# What happens to a call is to be seen, not mended: nothing is sent again.
OPTIONS = [("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0), ("grpc.initial_reconnect_backoff_ms", 200)]


@dataclass(frozen=True, slots=True)
class Key:
    """A caller's token and what it may do."""

    token: str
    tenant: str
    collections: tuple[str, ...] = ()  # granted; empty: all
    user: str = ""  # empty: the tenant's name
    priority: str = "NORMAL"  # its ceiling

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with a call."""
        return (("authorization", f"Bearer {self.token}"),)


@dataclass(frozen=True, slots=True)
class Begun:
    """A process that was started, and the channel to it."""

    process: Process
    address: str
    channel: grpc.aio.Channel


@dataclass(eq=False, slots=True)
class Replica:
    """A running server, and the calls that are on their way to it."""

    name: str
    log: Path
    begun: Begun
    begin: Callable[[], Awaitable[Begun]]
    frozen: bool = False
    in_flight: dict[object, float] = field(default_factory=dict)  # when each began

    @property
    def process(self) -> Process:
        """The one that runs now, or ran last."""
        return self.begun.process

    @property
    def channel(self) -> grpc.aio.Channel:
        """To the process; another one after a restart."""
        return self.begun.channel

    @contextmanager
    def on_its_way(self) -> Iterator[None]:
        """Notes a call as long as it lasts."""
        token = object()
        self.in_flight[token] = monotonic()
        try:
            yield
        finally:
            del self.in_flight[token]

    def freeze(self) -> None:
        """It keeps its connections and does nothing."""
        self.process.send_signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        """It goes on where it was."""
        self.process.send_signal(signal.SIGCONT)
        self.frozen = False

    def leave(self) -> None:
        """Asks it to end, without waiting for it."""
        if self.process.returncode is None:
            self.thaw()
            self.process.terminate()

    async def kill(self) -> None:
        """Ends it at once."""
        self.process.kill()
        await self.process.wait()

    async def restart(self) -> None:
        """Starts it again, at another address unless its settings name one; returns once it is ready."""
        self.begun = await self.begin()
        await self.ready()

    async def ready(self) -> None:
        """Returns when it would serve; FaultError when it ended instead, or takes too long."""
        health = health_pb2_grpc.HealthStub(self.channel)
        request = health_pb2.HealthCheckRequest(service=READINESS)
        try:
            async with asyncio.timeout(START):
                while self.process.returncode is None:
                    try:
                        if (await health.Check(request, timeout=START)).status == SERVING:
                            return
                    except grpc.aio.AioRpcError:
                        pass  # it does not listen yet
                    await asyncio.sleep(PAUSE)
        except TimeoutError:
            pass
        raise FaultError(f"a server did not come up: {self.last_words()}")

    def last_words(self) -> str:
        """Its exit status, where it has ended, and the end of its log."""
        return f"exit status {self.process.returncode}, {last_words(self.log)}"


def write_keys(path: Path, keys: Sequence[Key]) -> Path:
    """The file of keys that every replica reads."""
    rows: dict[str, dict[str, Any]] = {
        hashlib.sha256(key.token.encode()).hexdigest(): {
            "tenant": key.tenant,
            "user": key.user or key.tenant,
            "scopes": ["ask", "write"],
            "collections": list(key.collections),
            "priority": key.priority,
        }
        for key in keys
    }
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


@asynccontextmanager
async def replicas(
    folder: Path, each: Sequence[Mapping[str, object]], *, program: Sequence[str] = SERVER
) -> AsyncIterator[list[Replica]]:
    """One server for each row of settings (names in small letters), all started at once, all ready."""
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(_process(folder, f"replica-{number}", settings, program))
            for number, settings in enumerate(each)
        ]
        await asyncio.gather(*(replica.ready() for replica in opened))
        yield opened
        for replica in opened:
            replica.leave()


@asynccontextmanager
async def _process(
    folder: Path, name: str, settings: Mapping[str, object], program: Sequence[str]
) -> AsyncIterator[Replica]:
    log = folder / f"{name}.log"
    given = {"data": folder / name, "lame_duck": 0, "log_level": "WARNING", **settings}
    async with AsyncExitStack() as stack:  # a channel that were closed earlier would cancel whoever still waits on it

        async def begin() -> Begun:
            address = str(settings.get("listen") or f"127.0.0.1:{free_port()}")
            with log.open("ab") as output:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", *program),
                    env=environment(**given | {"listen": address}),
                    stdin=DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # Ctrl-C is for us, who end it in order
                )
            stack.push_async_callback(_ended, process)
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(address, OPTIONS))
            return Begun(process, address, channel)

        yield Replica(name, log, await begin(), begin)


async def _ended(process: Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGCONT)
        await end(process)
