"""The server that a bench measures: started as a user starts it, on a free port of loopback, and ended."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ragents_client import AsyncClient
from ragents_server.cache.stores import LAYERS
from ragents_server.connections.sockets import running_url
from scripts.evaluation.server import ServerError, answers, end, free_port, start

CACHE = 5 * 10**6  # bytes a layer


@dataclass(frozen=True, slots=True)
class Service:
    """A running server, and when it was started, by time.perf_counter()."""

    client: AsyncClient
    pid: int
    data: Path
    began: float

    @property
    def database(self) -> str:
        """The URL of its own PostgreSQL."""
        url = running_url(self.data)
        if url is None:
            raise ServerError("the server's PostgreSQL does not run")
        return url


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Service]:
    """A server with its data in `folder`, default settings but for what a measurement needs.

    Its caches have little room: what they hold would else be counted as the memory of whatever is measured.
    """
    address, log = f"127.0.0.1:{free_port()}", folder / "log"
    settings = {"DATA": f"{folder}/data", "LISTEN": address, "LAME_DUCK": "0", "LOG_LEVEL": "WARNING"}
    settings |= {f"CACHE_{layer.upper()}_SIZE": str(CACHE) for layer in LAYERS}
    began = time.perf_counter()
    process = await start(settings, log)
    try:
        async with AsyncClient(address, wait_for_ready=True) as client:
            await answers(client, process, log)
            yield Service(client, process.pid, folder / "data", began)
    finally:
        await end(process)
