"""What a read from the shared Redis costs when many wait at once: our store against one GET a call through redis-py."""

import os
from collections.abc import Awaitable, Callable, Sequence

from redis.asyncio import BlockingConnectionPool, Redis

from ragents_server.cache.redis import RedisStore
from ragents_server.cache.redis_keys import entry
from ragents_server.cache.stores import Key, Origin
from ragents_server.connections.redis import open_redis
from scripts.benchmarks.load import Taken, median_percentile, median_rate, raced
from scripts.figures import Figure
from tests.redis_servers import Server, valkey_server

KEYS, BYTES = 2_000, 2_048
CALLERS = 50
SECONDS = 0.1  # that a plain GET may wait for its reply, as ours
GAIN, ALONE = 8.0, 1.2  # at least, at most

Read = Callable[[Key], Awaitable[object]]


async def reads(*, rounds: int, calls: int) -> list[Figure]:
    """Each way by turns, with many callers and with one; so many calls of each of the many a round.

    Many short rounds tell more than a few long ones: what else the machine does then falls on both ways alike.
    """
    async with (
        valkey_server() as server,
        open_redis(server.url, setting="RAGENTS_CACHE", timeout=1.0) as shared,
        plain_client(server) as client,
    ):
        store = RedisStore(shared)
        keys = [Key("bench", "answer", os.urandom(16)) for _ in range(KEYS)]
        for key in keys:
            await store.put(key, os.urandom(BYTES), 3600, Origin())

        async def plain(key: Key) -> object:
            return await client.get(entry(key))

        many = await _by_turns((plain, store.get), keys, rounds=rounds, calls=CALLERS * calls, callers=CALLERS)
        one = await _by_turns((plain, store.get), keys, rounds=rounds, calls=10 * calls, callers=1)
    plain_rate, merged_rate = (median_rate(taken) for taken in many)
    plain_wait, merged_wait = (median_percentile(taken, 0.5) for taken in one)
    return [
        Figure("redis_reads_plain_50_callers", plain_rate, "reads/s"),
        Figure("redis_reads_merged_50_callers", merged_rate, "reads/s"),
        Figure.at_least("redis_reads_gain_50_callers", merged_rate / plain_rate, GAIN, "times"),
        Figure("redis_read_plain_1_caller_p50", plain_wait, "ms"),
        Figure.at_most("redis_read_merged_1_caller_p50", merged_wait / plain_wait, ALONE, "times"),
    ]


def plain_client(server: Server) -> Redis:
    """redis-py as it should be used: a pool that waits rather than fails, with room for all, and bounded waits."""
    bounds = {"socket_timeout": SECONDS, "socket_connect_timeout": SECONDS}
    pool = BlockingConnectionPool.from_url(server.url, max_connections=CALLERS, timeout=1, **bounds)
    return Redis.from_pool(pool)


async def _by_turns(
    ways: Sequence[Read], keys: Sequence[Key], *, rounds: int, calls: int, callers: int
) -> list[list[Taken]]:
    """What each way took, round by round; the calls name the keys in the same order."""
    taken: list[list[Taken]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, found in zip(ways, taken, strict=True):
            found.append(await raced(way, (keys[number % KEYS] for number in range(calls)), callers=callers))
    return taken
