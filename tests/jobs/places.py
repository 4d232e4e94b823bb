"""Where the queues of the tests keep their jobs: real databases and Redis servers, and a hand on their clocks."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Any

import asyncpg

from ragents_server.caller import LOCAL, PRIORITIES, to_text
from ragents_server.connections.migrations import migrate
from ragents_server.connections.postgres import open_pool
from ragents_server.connections.redis import Redis, open_redis
from ragents_server.ids import identity
from ragents_server.jobs.postgres import PostgresQueue
from ragents_server.jobs.queue import Bounds, Queue, Submission
from ragents_server.jobs.redis import RedisQueue
from ragents_server.jobs.redis_scripts import AWAY, PREFIX, QUEUE, batch_keys
from tests.postgres_servers import POSTGRESES
from tests.redis_servers import REDISES, valkey_cluster

LOW, NORMAL, HIGH, CRITICAL = range(len(PRIORITIES))
USUAL_BOUNDS = Bounds()
USUAL = (CRITICAL, HIGH, NORMAL, LOW)


def batch_id(name: str, tenant: str = "acme") -> str:
    """The id of the test's batch of this name."""
    return identity("batch", tenant, "ada", name)


def submission(name: str, number: int = 1, priority: int = NORMAL, tenant: str = "acme") -> Submission:
    """A batch of so many questions, whose bytes are their names."""
    questions = [f"{name}{i}".encode() for i in range(number)]
    return Submission(batch_id(name, tenant), tenant, "ada", to_text(LOCAL), priority, name.encode(), questions)


@dataclass(frozen=True, slots=True)
class Place:
    """One store; `queue` opens one more queue over it."""

    queue: Callable[..., Queue]
    pool: asyncpg.Pool | None = None
    redis: Redis | None = None

    async def pass_time(self) -> None:
        """Lets all leases run out and all pauses end, as if a day had passed."""
        if self.pool is not None:
            await self.pool.execute("UPDATE batch_items SET free_at = now() - interval '1 second'")
        else:
            for name in await self._call(AWAY, "ZRANGE", AWAY, 0, -1):
                await self._call(AWAY, "ZADD", AWAY, 0, name)

    async def pause(self, batch: str, index: int = 0) -> float:
        """Seconds until a job is free."""
        if self.pool is not None:
            sql = "SELECT extract(epoch FROM free_at - now())::float8 FROM batch_items WHERE batch = $1 AND index = $2"
            return float(await self.pool.fetchval(sql, batch, index))
        seconds, microseconds = await self._call(AWAY, "TIME")
        rows = await self._call(AWAY, "ZRANGE", AWAY, 0, -1, "WITHSCORES")
        pairs = rows if rows and isinstance(rows[0], tuple | list) else zip(rows[::2], rows[1::2], strict=True)
        [until] = [float(score) for name, score in pairs if name.endswith(f":{batch}:{index}".encode())]
        return until / 1000 - seconds - microseconds / 1e6

    async def age(self, batch: str) -> None:
        """Makes it a batch that ended two days ago."""
        if self.pool is not None:
            await self.pool.execute("UPDATE batches SET update_time = now() - interval '2 days' WHERE id = $1", batch)
            return
        for key in (batch_keys(batch)[0], batch_keys(batch)[2]):
            if await self._call(key, "EXISTS", key):
                assert 0 < await self._call(key, "PTTL", key) <= 86_400_000
                await self._call(key, "PEXPIRE", key, 0)
        for name in await self._call(QUEUE[8], "ZRANGE", QUEUE[8], 0, -1):
            await self._call(QUEUE[8], "ZADD", QUEUE[8], 0, name)

    async def tamper(self, batch: str, stored: bytes) -> None:
        """Puts other bytes in the place of the first question."""
        if self.pool is not None:
            await self.pool.execute(
                "UPDATE batch_items SET question = $2 WHERE batch = $1 AND index = 0", batch, stored
            )
        else:
            await self._call(batch_keys(batch)[1], "HSET", batch_keys(batch)[1], 0, stored)

    async def left(self) -> int:
        """How many things are kept of batches and jobs."""
        if self.pool is not None:
            sql = "SELECT (SELECT count(*) FROM batches) + (SELECT count(*) FROM batch_items)"
            return int(await self.pool.fetchval(sql))
        assert self.redis is not None
        keys = [key async for page in self.redis.scan(f"{PREFIX}*") for key in page]
        return len(set(keys) - {QUEUE[0]})

    async def _call(self, key: str, *command: Any) -> Any:
        assert self.redis is not None
        return await self.redis.call(key, *command)


@asynccontextmanager
async def postgres(name: str = "embedded") -> AsyncIterator[Place]:
    """Tables in a fresh database."""
    async with POSTGRESES[name]() as url:
        await migrate(url, resources.files("ragents_server.jobs") / "migrations")
        async with open_pool(url) as pool:
            yield Place(lambda bounds=USUAL_BOUNDS: PostgresQueue(pool, bounds), pool=pool)


@asynccontextmanager
async def over_redis(url: str) -> AsyncIterator[Place]:
    async with open_redis(url, setting="RAGENTS_LIMITS", timeout=10) as redis:
        yield Place(lambda bounds=USUAL_BOUNDS: RedisQueue(redis, bounds), redis=redis)


@asynccontextmanager
async def redis(name: str = "valkey") -> AsyncIterator[Place]:
    """A server of the test's own."""
    async with REDISES[name]() as server, over_redis(server.url) as place:
        yield place


@asynccontextmanager
async def cluster() -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(valkey_cluster())
        url = servers[0].url.replace("redis://", "redis+cluster://")
        yield await stack.enter_async_context(over_redis(url))


PLACES: dict[str, Callable[[], AbstractAsyncContextManager[Place]]] = {"postgres": postgres, "redis": redis}
"""One of each kind, for tests of what both promise."""

EVERYWHERE: dict[str, Callable[[], AbstractAsyncContextManager[Place]]] = {
    **{name: partial(postgres, name) for name in POSTGRESES},
    **{name: partial(redis, name) for name in REDISES},
    "cluster": cluster,
}
