"""The page that Prometheus reads, on an HTTP port of its own: prometheus_client's server, in threads of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry, disable_created_metrics, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ragents_server.errors import ConfigurationError

SECONDS = 5.0  # that collecting may take

Collect = Callable[[], Awaitable[Sequence[Metric]]]

# A time beside each counter that nobody reads, and that doubles the page.
disable_created_metrics()  # type: ignore[no-untyped-call]


class _Page(Collector):
    """What the server's loop tells, asked from the page's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, collect: Collect) -> None:
        self._loop = loop
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        """All families. Raises TimeoutError, which the page tells as status 500."""

        async def bounded() -> Sequence[Metric]:
            async with asyncio.timeout(SECONDS):
                return await self._collect()

        try:
            yield from asyncio.run_coroutine_threadsafe(bounded(), self._loop).result(SECONDS + 1)
        except CancelledError:
            raise TimeoutError("the server is ending") from None

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry need not ask before anybody else does."""
        return iter(())


@asynccontextmanager
async def page(listen: str, collect: Collect, *, setting: str = "RAGENTS_METRICS_LISTEN") -> AsyncIterator[str]:
    """Serves it inside the block; yields the address, with the port chosen where it was 0."""
    host, _, port = listen.rpartition(":")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Page(asyncio.get_running_loop(), collect))
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), registry)
    except OSError as error:
        raise ConfigurationError(
            f"{setting}: cannot listen on {listen}: {error.strerror}; is another server running there?"
        ) from None
    try:
        yield f"{host}:{server.server_port}"
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        await asyncio.to_thread(thread.join)
