"""The real server for tests: in this process on a loop of its own, on a fresh database and a free port."""

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ragents_server.operations import prepare
from ragents_server.server import listening
from ragents_server.settings import Settings
from ragents_server.wiring import opened
from tests.postgres_servers import embedded_database
from tests.services.processes import UNLIMITED


@asynccontextmanager
async def running_server(**settings: Any) -> AsyncIterator[str]:
    """The address of a server that is ready; a `database` among the settings is used instead of a fresh one."""
    async with embedded_database() as url:
        given = {"listen": "127.0.0.1:0", "database": url, "embedding_threads": 2, "parsers": 1} | UNLIMITED | settings
        async with opened(Settings(**given)) as parts, listening(Settings(**given), parts) as server:
            await prepare(parts)
            await server.set_ready(True)
            async with parts.queueing.workers.working():
                yield server.address


@contextmanager
def server_thread(**settings: Any) -> Iterator[str]:
    """The same for tests that block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="server under test")
    thread.start()
    server = running_server(**settings)
    try:
        yield asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(60)
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def keys_file(folder: Path, **callers: dict[str, Any]) -> Path:
    """A file for RAGENTS_KEYS: the token is the argument's name."""
    path = folder / "keys.json"
    path.write_text(json.dumps({hashlib.sha256(token.encode()).hexdigest(): row for token, row in callers.items()}))
    return path


def bearer(token: str, **metadata: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a caller who has this token."""
    return (("authorization", f"Bearer {token}"), *((key.replace("_", "-"), value) for key, value in metadata.items()))


def wait_until_ready(address: str, seconds: float = 60) -> None:
    """Until the server there says that it is ready; it need not listen yet."""
    request = health_pb2.HealthCheckRequest(service="ragents-readiness")
    with grpc.insecure_channel(address) as channel:
        for reply in health_pb2_grpc.HealthStub(channel).Watch(request, timeout=seconds, wait_for_ready=True):
            if reply.status == health_pb2.HealthCheckResponse.SERVING:
                return
