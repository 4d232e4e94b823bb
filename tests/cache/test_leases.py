"""Leases among replicas: one holder, only the holder moves them, and they end by themselves."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ragents_server.cache import redis_keys
from ragents_server.cache.leases import Leases
from ragents_server.cache.stores import CacheUnavailable, Key
from ragents_server.connections.redis import open_redis
from tests.redis_servers import REDISES, Server, asked, until, valkey_cluster

KEY = Key("ours", "answer", bytes(range(32)))


@pytest.fixture(params=REDISES)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    async with REDISES[request.param]() as running:
        yield running


@pytest.fixture
async def leases(server: Server) -> AsyncIterator[Leases]:
    async with open_redis(server.url, setting="RAGENTS_CACHE", timeout=5) as redis:
        yield Leases(redis)


async def test_of_many_who_want_it_one_gets_it(leases: Leases) -> None:
    taken = await asyncio.gather(*(leases.take(KEY, f"token{number}", 60) for number in range(50)))
    assert sum(taken) == 1
    assert await leases.held(KEY)


async def test_only_the_holder_renews_and_releases(leases: Leases) -> None:
    assert await leases.take(KEY, "a", 60)
    assert not await leases.renew(KEY, "b", 60)
    await leases.release(KEY, "b")
    assert await leases.held(KEY)
    assert await leases.renew(KEY, "a", 60)
    await leases.release(KEY, "a")
    assert not await leases.held(KEY)
    assert not await leases.renew(KEY, "a", 60)
    assert await leases.take(KEY, "b", 60)


async def test_a_lease_ends_by_itself_and_a_renewal_prolongs_it(leases: Leases, server: Server) -> None:
    assert await leases.take(KEY, "a", 5)
    assert 4 < await asked(server, "PTTL", redis_keys.lease(KEY)) / 1000 <= 5
    assert await leases.renew(KEY, "a", 90)
    assert 89 < await asked(server, "PTTL", redis_keys.lease(KEY)) / 1000 <= 90
    assert await leases.renew(KEY, "a", 0.05)

    async def over() -> bool:
        return not await leases.held(KEY)

    await until(over)
    assert await leases.take(KEY, "b", 60)


async def test_leases_are_by_tenant_layer_and_digest(leases: Leases) -> None:
    assert await leases.take(KEY, "a", 60)
    for other in (KEY._replace(tenant="theirs"), KEY._replace(layer="retrieval"), KEY._replace(digest=bytes(32))):
        assert not await leases.held(other)
        assert await leases.take(other, "a", 60)


async def test_a_server_that_is_away_is_unavailable(leases: Leases, server: Server) -> None:
    assert await leases.take(KEY, "a", 60)
    await server.kill()
    for call in (leases.take(KEY, "b", 1), leases.renew(KEY, "a", 1), leases.release(KEY, "a"), leases.held(KEY)):
        with pytest.raises(CacheUnavailable):
            await call


async def test_leases_work_in_a_cluster() -> None:
    async with (
        valkey_cluster() as servers,
        open_redis(f"redis+cluster://127.0.0.1:{servers[0].port}", setting="RAGENTS_CACHE", timeout=5) as redis,
    ):
        leases = Leases(redis)
        for number in range(20):
            key = KEY._replace(tenant=f"tenant{number}")
            assert redis.slot(redis_keys.lease(key)) == redis.slot(redis_keys.entry(key))
            assert await leases.take(key, "a", 60)
            assert not await leases.take(key, "b", 60)
            assert await leases.renew(key, "a", 60)
            await leases.release(key, "a")
            assert not await leases.held(key)
