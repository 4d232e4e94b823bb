"""What is Redis's own: time to live, scripts, full and absent servers, and servers that may drop conversations."""

import asyncio
import logging

import pytest

from ragents_server.checkpoints.redis import open_redis_saver
from ragents_server.checkpoints.redis_rows import KINDS, keys
from ragents_server.connections.eviction import require_noeviction
from ragents_server.connections.redis import RedisUnavailable, open_redis
from ragents_server.errors import ConfigurationError, InvalidRequest, StateUnavailable
from tests.checkpoints.graphs import asks, turn
from tests.checkpoints.places import Place, over_redis, redis
from tests.checkpoints.puts import config, put
from tests.redis_servers import asked, client, free_port, valkey_cluster, valkey_server

HOUR = 3_600_000


async def lives(place: Place, thread: str) -> list[int]:
    """Milliseconds that each of the thread's keys has left; -2: there is none, -1: for ever."""
    assert place.redis is not None
    return [await place.redis.call(key, "PTTL", key) for key in keys(thread)]


async def shorten(place: Place, thread: str) -> None:
    assert place.redis is not None
    for key in keys(thread):
        await place.redis.call(key, "PEXPIRE", key, HOUR // 2)


async def test_all_of_a_thread_lasts_for_an_hour_after_each_use() -> None:
    async with redis() as place, place.replica() as saver:
        latest = await put(saver, "thread", text="x" * 1000)
        await saver.aput_writes(config("thread", latest), [("channel", 1)], "task")
        assert all(0.9 * HOUR < left <= HOUR for left in await lives(place, "thread"))
        for use in (
            lambda: put(saver, "thread", "again", text="x" * 1000),
            lambda: saver.aput_writes(config("thread", latest), [("channel", 1)], "task"),
            lambda: saver.aget_tuple(config("thread")),
            lambda: saver.rewind("thread", "again"),
        ):
            await shorten(place, "thread")
            await use()
            assert all(0.9 * HOUR < left <= HOUR for left in await lives(place, "thread"))


async def test_a_thread_that_is_not_used_leaves_nothing() -> None:
    async with redis() as place, place.replica(ttl=0.05) as saver:
        assert place.redis is not None
        await turn("asks", asks(saver), "thread", 1)
        async with asyncio.timeout(20):
            while [key async for page in place.redis.scan("*") for key in page]:  # noqa: ASYNC110 - as elsewhere
                await asyncio.sleep(0.02)
        assert await saver.aget_tuple(config("thread")) is None


async def test_threads_may_last_for_ever() -> None:
    async with redis() as place, place.replica(ttl=None) as saver:
        await put(saver, "thread", text="x" * 1000)
        assert await lives(place, "thread") == [-1, -1, -1, -1, -2]


async def test_a_deleted_thread_leaves_only_who_may_not_write_for_a_time() -> None:
    async with redis() as place, place.replica() as saver:
        await put(saver, "thread")
        await saver.adelete_thread("thread")
        assert await lives(place, "thread") == [-2] * len(KINDS)


async def test_a_server_that_forgot_the_scripts_is_sent_them_again() -> None:
    async with valkey_server() as server, over_redis(server.url) as place, place.replica() as saver:
        parent = None
        for _ in range(3):
            await asked(server, "SCRIPT FLUSH")
            parent = await put(saver, "thread", parent=parent)
            await asked(server, "SCRIPT FLUSH")
            assert await saver.aget_tuple(config("thread")) is not None
            await asked(server, "SCRIPT FLUSH")
            await asyncio.gather(*(put(saver, f"thread {number}") for number in range(20)))
        assert len(await place.stored("thread")) == 3
        assert len(await place.stored("thread 7")) == 3


async def test_many_writers_share_a_round_trip() -> None:
    async with valkey_server() as server, over_redis(server.url) as place, place.replica() as saver:
        await put(saver, "thread")
        async with client(server) as looking:
            before = (await looking.info("stats"))["total_reads_processed"]
            await asyncio.gather(*(put(saver, f"thread {number}") for number in range(60)))
            after = (await looking.info("stats"))["total_reads_processed"]
            commands = await looking.info("commandstats")
        assert after - before < 10
        assert commands["cmdstat_evalsha"]["calls"] >= 60


async def test_a_full_server_refuses_and_goes_on_when_there_is_room() -> None:
    async with redis() as place, place.replica() as saver:
        assert place.redis is not None
        first = await put(saver, "thread", text="x" * 1000)
        before = await place.counts("thread")
        await place.redis.call("x", "CONFIG", "SET", "maxmemory", 1)
        for writing in (
            put(saver, "thread", parent=first, text="y" * 1000),
            saver.aput_writes(config("thread", first), [("channel", 1)], "task"),
        ):
            with pytest.raises(StateUnavailable):
                await writing
        assert await saver.aget_tuple(config("thread")) is not None
        assert await place.counts("thread") == before
        await place.redis.call("x", "CONFIG", "SET", "maxmemory", 0)
        await put(saver, "thread", parent=first)
        await place.redis.call("x", "CONFIG", "SET", "maxmemory", 1)
        await saver.adelete_thread("thread")
        assert await place.counts("thread") == (0, 0, 0)


async def test_one_that_is_refused_fails_by_itself() -> None:
    async with redis() as place, place.replica() as saver:
        assert place.redis is not None
        await place.redis.call(keys("bad")[1], "SET", keys("bad")[1], "of another type")
        names = ["bad" if number == 7 else f"thread {number}" for number in range(20)]
        results = await asyncio.gather(*(put(saver, name) for name in names), return_exceptions=True)
        for name, result in zip(names, results, strict=True):
            assert isinstance(result, StateUnavailable if name == "bad" else str)
            assert name == "bad" or len(await place.stored(name)) == 1


async def test_an_absent_server_is_unavailable_and_never_an_empty_history() -> None:
    async with open_redis(f"redis://127.0.0.1:{free_port()}", setting="X", timeout=0.2) as away:
        async with open_redis_saver(away) as saver:
            for asking in (
                saver.aget_tuple(config("thread")),
                put(saver, "thread"),
                saver.aput_writes(config("thread", "x"), [("channel", 1)], "task"),
                saver.rewind("thread", None),
                saver.adelete_thread("thread"),
                saver.aprune(["thread"]),
            ):
                with pytest.raises(StateUnavailable):
                    await asking
            for listing in (saver.alist(None), saver.alist(config("thread"))):
                with pytest.raises(StateUnavailable):
                    _ = [one async for one in listing]
        with pytest.raises(RedisUnavailable):
            await require_noeviction(away, "RAGENTS_CHECKPOINTS", "conversations")


async def test_in_a_cluster_only_the_threads_of_the_server_that_is_away_are_away() -> None:
    async with valkey_cluster() as servers:
        url = servers[0].url.replace("redis://", "redis+cluster://")
        async with open_redis(url, setting="X", timeout=2) as several, open_redis_saver(several) as saver:
            names = [f"thread {number}" for number in range(30)]
            await asyncio.gather(*(put(saver, name) for name in names))
            assert len([one async for one in saver.alist(None)]) == 30
            homes = {name: several.server(keys(name)[0]) for name in names}
            with servers[2].stopped():
                results = await asyncio.gather(*(put(saver, name) for name in names), return_exceptions=True)
            lost = {homes[name] for name, result in zip(names, results, strict=True) if not isinstance(result, str)}
            kept = {homes[name] for name, result in zip(names, results, strict=True) if isinstance(result, str)}
            assert (len(lost), len(kept)) == (1, 2)


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "volatile-lru", "allkeys-random"])
async def test_a_redis_that_may_drop_conversations_is_refused(policy: str) -> None:
    async with redis("valkey", "--maxmemory-policy", policy) as place:
        assert place.redis is not None
        with pytest.raises(ConfigurationError, match=rf"^RAGENTS_CHECKPOINTS: .*maxmemory-policy {policy}.*noeviction"):
            await require_noeviction(place.redis, "RAGENTS_CHECKPOINTS", "conversations")


async def test_a_redis_that_may_not_drop_anything_is_taken() -> None:
    async with redis() as place:
        assert place.redis is not None
        await require_noeviction(place.redis, "RAGENTS_CHECKPOINTS", "conversations")


@pytest.mark.parametrize("policy", ["noeviction", "allkeys-lru"])
async def test_where_config_is_forbidden_info_tells(policy: str) -> None:
    async with redis("valkey", "--maxmemory-policy", policy) as place:
        assert place.redis is not None
        await place.redis.call("x", "ACL", "SETUSER", "default", "-config")
        if policy == "noeviction":
            await require_noeviction(place.redis, "RAGENTS_CHECKPOINTS", "conversations")
        else:
            with pytest.raises(ConfigurationError, match="allkeys-lru"):
                await require_noeviction(place.redis, "RAGENTS_CHECKPOINTS", "conversations")


async def test_a_redis_that_does_not_tell_is_believed_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async with redis() as place:
        assert place.redis is not None
        await place.redis.call("x", "ACL", "SETUSER", "default", "-config", "-info")
        with caplog.at_level(logging.WARNING):
            await require_noeviction(place.redis, "RAGENTS_CHECKPOINTS", "conversations")
    assert "does not tell its maxmemory-policy" in caplog.text


async def test_only_core_commands_are_used() -> None:
    async with valkey_server() as server, over_redis(server.url) as place, place.replica(keep=2) as saver:
        for number in range(4):
            await turn("asks", asks(saver), "thread", number)
        await saver.acopy_thread("thread", "copy")
        await saver.aprune(["copy"])
        await saver.adelete_for_runs(["none"])
        await saver.rewind("copy", None)
        await saver.adelete_thread("thread")
        used = {name.removeprefix("cmdstat_") for name in await asked(server, "INFO", "commandstats")}
    ours = {"hget", "hset", "hsetnx", "hdel", "hgetall", "hkeys", "hexists", "hincrby", "hlen", "pexpire", "unlink"}
    of_clients = {"info", "hello", "ping", "config|get", "client|setinfo", "client|setname"}
    assert used - of_clients - ours == {"eval", "evalsha", "scan"}


async def test_names_that_are_no_text_are_refused_before_they_are_asked_for() -> None:
    async with redis() as place, place.replica() as saver:
        with pytest.raises(InvalidRequest):
            await saver.aget_tuple(config("a\0b"))
