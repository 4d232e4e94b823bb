"""Redis as parts see it: one server or a cluster, away in every way a server can be, and back without a restart."""

import asyncio
import gc
import logging
import random
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ragents_server.connections.redis import Redis, RedisRefused, RedisUnavailable, open_redis
from ragents_server.errors import ConfigurationError
from tests import redis_servers
from tests.redis_servers import REDISES, Server, asked, free_port, scripted_server, valkey_cluster, valkey_server

CERTIFICATE = Path(__file__).parent.parent / "client/localhost.pem"
TIMEOUT = 0.1
LONG = 1.0  # of a call that may take TIMEOUT; machines are busy


def opened(url: str, timeout: float = TIMEOUT, connections: int = 8) -> AbstractAsyncContextManager[Redis]:
    return open_redis(url, setting="RAGENTS_CACHE", timeout=timeout, connections=connections)


@pytest.fixture(params=REDISES)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    async with REDISES[request.param]() as running:
        yield running


async def test_commands_and_pipelines_are_answered(server: Server) -> None:
    async with opened(server.url, timeout=5) as redis:
        assert await redis.call("a", "SET", "a", b"\x00\xff") is True
        assert await redis.pipeline("a", [("GET", "a"), ("STRLEN", "a"), ("GET", "b")]) == [b"\x00\xff", 2, None]
        assert redis.slot("a") == redis.slot("b")


async def test_a_scan_finds_every_key_that_matches(server: Server) -> None:
    async with opened(server.url, timeout=5) as redis:
        await redis.pipeline("", [("SET", f"{kind}:{number}", 1) for number in range(500) for kind in "xy"])
        found = [key async for page in redis.scan("x:*", page=50) for key in page]
    assert sorted(set(found)) == sorted(f"x:{number}" for number in range(500))


async def test_nothing_needs_to_run_when_it_is_opened() -> None:
    for scheme in ("redis", "redis+cluster"):
        async with opened(f"{scheme}://127.0.0.1:{free_port()}") as redis:
            with pytest.raises(RedisUnavailable):
                await redis.call("a", "GET", "a")


async def test_a_server_that_is_killed_costs_one_failure_and_is_found_again_without_a_restart() -> None:
    port = free_port()
    async with valkey_server(port=port) as server, opened(server.url) as redis:
        await _until_served(redis)
        await server.kill()
        assert await _failures(redis, 50) < LONG
        async with valkey_server(port=port):
            await _until_served(redis)


async def test_a_server_that_is_stopped_makes_one_call_wait_and_no_other_is_ever_the_trial(server: Server) -> None:
    async with opened(server.url, timeout=0.3) as redis:
        await _until_served(redis)
        with server.stopped():
            began, waited = time.monotonic(), 0
            while time.monotonic() < began + 1.0:  # several trials of our own task
                with pytest.raises(RedisUnavailable) as caught:
                    await redis.call("a", "GET", "a")
                waited += "is away" not in str(caught.value)  # what is said of a way that is closed
                await asyncio.sleep(0.01)
        assert waited == 1
        await _until_served(redis)


async def test_many_calls_at_once_wait_for_a_stopped_server_together_and_no_longer_than_one(server: Server) -> None:
    async with opened(server.url, connections=2) as redis:
        await _until_served(redis)
        with server.stopped():
            began = time.monotonic()
            waits = await asyncio.gather(*(_wait(redis) for _ in range(100)))
            assert time.monotonic() - began < LONG
            assert len(waits) == 100


async def test_while_it_is_away_only_our_task_asks_for_it() -> None:
    connected = 0

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connected
        connected += 1
        writer.close()

    silent = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with opened(f"redis://127.0.0.1:{silent.sockets[0].getsockname()[1]}") as redis:
        await _failures(redis, 1)
        before = connected
        await _failures(redis, 1000)
        assert connected - before <= 2  # of the task, where the machine was slow enough for it to come in between
    silent.close()


@pytest.mark.parametrize(
    "reply",
    [
        b"",  # never
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-MASTERDOWN Link with MASTER is down\r\n",
        b"-CLUSTERDOWN Hash slot not served\r\n",
        b"-BUSY Redis is busy running a script\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"$12\r\nhalf",
        b"$notanumber\r\n",
        b"\x00\xff\x00\xff\r\n\r\n",
        b"*-7\r\n",
    ],
)
async def test_whatever_a_broken_server_says_is_unavailable_in_time_and_closes_the_way(reply: bytes) -> None:
    async with scripted_server(lambda _: reply) as url, opened(url) as redis:
        assert await _failures(redis, 1) < LONG
        assert await _failures(redis, 100) < LONG


async def test_garbage_after_a_good_greeting_drops_the_connection() -> None:
    """The first replies are those to the greeting; what follows is nobody's."""
    async with _greeting_server(lambda _: b"%garbage\r\n") as url, opened(url) as redis:
        assert await _failures(redis, 100) < LONG


async def test_a_server_that_loads_heals_when_it_has_loaded() -> None:
    loading = True

    def answer(_: bytes) -> bytes:
        return b"-LOADING Redis is loading the dataset in memory\r\n" if loading else b"$1\r\n1\r\n"

    async with _greeting_server(answer) as url, opened(url) as redis:
        await _failures(redis, 10)
        loading = False
        await _until_served(redis)


async def test_a_full_server_refuses_what_writes_and_serves_what_reads(server: Server) -> None:
    await asked(server, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    async with opened(server.url, timeout=5) as redis:
        await redis.call("a", "SET", "a", "kept")
        await asked(server, "CONFIG", "SET", "maxmemory", "1")
        for _ in range(5):
            with pytest.raises(RedisRefused, match="memory"):
                await redis.call("b", "SET", "b", "x")
            with pytest.raises(RedisRefused, match="memory"):
                await redis.pipeline("b", [("GET", "a"), ("SET", "b", "x")])
            assert await redis.call("a", "GET", "a") == b"kept"


async def test_a_replica_refuses_what_writes_and_does_not_close_the_way() -> None:
    async with (
        valkey_server() as primary,
        valkey_server("--replicaof", "127.0.0.1", str(primary.port)) as replica,
        opened(replica.url, timeout=5) as redis,
    ):
        await _until_served(redis)  # until it has met its primary
        for _ in range(3):
            with pytest.raises(RedisRefused):
                await redis.call("a", "SET", "a", "x")
        assert await redis.call("a", "GET", "a") is None


async def test_a_replica_without_its_master_is_unavailable_where_it_may_not_serve_old_data() -> None:
    options = ("--replicaof", "127.0.0.1", str(free_port()), "--replica-serve-stale-data", "no")
    async with valkey_server(*options) as replica, opened(replica.url) as redis:
        assert await _failures(redis, 20) < LONG
        await asked(replica, "REPLICAOF", "NO", "ONE")
        await _until_served(redis)


async def test_a_wrong_type_and_what_is_not_permitted_are_refused(server: Server) -> None:
    await asked(server, "ACL", "SETUSER", "reader", "on", ">secret", "~*", "+get", "+client")
    await asked(server, "SET", "text", "x")
    async with opened(server.url, timeout=5) as redis:
        with pytest.raises(RedisRefused, match="WRONGTYPE"):
            await redis.call("text", "HGETALL", "text")
    async with opened(f"redis://reader:secret@127.0.0.1:{server.port}", timeout=5) as redis:
        with pytest.raises(RedisRefused):
            await redis.call("text", "SET", "text", "y")
        assert await redis.call("text", "GET", "text") == b"x"


async def test_a_wrong_password_is_unavailable_and_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with valkey_server("--requirepass", "right") as server:
        async with opened(f"redis://:wr0ng-s3cret@127.0.0.1:{server.port}", timeout=5) as redis:
            with pytest.raises(RedisUnavailable) as caught:
                await redis.call("a", "GET", "a")
            assert "wr0ng" not in f"{caught.value!r} {redis!r} {vars(redis)!r}"
        async with opened(f"redis://:right@127.0.0.1:{server.port}/3", timeout=5) as redis:
            await redis.call("a", "SET", "a", "x")
    assert "wr0ng" not in caplog.text
    assert f"127.0.0.1:{server.port} is away" in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [
        "http://127.0.0.1",
        "localhost:6379",
        "redis://",
        "redis://u:se@cret:pass@127.0.0.1:x",
        "redis://u:secret@127.0.0.1:99999",
        "redis://u:secret@127.0.0.1/first",
        "redis://u:secret@127.0.0.1?ssl_ca_certs=x",
        "redis://u:secret@127.0.0.1?secret=1",
        "redis://u:secret@127.0.0.1,127.0.0.2",
        "redis+cluster://u:secret@127.0.0.1/1",
        "unix://",
        "rediss://u:secret@127.0.0.1?ssl_verify=no",
        "rediss://u:secret@127.0.0.1?ssl_ca_certs=/nowhere",
    ],
)
async def test_a_wrong_url_is_a_configuration_error_that_names_the_setting_and_no_secret(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^RAGENTS_CACHE: ") as caught:
        async with opened(wrong):
            pass
    assert "cret" not in str(caught.value)
    assert "pass@" not in str(caught.value)


async def test_certificates_are_verified() -> None:
    async with (
        valkey_server() as server,
        redis_servers.tls_front(server, CERTIFICATE, CERTIFICATE.with_suffix(".key")) as port,
    ):
        async with opened(f"rediss://localhost:{port}?ssl_ca_certs={CERTIFICATE}", timeout=5) as redis:
            assert await redis.call("a", "SET", "a", "x") is True
        async with opened(f"rediss://localhost:{port}", timeout=5) as redis:
            with pytest.raises(RedisUnavailable):
                await redis.call("a", "GET", "a")


async def test_a_unix_socket_serves_too(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    async with valkey_server("--unixsocket", str(path)), opened(f"unix://{path}", timeout=5) as redis:
        assert await redis.call("a", "SET", "a", "x") is True


async def test_callers_that_are_cancelled_never_leave_their_reply_to_others(server: Server) -> None:
    async with opened(server.url, timeout=5, connections=4) as redis:
        await redis.pipeline("", [("SET", f"key{number}", f"value{number}") for number in range(50)])

        async def read(number: int) -> tuple[int, bytes]:
            if number % 3:
                return number, await redis.call("", "GET", f"key{number}")
            return number, (await redis.pipeline("", [("GET", "key1"), ("GET", f"key{number}")]))[1]

        assert await _wrong_under_cancellation(read) == 0


async def test_the_test_above_would_see_a_reply_that_reached_another() -> None:
    """The same with one stream for all, where who is cancelled leaves a reply unread."""
    async with valkey_server() as server:
        for number in range(50):
            await asked(server, "SET", f"key{number}", f"value{number}")
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        turn = asyncio.Lock()

        async def read(number: int) -> tuple[int, bytes]:
            async with turn:
                writer.write(b"GET key%d\r\n" % number)
                await reader.readline()
                return number, (await reader.readline()).strip()

        assert await _wrong_under_cancellation(read) > 0
        writer.close()


async def test_cancelled_callers_use_up_no_connections(server: Server) -> None:
    async with opened(server.url, timeout=5, connections=2) as redis:
        for _ in range(100):
            calls = [asyncio.create_task(redis.call("a", "GET", "a")) for _ in range(4)]
            await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        await _until_served(redis)
        assert int((await redis.call("a", "INFO", "clients"))["connected_clients"]) <= 4


async def test_a_cluster_serves_keys_wherever_they_are() -> None:
    async with valkey_cluster() as servers:
        seeds = ",".join(f"127.0.0.1:{server.port}" for server in servers[:2])
        async with opened(f"redis+cluster://{seeds}", timeout=5) as redis:
            keys = [f"key{number}" for number in range(300)]
            for key in keys:
                await redis.call(key, "SET", key, key)
            assert [await redis.call(key, "GET", key) for key in keys] == [key.encode() for key in keys]
            assert sorted([key async for page in redis.scan("key*") for key in page]) == sorted(keys)
            assert len({redis.server(key) for key in keys}) == 3
            same = [f"{{tag}}{number}" for number in range(5)]
            assert len({redis.slot(key) for key in same}) == 1
            assert await redis.call(same[0], "MGET", *same) == [None] * 5
            assert await redis.pipeline(same[0], [("SET", same[0], 1), ("GET", same[0])]) == [True, b"1"]
        async with opened(f"redis://127.0.0.1:{servers[0].port}", timeout=5) as redis:
            with pytest.raises(RedisRefused, match=r"redis\+cluster://"):
                for key in keys:
                    await redis.call(key, "GET", key)


async def test_a_slot_that_moves_is_followed() -> None:
    async with valkey_cluster() as servers, opened(f"redis+cluster://127.0.0.1:{servers[0].port}", timeout=5) as redis:
        key = next(
            f"key{number}" for number in range(1000) if redis.server(f"key{number}").endswith(f":{servers[0].port}")
        )
        await redis.call(key, "SET", key, "before")
        slot, (source, target, _) = redis.slot(key), servers
        ids = [str(await asked(server, "CLUSTER", "MYID")) for server in servers]
        await asked(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
        await asked(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
        await asked(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", key)
        assert await redis.call(key, "GET", key) == b"before"  # ASK
        for server in (target, source):
            await asked(server, "CLUSTER", "SETSLOT", slot, "NODE", ids[1])
        assert await redis.call(key, "GET", key) == b"before"  # MOVED
        assert redis.server(key).endswith(f":{target.port}")


async def test_a_cluster_serves_the_keys_of_those_that_answer_while_one_is_stopped() -> None:
    async with (
        valkey_cluster() as servers,
        opened(f"redis+cluster://127.0.0.1:{servers[1].port}", timeout=0.2) as redis,
    ):
        keys = [f"key{number}" for number in range(100)]
        lost = [key for key in keys if redis.server(key).endswith(f":{servers[0].port}")]
        for key in keys:
            await redis.call(key, "SET", key, key)
        with servers[0].stopped():
            for key in (*lost[:1], *lost, *(key for key in keys if key not in lost)):
                if key in lost:
                    with pytest.raises(RedisUnavailable):
                        await redis.call(key, "GET", key)
                else:
                    assert await redis.call(key, "GET", key) == key.encode()
        await _until_served(redis, lost[0])


async def test_a_cluster_that_is_killed_is_unavailable_in_time_and_leaves_nothing_open() -> None:
    async with valkey_cluster() as servers, opened(f"redis+cluster://127.0.0.1:{servers[0].port}") as redis:
        await _until_served(redis)
        for server in servers:
            await server.kill()
        assert await _failures(redis, 50) < LONG
    gc.collect()  # what was not closed complains now


async def test_a_missing_package_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigurationError, match=r"^RAGENTS_CACHE: install ragents-grpc\[redis\]"):
        async with opened("redis://127.0.0.1"):
            pass


@asynccontextmanager
async def _greeting_server(answer: Callable[[bytes], bytes]) -> AsyncIterator[str]:
    """Welcomes a client as Redis does, command by command, and then answers each piece with what it is told to."""

    def scripted(data: bytes) -> bytes:
        greetings = data.count(b"CLIENT\r\n")
        return b"+OK\r\n" * greetings if greetings else answer(data)

    async with scripted_server(scripted) as url:
        yield url


async def _wait(redis: Redis) -> float:
    began = time.monotonic()
    with pytest.raises(RedisUnavailable):
        await redis.call("a", "GET", "a")
    return time.monotonic() - began


async def _failures(redis: Redis, calls: int) -> float:
    """All must fail; the seconds that they take together."""
    return sum([await _wait(redis) for _ in range(calls)])


async def _until_served(redis: Redis, key: str = "a") -> None:
    async def served() -> bool:
        try:
            await redis.call(key, "GET", key)
        except RedisUnavailable:
            return False
        return True

    await redis_servers.until(served)


async def _wrong_under_cancellation(read: Callable[[int], Coroutine[Any, Any, tuple[int, bytes]]]) -> int:
    """Of many readers, many cancelled at any moment, how many of the rest got another's value."""
    chance, wrong = random.Random(5), 0
    for _ in range(60):
        calls = [asyncio.create_task(read(chance.randrange(50))) for _ in range(20)]
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
            chance.choice(calls).cancel()
        for done in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(done, tuple):
                wrong += done[1] != f"value{done[0]}".encode()
    return wrong
