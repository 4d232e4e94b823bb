"""The folder `postgres` below the data folder: who holds it, the cluster in it, the programs and the account for it."""

import asyncio
import fcntl
import os
import re
import secrets
import shutil
from asyncio.subprocess import Process
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ragents_server.connections.account import Account, barrier, choose, private_folder
from ragents_server.connections.binaries import Binaries, find, within_reach
from ragents_server.connections.child import end, spawn
from ragents_server.errors import ConfigurationError

ROLE = "ragents"
INITDB_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that is ours to run: its folder, its programs, its user. `home` holds it, the lock and the log."""

    home: Path
    folder: Path
    binaries: Binaries
    account: Account

    @property
    def log(self) -> Path:
        """What PostgreSQL writes to its standard error."""
        return self.home / "server.log"

    async def spawn(self, program: str, *arguments: str) -> Process:
        """Start one of the cluster's programs as its account."""
        command = (self.binaries.program(program), *arguments)
        return await spawn(command, account=self.account, folder=self.home, log=self.log)


@contextmanager
def held(data: Path) -> Iterator[Path]:
    """Make `postgres` below the data folder and lock it for this process' life, so that a second server refuses.

    This lock is the server's; `postmaster.pid` is PostgreSQL's, and may outlive a killed server for some seconds.
    """
    home = data.absolute() / "postgres"
    try:
        _make(data.absolute())
        home.mkdir(mode=0o711, exist_ok=True)
        descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or data}: {error.strerror}: RAGENTS_DATA names a writable folder"
        ) from error
    try:
        _lock(descriptor, data)
        yield home
    finally:
        os.close(descriptor)


def _make(data: Path) -> None:
    if not data.is_dir():
        data.mkdir(parents=True)
        data.chmod(0o711)  # whatever the umask: PostgreSQL's user has to pass through it


def _lock(descriptor: int, data: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
        raise ConfigurationError(
            f"{data} is in use by another ragents-server (process {holder or 'unknown'}): "
            "stop it, or set another RAGENTS_DATA"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)


async def prepare(home: Path, binaries: Path | None) -> Cluster:
    """Return the cluster below the held folder, made now if there is none; a half-made one is thrown away."""
    folder = home / "cluster"
    account = choose(folder)
    _require_way(account, home)
    major = _major(folder)
    programs = await asyncio.to_thread(_programs, binaries, major, account, home)
    if major is not None and major != programs.major:
        raise ConfigurationError(
            f"{folder} was made by PostgreSQL {major}, the programs are {programs.version}: set RAGENTS_POSTGRES_BIN "
            f"to the bin folder of a PostgreSQL {major}, or dump with that and restore into a new RAGENTS_DATA"
        )
    cluster = Cluster(home, folder, programs, account)
    if major is None:
        await _initialise(cluster)
    return cluster


def _require_way(account: Account, home: Path) -> None:
    wall = barrier(account, home)
    if wall is not None:
        raise ConfigurationError(
            f"PostgreSQL runs as user {account.name} (not as root), who may not enter {wall}: "
            "set RAGENTS_DATA to a folder such as /var/lib/ragents"
        )


def _programs(binaries: Path | None, major: int | None, account: Account, home: Path) -> Binaries:
    cache = home / "binaries"
    try:
        cache.mkdir(exist_ok=True)
        return within_reach(find(binaries, major), account, cache)
    except OSError as error:
        raise ConfigurationError(f"PostgreSQL's programs could not be copied to {cache}: {error.strerror}") from error


def _major(folder: Path) -> int | None:
    if not folder.exists():
        return None
    try:
        return int((folder / "PG_VERSION").read_text("ascii"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{folder} is not a PostgreSQL data folder ({error}): move it away") from error


async def _initialise(cluster: Cluster) -> None:
    """Make the cluster beside its place and rename it: a crash in between leaves nothing that looks like a cluster.

    The place is a new one each time: the initdb of a killed server may still write into its own.
    """
    for left in cluster.home.glob("cluster.new-*"):
        shutil.rmtree(left, ignore_errors=True)
    fresh = cluster.home / f"cluster.new-{secrets.token_hex(4)}"
    try:
        private_folder(cluster.account, fresh)
        await _run_initdb(cluster, fresh)
        fresh.rename(cluster.folder)
        _sync(cluster.home)
    except TimeoutError:
        raise ConfigurationError(f"PostgreSQL could not make {cluster.folder} within {INITDB_SECONDS:.0f} s") from None
    except OSError as error:
        raise ConfigurationError(f"PostgreSQL could not make {cluster.folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


async def _run_initdb(cluster: Cluster, fresh: Path) -> None:
    start = size(cluster.log)
    process = await cluster.spawn("initdb", *_initdb_arguments(fresh, cluster.binaries.major))
    try:
        async with asyncio.timeout(INITDB_SECONDS):
            status = await process.wait()
    finally:
        await end(process)
    if status != 0:
        raise ConfigurationError(f"PostgreSQL could not make {cluster.folder}: {complaint(cluster.log, start)}")


def _initdb_arguments(folder: Path, major: int) -> list[str]:
    """UTF-8, sorted by code point on every machine. Trust, since the socket's folder is the account's alone."""
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if major >= 17 else []
    return ["-D", str(folder), f"--username={ROLE}", "--encoding=UTF8", "--locale=C", *builtin, "--auth=trust"]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def size(log: Path) -> int:
    """Return where the log ends now."""
    return log.stat().st_size if log.exists() else 0


def complaint(log: Path, start: int) -> str:
    """Return the first error in the log from the byte `start` on, else its last line."""
    with log.open("rb") as file:
        file.seek(start)
        written = file.read(65536).decode(errors="replace")
    found = re.search(r"\b(?:FATAL|PANIC|error): .*", written)
    return found[0] if found else (written.splitlines() or ["it wrote nothing"])[-1]
