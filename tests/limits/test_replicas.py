"""How many share the limits: servers, each with as many processes as it has."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ragents_server.connections.redis import open_redis
from ragents_server.limits.replicas import Replicas
from tests.postgres_servers import free_port
from tests.redis_servers import valkey_server


@asynccontextmanager
async def counting(url: str, processes: int = 1) -> AsyncIterator[Replicas]:
    """One process of a server, counting."""
    async with open_redis(url, setting="RAGENTS_LIMITS", timeout=1, name="test") as redis:
        replicas = Replicas(redis, processes)
        task = asyncio.create_task(replicas.keep())
        try:
            yield replicas
        finally:
            task.cancel()
            await asyncio.wait([task])


async def test_every_process_counts_as_one() -> None:
    async with valkey_server() as valkey, counting(valkey.url, 2) as one, counting(valkey.url, 2) as two:
        third = counting(valkey.url)
        async with third as other, asyncio.timeout(10):
            while {one(), two(), other()} != {3}:  # noqa: ASYNC110 - each looks once a second
                await asyncio.sleep(0.05)


async def test_a_process_that_never_met_the_redis_knows_of_its_siblings() -> None:
    async with counting(f"redis://127.0.0.1:{free_port()}", 4) as replicas:
        await asyncio.sleep(0)
        assert replicas() == 4
