"""The limiter: what is taken is given back to whoever it was taken from, and a caller who leaves leaves nothing."""

import asyncio
from collections.abc import Sequence

import pytest

from ragents_server.caller import Caller
from ragents_server.connections.redis import RedisUnavailable
from ragents_server.errors import RateLimited
from ragents_server.limits.law import Asked, Bucket, Decision, Owner, Quota
from ragents_server.limits.limiter import Limiter
from ragents_server.limits.local import LocalLimiter

ADA = Caller("acme", "ada")
SLOW = Quota(requests_per_minute=1, requests_per_hour=0, burst=2, tokens_per_minute=100, concurrency=2)


class AllReplicas:
    """A limiter of all replicas, as a test has it: away, or not answering until it is told to."""

    def __init__(self) -> None:
        self.limiter = LocalLimiter(lambda: 1000.0)
        self.away = False
        self.answers = asyncio.Event()
        self.answers.set()
        self.settled: list[tuple[int, str]] = []

    async def decide(self, asked: Asked) -> Decision:
        if self.away:
            raise RedisUnavailable("away")
        decision = self.limiter.decide(asked)
        await self.answers.wait()
        return decision

    async def settle(self, owner: Owner, buckets: Sequence[Bucket], tokens: int, lease: str = "") -> None:
        self.settled.append((tokens, lease))
        self.limiter.settle(owner, buckets, tokens, lease)


async def left(shared: AllReplicas, quota: Quota) -> int:
    decision = await shared.decide(Asked(Owner("acme", "ada"), quota.tokens, 0))
    return decision.remaining


async def test_what_a_share_gave_is_not_given_back_to_the_limits_of_all() -> None:
    shared = AllReplicas()
    limiter = Limiter(shared, lambda: 2)
    await shared.decide(Asked(Owner("acme", "ada"), SLOW.tokens, 60))
    shared.away = True
    async with limiter.reserved(ADA, SLOW, 40):
        shared.away = False  # back before the call ends, which used nothing
    await limiter.aclose()
    assert shared.settled == []
    assert await left(shared, SLOW) == 40


async def test_tokens_are_settled_by_what_was_used_where_they_were_taken() -> None:
    shared = AllReplicas()
    limiter = Limiter(shared)
    async with limiter.reserved(ADA, SLOW, 40) as usage:
        usage.settle(70)
    await limiter.aclose()
    assert await left(shared, SLOW) == 30


async def test_a_model_that_wants_tokens_which_are_not_there_is_refused_and_nobody_waits_in_a_slot() -> None:
    limiter = Limiter()
    async with limiter.reserved(ADA, SLOW, 100) as usage:
        usage.settle(100)
    with pytest.raises(RateLimited) as refused:
        async with limiter.reserved(ADA, SLOW, 10):
            pass
    assert refused.value.retry_after == pytest.approx(6, abs=0.1)


async def test_who_leaves_while_it_is_decided_leaves_no_call_under_way() -> None:
    shared = AllReplicas()
    limiter = Limiter(shared)
    shared.answers.clear()

    async def call() -> None:
        async with limiter.admitted(ADA, SLOW, most_wait=0, seconds=60):
            pass

    for _ in range(2):  # as many as may be under way
        leaving = asyncio.create_task(call())
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
    await limiter.aclose()
    shared.answers.set()
    free = Quota(requests_per_minute=0, requests_per_hour=0, concurrency=2)
    async with limiter.admitted(ADA, free, most_wait=0, seconds=60):
        pass


async def test_who_leaves_while_it_waits_gives_its_token_to_the_next() -> None:
    limiter = Limiter(local=LocalLimiter(lambda: 1000.0))
    quota = Quota(requests_per_minute=1, requests_per_hour=0, burst=1)

    async def call() -> Decision:
        async with limiter.admitted(ADA, quota, most_wait=100, seconds=100) as decision:
            return decision

    await call()
    for _ in range(5):
        waiting = asyncio.create_task(call())
        await asyncio.sleep(0)  # until it waits
        waiting.cancel()
        await asyncio.wait([waiting])
    with pytest.raises(RateLimited) as refused:
        async with limiter.admitted(ADA, quota, most_wait=59, seconds=100):
            pass
    assert refused.value.retry_after == pytest.approx(60)
