"""`ragents-server` as a process of its own, and the PostgreSQLs below it: started, waited for, stopped, killed."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ragents_server.connections import pidfile

SECONDS = 60
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
READINESS, LIVENESS = "ragents-readiness", "ragents-liveness"


@dataclass(slots=True)
class Running:
    """A server that listens, and what it says on standard error, which is read at once: a full pipe would stop it."""

    process: Process
    address: str = ""
    log: list[str] = field(default_factory=list)
    _sought: int = 0  # lines that were looked at for words
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    _reading: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._reading = asyncio.create_task(self._read(), name="what a server says")

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.log.append(line.decode())
            self._came.set()

    async def until_it_says(self, words: str) -> str:
        """The first line not looked at yet that holds the words."""
        assert self._reading is not None
        async with asyncio.timeout(SECONDS):
            while True:
                self._came.clear()
                while self._sought < len(self.log):
                    self._sought += 1
                    if words in self.log[self._sought - 1]:
                        return self.log[self._sought - 1]
                if self._reading.done():
                    raise AssertionError(f"it ended without saying {words!r}:\n{''.join(self.log)}")
                came = asyncio.create_task(self._came.wait())
                await asyncio.wait([came, self._reading], return_when=asyncio.FIRST_COMPLETED)
                came.cancel()

    async def ended(self, seconds: float = SECONDS) -> int:
        """Its exit status, when it has ended by itself and all that it said is read."""
        assert self._reading is not None
        async with asyncio.timeout(seconds):
            status = await self.process.wait()
            await asyncio.shield(self._reading)
        return status


UNLIMITED = {"requests_per_minute": 0, "requests_per_hour": 0}  # where limits are not what is looked at


def environment(**settings: object) -> dict[str, str]:
    """This process' environment with these settings and no others."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RAGENTS_")}
    given = {"listen": "127.0.0.1:0", "parsers": 1, "lame_duck": 0.2, "log_format": "text"} | UNLIMITED | settings
    return plain | {f"RAGENTS_{name.upper()}": str(value) for name, value in given.items()}


async def spawned(*words: str, **settings: object) -> Process:
    """The command, begun."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ragents_server",
        *words,
        stdout=PIPE,
        stderr=PIPE,
        env=environment(**settings),
        limit=2**20,
    )


async def finished(*words: str, seconds: float = SECONDS, **settings: object) -> tuple[int, str, str]:
    """The command, to its end: exit status, standard output, standard error."""
    process = await spawned(*words, **settings)
    try:
        async with asyncio.timeout(seconds):
            out, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), said.decode()


@asynccontextmanager
async def serving(**settings: object) -> AsyncIterator[Running]:
    """A server that listens, ready or not; ended with SIGTERM unless the test ended it."""
    running = Running(await spawned(**settings))
    try:
        line = await running.until_it_says("listens on")
        said = json.loads(line)["message"] if line.startswith("{") else line
        running.address = said.rsplit(maxsplit=1)[-1]
        yield running
    finally:
        if running.process.returncode is None:
            running.process.send_signal(signal.SIGTERM)
            try:
                await running.ended(20)
            except TimeoutError:
                running.process.kill()
                await running.process.wait()


async def watching(channel: grpc.aio.Channel, *wanted: int) -> asyncio.Task[list[int]]:
    """A Watch that the server has begun to answer: it misses nothing of what happens from now on."""
    begun = asyncio.Event()
    task = asyncio.create_task(health(channel, *wanted, begun=begun))
    async with asyncio.timeout(SECONDS):
        await begun.wait()
    return task


async def health(
    channel: grpc.aio.Channel, *wanted: int, service: str = READINESS, begun: asyncio.Event | None = None
) -> list[int]:
    """What a Watch tells, until it has told all that is wanted in this order."""
    seen: list[int] = []
    left = list(wanted)
    call = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=service), timeout=SECONDS)
    async for response in call:
        seen.append(response.status)
        if begun is not None:
            begun.set()
        if left and response.status == left[0]:
            left.pop(0)
        if not left:
            break
    call.cancel()
    assert not left, f"of {wanted} it told only {seen}"
    return seen


async def checked(channel: grpc.aio.Channel, service: str) -> int:
    """The state of one service now."""
    request = health_pb2.HealthCheckRequest(service=service)
    return int((await health_pb2_grpc.HealthStub(channel).Check(request, timeout=10)).status)


@asynccontextmanager
async def ready(**settings: object) -> AsyncIterator[tuple[Running, grpc.aio.Channel]]:
    """A server that is ready, and a channel to it."""
    async with serving(**settings) as running, grpc.aio.insecure_channel(running.address) as channel:
        await health(channel, SERVING)
        yield running, channel


def postmaster(data: Path) -> int:
    """The number of the embedded PostgreSQL's first process."""
    found = pidfile.running(data / "postgres" / "cluster")
    assert found is not None
    return found


def family(process: int) -> list[int]:
    """A process and all below it."""
    first = psutil.Process(process)
    return [first.pid, *(child.pid for child in first.children(recursive=True))]
