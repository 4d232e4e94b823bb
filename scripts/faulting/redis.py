"""The Redis of a test, always on one port: killed, frozen and started at will."""

import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from redis.asyncio import Redis

from scripts.evaluation.server import free_port
from tests.redis_servers import Server, valkey_server


class RedisServer:
    """A server that keeps nothing beyond its end: killed, it comes back empty."""

    def __init__(self, stack: AsyncExitStack, options: Sequence[str]) -> None:
        self.port = free_port()
        self._stack = stack
        self._options = options
        self._server: Server | None = None

    @property
    def url(self) -> str:
        """What clients are told, whether it runs or not."""
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Returns once it answers."""
        self._server = await self._stack.enter_async_context(valkey_server(*self._options, port=self.port))

    async def kill(self) -> None:
        """Ends it at once, without a word to anybody."""
        if self._server is not None:
            await self._server.kill()

    def freeze(self) -> None:
        """It keeps its connections and says nothing."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it was."""
        self._send(signal.SIGCONT)

    async def command(self, *words: str | int) -> object:
        """One command, as an administrator gives it."""
        async with Redis.from_url(self.url) as client:
            reply: object = await client.execute_command(*words)  # type: ignore[no-untyped-call]
            return reply

    def _send(self, number: signal.Signals) -> None:
        if self._server is not None and self._server.process.returncode is None:
            self._server.process.send_signal(number)


@asynccontextmanager
async def redis_server(*options: str) -> AsyncIterator[RedisServer]:
    """A server that answers; the options are its own."""
    async with AsyncExitStack() as stack:
        server = RedisServer(stack, options)
        await server.start()
        yield server
