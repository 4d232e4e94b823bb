"""The law of limits, the same in process and in a Redis: never more than a bucket has, waits that are exact."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

import pytest

from ragents_server.connections.redis import open_redis
from ragents_server.limits.law import Asked, Decision, Owner, Quota
from ragents_server.limits.local import LocalLimiter
from ragents_server.limits.shared import SharedLimiter
from tests.redis_servers import REDISES

ADA, BOB, EVE = Owner("acme", "ada"), Owner("acme", "bob"), Owner("evil", "ada")
SLOW = Quota(requests_per_minute=1, requests_per_hour=0, burst=10)  # no token comes while a test runs
MOST = 3600.0


@dataclass
class Place:
    """A limiter whose clock a test moves: the real one where it is a Redis's, so there time only passes."""

    decide: Callable[[Asked], Awaitable[Decision]]
    settle: Callable[..., Awaitable[None]]
    release: Callable[[Owner, str], Awaitable[None]]
    exact: float  # seconds by which the clock goes on during a test


@pytest.fixture(params=["in process", *REDISES])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    if request.param == "in process":
        limiter = LocalLimiter(lambda: 1000.0)

        async def decide(asked: Asked) -> Decision:
            return limiter.decide(asked)

        async def settle(owner: Owner, buckets: tuple, tokens: int) -> None:
            limiter.settle(owner, buckets, tokens)

        async def release(owner: Owner, lease: str) -> None:
            limiter.release(owner, lease)

        yield Place(decide, settle, release, 1e-6)
        return
    async with REDISES[request.param]() as server, open_redis(server.url, setting="X", timeout=2) as redis:
        shared = SharedLimiter(redis)

        async def end(owner: Owner, lease: str) -> None:
            await shared.settle(owner, (), 0, lease)

        yield Place(shared.decide, shared.settle, end, 1.0)


def asked(quota: Quota, owner: Owner = ADA, most_wait: float = 0.0, cost: int = 1) -> Asked:
    return Asked(owner, quota.requests(), cost, most_wait)


async def test_of_four_hundred_at_once_as_many_are_admitted_as_the_bucket_holds(place: Place) -> None:
    decisions = await asyncio.gather(*(place.decide(asked(SLOW)) for _ in range(400)))
    assert sum(one.admitted for one in decisions) == 10
    assert all(one.limit == "1 requests a minute for the user" for one in decisions)


async def test_users_and_tenants_have_buckets_of_their_own(place: Place) -> None:
    for owner in (ADA, BOB, EVE):
        decisions = [await place.decide(asked(SLOW, owner)) for _ in range(11)]
        assert [one.admitted for one in decisions] == [True] * 10 + [False]


async def test_the_trailers_figures_tell_what_is_left(place: Place) -> None:
    left = [(await place.decide(asked(SLOW))).remaining for _ in range(10)]
    assert left == list(range(9, -1, -1))


async def test_the_wait_of_a_refusal_is_exact_and_each_who_is_refused_has_another(place: Place) -> None:
    for _ in range(10):
        await place.decide(asked(SLOW))
    waits = [(await place.decide(asked(SLOW))).wait for _ in range(5)]
    assert waits == pytest.approx([60, 120, 180, 240, 300], abs=place.exact)


async def test_who_may_wait_has_a_token_reserved_in_the_order_of_asking(place: Place) -> None:
    for _ in range(10):
        await place.decide(asked(SLOW))
    waits = [await place.decide(asked(SLOW, most_wait=200)) for _ in range(4)]
    assert [one.admitted for one in waits] == [True, True, True, False]
    assert [one.wait for one in waits] == pytest.approx([60, 120, 180, 240], abs=place.exact)


async def test_a_token_given_back_is_the_next_ones(place: Place) -> None:
    for _ in range(10):
        await place.decide(asked(SLOW))
    first = await place.decide(asked(SLOW, most_wait=MOST))
    await place.settle(ADA, SLOW.requests(), -1)
    again = await place.decide(asked(SLOW, most_wait=MOST))
    assert again.wait == pytest.approx(first.wait, abs=place.exact)


async def test_all_buckets_give_or_none(place: Place) -> None:
    quota = Quota(requests_per_minute=1, burst=10, requests_per_hour=3)
    decisions = [await place.decide(asked(quota)) for _ in range(5)]
    assert [one.admitted for one in decisions] == [True] * 3 + [False] * 2
    assert decisions[-1].limit == "3 requests an hour for the user"
    minute = replace(quota, requests_per_hour=0)
    assert (await place.decide(asked(minute))).remaining == 6  # the refused ones took nothing


async def test_a_tenants_bucket_is_for_all_its_users(place: Place) -> None:
    quota = Quota(requests_per_minute=0, requests_per_hour=0, tenant_requests_per_minute=1, tenant_burst=3)
    owners = [ADA, BOB, ADA, BOB]
    decisions = [await place.decide(asked(quota, owner)) for owner in owners]
    assert [one.admitted for one in decisions] == [True] * 3 + [False]
    assert decisions[-1].limit.endswith("for the tenant")
    assert (await place.decide(asked(quota, EVE))).admitted


async def test_calls_at_once_are_leased_and_a_lease_ends_by_itself(place: Place) -> None:
    free = Quota(requests_per_minute=0, requests_per_hour=0)

    def call(lease: str, owner: Owner = ADA, seconds: float = 60) -> Asked:
        return Asked(owner, free.requests(), lease=lease, seconds=seconds, concurrency=(2, 3))

    assert [(await place.decide(call(name))).admitted for name in "abc"] == [True, True, False]
    assert (await place.decide(call("d"))).crowded
    await place.release(ADA, "a")
    assert (await place.decide(call("e"))).admitted
    assert (await place.decide(call("f", BOB, seconds=0))).admitted  # over at once
    if place.exact == 1.0:
        await asyncio.sleep(0.01)  # the Redis's clock
    assert (await place.decide(call("g", BOB))).admitted
    refused = await place.decide(call("h", BOB))
    assert (refused.admitted, refused.limit) == (False, "3 calls at once for the tenant")


async def test_a_models_tokens_are_reserved_and_settled(place: Place) -> None:
    buckets = Quota(tokens_per_minute=60).tokens()

    async def take(cost: int) -> Decision:
        return await place.decide(Asked(ADA, buckets, cost))

    assert (await take(50)).admitted
    await place.settle(ADA, buckets, -40)
    assert (await take(20)).admitted
    await place.settle(ADA, buckets, 30)
    assert (await take(1)).wait == pytest.approx(1, abs=place.exact)


async def test_a_thousandfold_user_leaves_nothing_behind() -> None:
    now = [1000.0]
    limiter = LocalLimiter(lambda: now[0])
    for i in range(50_000):
        limiter.decide(asked(SLOW, Owner("acme", f"user {i}")))
    assert len(limiter) == 50_001
    now[0] += 601
    for i in range(30_000):
        limiter.decide(asked(SLOW, Owner("acme", f"one {i % 10}")))
    assert len(limiter) < 20


@pytest.mark.parametrize("name", REDISES)
async def test_fifty_thousand_users_are_few_bytes_each_and_all_of_them_go(name: str) -> None:
    quick = Quota(requests_per_minute=600, requests_per_hour=0, burst=10)
    async with REDISES[name]() as server, open_redis(server.url, setting="X", timeout=5) as redis:
        shared = SharedLimiter(redis)
        for block in range(50):
            owners = [Owner("acme", f"user {block} {i}") for i in range(1000)]
            decisions = await asyncio.gather(*(shared.decide(asked(quick, owner)) for owner in owners))
            assert all(one.admitted for one in decisions)
        assert (
            int(await redis.call("x", "MEMORY", "USAGE", next(iter(await anext(redis.scan("ragents:limits*:u:*"))))))
            <= 256
        )
        until = time.monotonic() + 20
        while int(await redis.call("x", "DBSIZE")):  # each key goes by itself once its bucket is full again
            assert time.monotonic() < until
            await asyncio.sleep(0.2)
