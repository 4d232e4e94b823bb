"""The bench `limits`: a decision of ours beside two libraries' on the same Redis, and one in process."""

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any

from limits import RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from pyrate_limiter import Duration, Limiter, Rate, RedisStateStore, StateBucket
from redis.asyncio import BlockingConnectionPool, Redis

from ragents_server.connections.redis import open_redis
from ragents_server.limits.law import Asked, Owner, Quota
from ragents_server.limits.local import LocalLimiter
from ragents_server.limits.shared import SharedLimiter
from scripts.benchmarks.errors import BenchError
from scripts.figures import Figure
from tests.redis_servers import valkey_server

TASKS = 50
USERS = 50
MANY = 10**6  # so that every call is admitted
QUOTA = Quota(requests_per_minute=MANY, requests_per_hour=10 * MANY, burst=MANY)
NOTES = {
    "decision": f"{TASKS} tasks, one call each at a time, {USERS} users, a limit a minute and one an hour; the same "
    "Redis and redis-py, by turns, medians. limits: its fixed windows, its quickest strategy. pyrate-limiter: for "
    "each user a bucket of two rates by GCRA, its quickest. Both have as many connections as there are tasks",
    "in_process": "CPU of one decision, both buckets, over 50,000 users",
}

Decide = Callable[[int], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    calls: int  # of each task, a round
    alone: int  # decisions in process


FULL, SHORT = Plan(15, 40, 200_000), Plan(1, 4, 5_000)


async def measured(*, short: bool) -> list[Figure]:
    """All figures."""
    plan = SHORT if short else FULL
    return [*await _shared(plan), _in_process(plan)]


async def _shared(plan: Plan) -> list[Figure]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(valkey_server())
        redis = await stack.enter_async_context(open_redis(server.url, setting="RAGENTS_LIMITS", timeout=5))
        peers: dict[str, Decide] = {
            "ours": _ours(SharedLimiter(redis)),
            "limits": _limits(stack, server.url, server.port),
            "pyrate": _pyrate(stack, server.port),
        }
        for decide in peers.values():  # once before it counts
            await _round(decide, 2)
        rates: dict[str, list[float]] = {name: [] for name in peers}
        for _ in range(plan.rounds):
            for name, decide in peers.items():
                rates[name].append(await _round(decide, plan.calls))
    found = {name: statistics.median(rates[name]) for name in peers}
    figures = [Figure(f"decision_{name}", rate, "decisions/s") for name, rate in found.items()]
    for name in ("limits", "pyrate"):
        gain = statistics.median(a / b for a, b in zip(rates["ours"], rates[name], strict=True))
        figures.append(Figure.at_least(f"decision_over_{name}", gain, 4, "x"))
    return figures


async def _round(decide: Decide, calls: int) -> float:
    """Decisions a second."""

    async def one(task: int) -> None:
        for call in range(calls):
            if not await decide((task * 7 + call) % USERS):
                raise BenchError("a call was refused that is within its limits")

    began = perf_counter()
    await asyncio.gather(*(one(task) for task in range(TASKS)))
    return TASKS * calls / (perf_counter() - began)


def _ours(limiter: SharedLimiter) -> Decide:
    asked: Sequence[Asked] = [Asked(Owner("acme", f"user {user}"), QUOTA.requests()) for user in range(USERS)]

    async def decide(user: int) -> bool:
        return (await limiter.decide(asked[user])).admitted

    return decide


def _limits(stack: AsyncExitStack, url: str, port: int) -> Decide:
    pool: Any = _pool(stack, port)
    storage = RedisStorage(f"async+{url}", implementation="redispy", connection_pool=pool)
    limiter = FixedWindowRateLimiter(storage)
    items = RateLimitItemPerMinute(MANY), RateLimitItemPerHour(10 * MANY)

    async def decide(user: int) -> bool:
        hits = [await limiter.hit(item, "acme", f"user {user}") for item in items]
        return all(hits)

    return decide


def _pyrate(stack: AsyncExitStack, port: int) -> Decide:
    redis = Redis(connection_pool=_pool(stack, port))
    rates = [Rate(MANY, Duration.MINUTE), Rate(10 * MANY, Duration.HOUR)]
    stores = [RedisStateStore(redis, f"pyrate {user}") for user in range(USERS)]
    limiters = [Limiter(StateBucket(rates, store=store)) for store in stores]

    async def decide(user: int) -> bool:
        return await limiters[user].try_acquire_async("call", blocking=False)

    return decide


def _pool(stack: AsyncExitStack, port: int) -> BlockingConnectionPool:
    pool = BlockingConnectionPool(host="127.0.0.1", port=port, max_connections=TASKS)
    stack.push_async_callback(pool.disconnect)
    return pool


def _in_process(plan: Plan) -> Figure:
    limiter = LocalLimiter()
    asked = [Asked(Owner("acme", f"user {user}"), Quota().requests()) for user in range(50_000)]
    began = process_time()
    for call in range(plan.alone):
        limiter.decide(asked[call % len(asked)])
    return Figure.at_most("in_process", (process_time() - began) / plan.alone * 1e6, 10, "us")
