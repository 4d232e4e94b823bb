"""Where the savers of the tests keep their state: real databases and Redis servers, and a look behind the saver."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib import resources

import asyncpg

from ragents_server.checkpoints.postgres import open_postgres_saver
from ragents_server.checkpoints.redis import open_redis_saver
from ragents_server.checkpoints.redis_rows import entries, keys
from ragents_server.checkpoints.saver import Saver
from ragents_server.connections.migrations import migrate
from ragents_server.connections.postgres import open_pool
from ragents_server.connections.redis import Redis, open_redis
from tests.postgres_servers import POSTGRESES
from tests.redis_servers import REDISES, valkey_cluster


@dataclass(frozen=True, slots=True)
class Place:
    """One store; `replica` opens one more saver over it."""

    replica: Callable[..., AbstractAsyncContextManager[Saver]]
    pool: asyncpg.Pool | None = None
    redis: Redis | None = None

    async def stored(self, thread: str) -> list[tuple[str, str]]:
        """The checkpoints of a thread, by namespace and id, in the order in which they came."""
        if self.pool is not None:
            rows = await self.pool.fetch("SELECT ns, id FROM checkpoints WHERE thread = $1 ORDER BY n", thread)
            return [(row["ns"], row["id"]) for row in rows]
        assert self.redis is not None
        index = keys(thread)[1]
        found = entries(thread, await self.redis.call(index, "HGETALL", index))
        return [(entry.place.ns, entry.place.id or "") for entry in sorted(found, key=lambda entry: entry.n)]

    async def counts(self, thread: str) -> tuple[int, int, int]:
        """How many checkpoints, parts and writes there are of a thread."""
        if self.pool is not None:
            tables = ("checkpoints", "checkpoint_segments", "checkpoint_writes")
            sql = "SELECT count(*)::int FROM {} WHERE thread = $1"
            one, two, three = [await self.pool.fetchval(sql.format(table), thread) for table in tables]
        else:
            assert self.redis is not None
            one, two, three = [await self.redis.call(key, "HLEN", key) for key in keys(thread)[2:]]
        return one, two, three


@asynccontextmanager
async def over_pool(url: str) -> AsyncIterator[Place]:
    await migrate(url, resources.files("ragents_server.checkpoints") / "migrations")
    async with open_pool(url) as pool:
        yield Place(lambda **options: open_postgres_saver(pool, **options), pool=pool)


@asynccontextmanager
async def postgres(name: str = "embedded") -> AsyncIterator[Place]:
    """Tables in a fresh database."""
    async with POSTGRESES[name]() as url, over_pool(url) as place:
        yield place


@asynccontextmanager
async def over_redis(url: str) -> AsyncIterator[Place]:
    async with open_redis(url, setting="RAGENTS_CHECKPOINTS", timeout=10) as redis:
        yield Place(lambda **options: open_redis_saver(redis, **options), redis=redis)


@asynccontextmanager
async def redis(name: str = "valkey", *options: str) -> AsyncIterator[Place]:
    """A server of the test's own."""
    async with REDISES[name](*options) as server, over_redis(server.url) as place:
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
