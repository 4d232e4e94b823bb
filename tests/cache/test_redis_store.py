"""The shared store on real servers: entries, their indexes, clearing that counts exactly, merged reads, counts."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from redis.asyncio import Redis as Client

from ragents_server.cache import redis_keys
from ragents_server.cache.redis import RedisStore
from ragents_server.cache.stores import LAYERS, CacheUnavailable, Key, Origin, Scope, Size
from ragents_server.connections.redis import open_redis
from tests.redis_servers import REDISES, Server, asked, client, valkey_cluster, valkey_server

NOTHING = Origin()


def key(number: int, layer: str = "answer", tenant: str = "ours") -> Key:
    return Key(tenant, layer, hashlib.sha256(b"%d" % number).digest())


@asynccontextmanager
async def stored(url: str, timeout: float = 5.0) -> AsyncIterator[RedisStore]:
    async with open_redis(url, setting="RAGENTS_CACHE", timeout=timeout) as redis:
        yield RedisStore(redis)


@pytest.fixture(params=REDISES)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    async with REDISES[request.param]() as running:
        yield running


@pytest.fixture
async def store(server: Server) -> AsyncIterator[RedisStore]:
    async with stored(server.url) as opened:
        yield opened


@pytest.fixture
async def outside(server: Server) -> AsyncIterator[Client]:
    """What an administrator would see."""
    async with client(server) as connected:
        yield connected


async def put(store: RedisStore, *keys: Key, of: Origin = NOTHING, seconds: float = 60) -> None:
    for one in keys:
        await store.put(one, one.digest, seconds, of)


async def left(store: RedisStore, *keys: Key) -> list[Key]:
    return [one for one in keys if await store.get(one) is not None]


async def test_what_is_put_is_got_until_it_is_deleted(store: RedisStore) -> None:
    value = bytes(range(256)) * 100
    await store.put(key(1), value, 60, NOTHING)
    assert await store.get(key(1)) == value
    for other in (key(2), key(1, "retrieval"), key(1, tenant="theirs")):
        assert await store.get(other) is None
    await store.delete(key(1))
    assert await store.get(key(1)) is None


async def test_an_entry_lasts_so_long_and_its_indexes_a_little_longer(store: RedisStore, outside: Client) -> None:
    start = redis_keys.start_of(redis_keys.entry(key(1)))
    await store.put(key(1), b"x", 100, Origin(("c",), ("d",)))
    await store.put(key(1, "retrieval"), b"x", 10, Origin(("c",)))
    await store.put(key(2), b"x", 0, NOTHING)
    assert 99 < await outside.pttl(redis_keys.entry(key(1))) / 1000 <= 100
    for index in (f"{start}:c:c", f"{start}:d:d"):
        assert 100 < await outside.pttl(index) / 1000 <= 101
    assert await store.get(key(2)) is None


async def test_names_that_have_expired_leave_the_indexes(store: RedisStore, outside: Client) -> None:
    start = redis_keys.start_of(redis_keys.entry(key(1)))
    await store.put(key(1), b"x", 0.001, Origin(("c",)))
    await outside.zadd(f"{start}:c:c", {"long gone": 1})
    await store.put(key(1, "retrieval"), b"x", 60, Origin(("c",)))
    assert b"long gone" not in await outside.zrange(f"{start}:c:c", 0, -1)


async def test_a_tenant_is_spread_over_sixteen_slots_and_its_name_is_not_shown(
    store: RedisStore, outside: Client
) -> None:
    tenant = "name with {braces}, * and ü" * 20
    await put(store, *(key(number, tenant=tenant) for number in range(200)))
    names = [name.decode() async for name in outside.scan_iter()]
    assert len({redis_keys.start_of(name) for name in names}) == 16
    assert all(len(name) < 150 and "braces" not in name for name in names)


async def test_clearing_a_tenant_counts_exactly_its_entries_and_leaves_the_others(
    store: RedisStore, outside: Client
) -> None:
    ours = [key(number, layer) for number in range(100) for layer in LAYERS]
    theirs = [key(number, tenant="theirs") for number in range(50)]
    await put(store, *ours, *theirs, of=Origin(("c",), ("d", "e")))
    await store.add([("ours", "answer", "hits", 1)])
    await outside.set("not of the cache", "x")
    assert await store.drop(Scope("ours")) == 400
    assert await store.drop(Scope("ours")) == 0
    assert await left(store, *ours, *theirs) == theirs
    assert await outside.get("not of the cache") == b"x"
    assert await store.read("ours") == {("answer", "hits"): 1}
    assert not [name async for name in outside.scan_iter(redis_keys.pattern("ours", "*"))]


async def test_clearing_all_tenants_leaves_counts_and_what_is_not_of_the_cache(
    store: RedisStore, outside: Client
) -> None:
    await put(store, *(key(number, tenant=f"tenant{number % 7}") for number in range(700)), of=Origin(("c",)))
    await store.add([("tenant1", "answer", "hits", 1)])
    await outside.set("ragents:2:other", "x")
    assert await store.drop(Scope()) == 700
    names = [name async for name in outside.scan_iter()]
    assert sorted(names) == sorted(
        [redis_keys.counts("tenant1").encode(), redis_keys.counts(None).encode(), b"ragents:2:other"]
    )


@pytest.mark.parametrize("tenant", ["ours", None])
async def test_clearing_goes_by_layer_collection_document_and_digest(store: RedisStore, tenant: str | None) -> None:
    odd = "a *[odd]? \\name: ü"
    rows = {
        key(1): Origin((odd,), ("d1",)),
        key(2): Origin((odd, "b"), ("d1", "d2")),
        key(3, "retrieval"): Origin((odd,)),
        key(4): Origin(("b",), ("d2",)),
        key(5, "embedding"): Origin(),
    }

    async def cleared(scope: Scope) -> set[Key]:
        for one, of in rows.items():
            await put(store, one, of=of)
        number = await store.drop(scope)
        gone = rows.keys() - set(await left(store, *rows))
        assert number == len(gone)
        return gone

    assert await cleared(Scope(tenant, layers=("retrieval", "embedding"))) == {key(3, "retrieval"), key(5, "embedding")}
    assert await cleared(Scope(tenant, collection=odd)) == {key(1), key(2), key(3, "retrieval")}
    assert await cleared(Scope(tenant, ("answer",), collection=odd)) == {key(1), key(2)}
    assert await cleared(Scope(tenant, document="d2")) == {key(2), key(4)}
    assert await cleared(Scope(tenant, collection="b", document="d1")) == {key(2)}
    assert await cleared(Scope(tenant, collection="a *")) == set()
    assert await cleared(Scope(tenant, digest=key(1).digest)) == {key(1)}
    assert await cleared(Scope(tenant, digest=key(1).digest, collection="b")) == set()
    assert await cleared(Scope(tenant, digest=key(2).digest, collection="b", document="d1")) == {key(2)}
    assert await cleared(Scope(tenant, ("rewrite",), digest=key(2).digest)) == set()
    assert await cleared(Scope(tenant, ())) == set()


async def test_clearing_a_collection_of_many_entries_goes_in_pages_and_misses_none(store: RedisStore) -> None:
    keys = [Key("ours", "answer", b"\x00" + key(number).digest[1:]) for number in range(3000)]  # all in one slot
    await asyncio.gather(*(store.put(one, b"x", 60, Origin(("c",))) for one in keys))
    assert await store.drop(Scope("ours", collection="c")) == 3000


async def test_documents_are_forgotten_by_tenant_and_id(store: RedisStore) -> None:
    await put(store, *(key(number) for number in range(40)), of=Origin(documents=("d1", "d2")))
    await put(store, *(key(number) for number in range(40, 60)), of=Origin(documents=("d3",)))
    await put(store, *(key(number, tenant="theirs") for number in range(10)), of=Origin(documents=("d1",)))
    assert await store.drop_documents([("ours", "d1"), ("ours", "d2"), ("ours", "unknown")]) == 40
    assert await store.drop_documents([("ours", f"none{number}") for number in range(500)]) == 0
    assert await store.drop_documents([("ours", "d3"), ("theirs", "d1")]) == 30


async def test_sizes_are_entries_and_bytes_by_layer(store: RedisStore) -> None:
    for number in range(30):
        await store.put(key(number), b"x" * number, 60, Origin(("c",)))
        await store.put(key(number, "embedding", "theirs"), b"12345", 60, NOTHING)
    nothing = {layer: Size() for layer in LAYERS}
    assert await store.sizes("ours") == nothing | {"answer": Size(29, sum(range(30)))}  # an empty one is none
    assert await store.sizes(None) == nothing | {"answer": Size(29, sum(range(30))), "embedding": Size(30, 150)}


async def test_those_who_ask_for_sizes_at_once_share_a_pass(store: RedisStore, server: Server) -> None:
    await put(store, *(key(number) for number in range(10)))
    await asked(server, "CONFIG", "RESETSTAT")
    asking = [asyncio.create_task(store.sizes("ours")) for _ in range(50)]
    await asyncio.sleep(0)
    asking[0].cancel()
    found = await asyncio.gather(*asking[1:])
    assert all(sizes == found[0] for sizes in found)
    assert (await _calls(server))["scan"] == 1


async def test_counts_are_summed_for_a_tenant_and_for_all(store: RedisStore) -> None:
    rows = [("ours", "answer", "hits", 2), ("ours", "answer", "hits", 3), ("theirs", "answer", "misses", 1)]
    await store.add(rows)
    await store.add(rows)
    await store.add([])
    assert await store.read("ours") == {("answer", "hits"): 10}
    assert await store.read(None) == {("answer", "hits"): 10, ("answer", "misses"): 2}
    assert await store.read("nobody") == {}


async def test_reads_that_wait_together_share_few_requests_and_each_gets_its_own(
    store: RedisStore, server: Server
) -> None:
    keys = [key(number) for number in range(1000)]
    await put(store, *keys[::2])
    await asked(server, "CONFIG", "RESETSTAT")
    values = await asyncio.gather(*(store.get(one) for one in keys))
    assert values == [one.digest if number % 2 == 0 else None for number, one in enumerate(keys)]
    calls = await _calls(server)
    assert calls["get"] == 1
    assert calls["mget"] <= 5  # of 256 keys at most


async def test_a_reader_that_is_alone_asks_for_its_key_alone(store: RedisStore, server: Server) -> None:
    await asked(server, "CONFIG", "RESETSTAT")
    for number in range(5):
        await store.get(key(number))
    assert (await _calls(server)) == {"get": 5}


async def test_readers_that_are_cancelled_leave_the_others_their_own_values(store: RedisStore) -> None:
    keys = [key(number) for number in range(100)]
    await put(store, *keys)
    chance, finished = random.Random(3), 0
    for _ in range(60):
        wanted = [chance.choice(keys) for _ in range(30)]
        reads = [asyncio.create_task(store.get(one)) for one in wanted]
        for _ in range(chance.randrange(20)):
            await asyncio.sleep(0)
            chance.choice(reads).cancel()
        for one, found in zip(wanted, await asyncio.gather(*reads, return_exceptions=True), strict=True):
            if not isinstance(found, BaseException):
                finished += 1
                assert found == one.digest
    assert finished > 300


@pytest.mark.parametrize("full", [True, False])
async def test_a_store_that_is_full_or_away_is_unavailable_to_every_method(full: bool) -> None:
    async with valkey_server() as server, stored(server.url, timeout=0.2) as store:
        await put(store, key(1))
        if full:
            await asked(server, "CONFIG", "SET", "maxmemory", "1")
            for writing in (store.put(key(2), b"x", 60, Origin(("c",))), store.add([("t", "answer", "hits", 1)])):
                with pytest.raises(CacheUnavailable):
                    await writing
            assert await store.get(key(1)) == key(1).digest
            return
        await server.kill()
        await _all_unavailable(store)


async def test_readers_of_a_server_that_stops_all_fail_and_are_served_when_it_goes_on(server: Server) -> None:
    async with stored(server.url, timeout=0.1) as store:
        await put(store, key(1))
        with server.stopped():
            async with asyncio.timeout(2):
                found = await asyncio.gather(*(store.get(key(1)) for _ in range(500)), return_exceptions=True)
            assert all(isinstance(one, CacheUnavailable) for one in found)
        await _until_got(store, key(1))


async def test_readers_that_wait_when_the_connections_are_closed_are_told(server: Server) -> None:
    for turns in range(1, 6):
        async with AsyncExitStack() as stack:
            redis = await stack.enter_async_context(open_redis(server.url, setting="RAGENTS_CACHE", timeout=30))
            store = RedisStore(redis)
            await put(store, key(1))
            with server.stopped():
                alone, *together = [asyncio.create_task(store.get(key(number))) for number in range(10)]
                for _ in range(turns):
                    await asyncio.sleep(0)
                alone.cancel()
                await stack.aclose()
                async with asyncio.timeout(10):
                    found = await asyncio.gather(*together, return_exceptions=True)
            assert all(isinstance(one, CacheUnavailable) for one in found)


async def test_a_cluster_keeps_clears_measures_and_counts_as_one_server_does() -> None:
    async with valkey_cluster() as servers, stored(f"redis+cluster://127.0.0.1:{servers[0].port}") as store:
        keys = [key(number, tenant=tenant) for number in range(100) for tenant in ("ours", "theirs")]
        await put(store, *keys, of=Origin(("c",), ("d",)))
        values = await asyncio.gather(*(store.get(one) for one in keys))
        assert values == [one.digest for one in keys]
        assert (await store.sizes("ours"))["answer"] == Size(100, 3200)
        assert (await store.sizes(None))["answer"].entries == 200
        await store.add([("ours", "answer", "hits", 1), ("theirs", "answer", "hits", 2)])
        assert await store.read(None) == {("answer", "hits"): 3}
        assert await store.drop(Scope("ours", collection="c", document="d")) == 100
        assert await store.drop_documents([("theirs", "d")]) == 100
        await put(store, *keys)
        assert await store.drop(Scope("ours")) == 100
        assert await store.drop(Scope()) == 100
        assert await store.read(None) == {("answer", "hits"): 3}


async def test_nothing_but_what_a_cache_needs_is_asked_of_redis(store: RedisStore, server: Server) -> None:
    await asked(server, "CONFIG", "RESETSTAT")
    await put(store, key(1), of=Origin(("c",), ("d",)))
    await store.drop(Scope("ours", collection="c"))
    await store.drop(Scope())
    await store.sizes(None)
    assert not {"keys", "flushdb", "flushall"} & (await _calls(server)).keys()


async def _all_unavailable(store: RedisStore) -> None:
    for call in (
        store.get(key(1)),
        store.put(key(1), b"x", 60, NOTHING),
        store.delete(key(1)),
        store.drop(Scope()),
        store.drop_documents([("ours", "d")]),
        store.sizes("ours"),
        store.add([("ours", "answer", "hits", 1)]),
        store.read("ours"),
    ):
        with pytest.raises(CacheUnavailable):
            await call


async def _until_got(store: RedisStore, wanted: Key) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                assert await store.get(wanted) == wanted.digest
                return
            except CacheUnavailable:
                await asyncio.sleep(0.02)


async def _calls(server: Server) -> dict[str, int]:
    """How often each command was called, without what looking costs."""
    stats = await asked(server, "INFO", "commandstats")
    names = {name.removeprefix("cmdstat_"): int(row["calls"]) for name, row in stats.items()}
    ours = ("config", "client", "info", "hello", "ping")
    return {name: number for name, number in names.items() if not name.startswith(ours)}
