"""The parent of a server's processes: it has the database and the port, and serves nothing itself."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from ragents_server.connections.postgres import UNAVAILABLE
from ragents_server.interceptors.serving import UNWIND
from ragents_server.operations import end_leases, migrate_schema, require_sound
from ragents_server.processes.ports import reserved
from ragents_server.processes.shares import connections
from ragents_server.processes.supervisor import Supervisor
from ragents_server.processes.worker import Worker, spawn
from ragents_server.settings import PREFIX, Settings
from ragents_server.wiring import database

CLOSING = 20.0  # seconds that a process may take to close what it has open, after its drain

log = logging.getLogger(__name__)

Stopped = Callable[[], Awaitable[bool]]


async def serve(settings: Settings, stopped: Stopped) -> int:
    """Serves with several processes until `stopped` returns; True asks for a lame duck before the end."""
    require_sound(settings)
    with ExitStack() as ports:
        places = {
            f"{PREFIX}{name.upper()}": getattr(settings, name)
            for name in ("listen", "health_listen")
            if getattr(settings, name) is not None
        }
        bound = {name: ports.enter_context(reserved(place, setting=name)) for name, place in places.items()}
        async with _database(settings) as further:
            return await _supervised(settings, dict(os.environ) | bound | further, stopped)


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[dict[str, str]]:
    """The environment that names the database to the processes: to them the embedded one is one like any other."""
    async with database(settings, connections=connections(settings)) as url:
        if settings.database is not None:
            yield {}
            return
        with suppress(*UNAVAILABLE):  # then the processes see to it
            await migrate_schema(url)
            await end_leases(url)
        yield {f"{PREFIX}DATABASE": url}


async def _supervised(settings: Settings, environment: dict[str, str], stopped: Stopped) -> int:
    stopping = asyncio.ensure_future(stopped())

    async def begin(number: int, first: bool) -> Worker:
        return await spawn(_command(number, first=first), environment, number=number, first=first)

    supervisor = Supervisor(settings.processes, begin)
    address = environment[f"{PREFIX}LISTEN"]
    log.info("ragents-server %s starts %d processes on %s", version("ragents-grpc"), settings.processes, address)
    async with _page(settings, supervisor):
        running = asyncio.create_task(supervisor.run(), name="keeping processes")
        try:
            await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                lame_duck = stopping.result()
                seconds = (settings.lame_duck if lame_duck else 0) + settings.grace + UNWIND + CLOSING
                await supervisor.stop(lame_duck=lame_duck, seconds=seconds)
            return await running
        finally:
            for task in (running, stopping):
                task.cancel()
            await asyncio.wait([running, stopping])
            log.info("all processes have stopped")


@asynccontextmanager
async def _page(settings: Settings, supervisor: Supervisor) -> AsyncIterator[None]:
    """The metrics of all processes, where a page is set."""
    if settings.metrics_listen is None:
        yield
        return
    from ragents_server.processes.pages import Pages
    from ragents_server.telemetry.page import page

    async with page(settings.metrics_listen, Pages(lambda: supervisor.workers).collect) as address:
        log.info("metrics are served on %s", address)
        yield


def _command(number: int, *, first: bool) -> list[str]:
    """This program again, with the same way to modules of one's own; the link's descriptor follows."""
    here = {"", str(Path.cwd())} & set(sys.path)
    flags = [] if here else ["-P"]
    words = ["work", str(number), "first" if first else "later", str(os.getpid())]
    return [sys.executable, *flags, "-m", "ragents_server", *words]
