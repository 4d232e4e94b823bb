"""The pool: settings, codecs, reconnection, and which failures mean that the state store is away."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from pgvector import HalfVector, SparseVector

from ragents_server.connections.postgres import UNAVAILABLE, is_unavailable, open_connection, open_pool
from ragents_server.errors import ConfigurationError
from tests.postgres_servers import POSTGRESES, embedded_database


@pytest.fixture(params=POSTGRESES)
async def url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    async with POSTGRESES[request.param]() as fresh:
        yield fresh


@pytest.fixture
async def embedded() -> AsyncIterator[str]:
    async with embedded_database() as fresh:
        yield fresh


async def test_every_connection_plans_for_the_values_it_is_given(url: str) -> None:
    async with open_pool(url) as pool:
        assert await pool.fetchval("SHOW plan_cache_mode") == "force_custom_plan"
        assert await pool.fetchval("SHOW jit") == "off"


async def test_jsonb_is_plain_values(url: str) -> None:
    async with open_pool(url) as pool:
        assert await pool.fetchval("SELECT $1::jsonb", {"a": [1, None, "ü"]}) == {"a": [1, None, "ü"]}


async def test_an_abandoned_transaction_is_rolled_back_at_release(url: str) -> None:
    async with open_pool(url, size=1) as pool:
        with pytest.raises(RuntimeError):
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("CREATE TABLE half (n int)")
                raise RuntimeError
        assert await pool.fetchval("SELECT to_regclass('half')") is None


async def test_a_pgbouncer_url_keeps_no_prepared_statements_and_sends_no_settings(url: str) -> None:
    async with open_pool(url + ("&" if "?" in url else "?") + "pgbouncer=true") as pool:
        assert await pool.fetchval("SELECT $1::int", 1) == 1
        assert await pool.fetchval("SELECT count(*) FROM pg_prepared_statements") == 0
        assert await pool.fetchval("SHOW plan_cache_mode") == "auto"


async def test_vectors_travel_in_binary(embedded: str) -> None:
    connection = await asyncpg.connect(embedded)
    await connection.execute("CREATE EXTENSION vector")
    await connection.close()
    async with open_pool(embedded) as pool:
        assert await pool.fetchval("SELECT $1::halfvec", HalfVector([1, 0.5])) == HalfVector([1, 0.5])
        sparse = SparseVector({3: 1.5}, 999_999_999)
        assert await pool.fetchval("SELECT $1::sparsevec", sparse) == sparse


async def test_a_slow_statement_is_unavailable_within_the_timeout(embedded: str) -> None:
    async with open_pool(embedded, command_timeout=0.1) as pool:
        with pytest.raises(UNAVAILABLE):
            await pool.execute("SELECT pg_sleep(30)")
        assert await pool.fetchval("SELECT 1") == 1


async def test_a_killed_connection_is_unavailable_once_and_replaced(embedded: str) -> None:
    async with open_pool(embedded, size=1) as pool, open_pool(embedded, size=1) as killer:
        victim = await pool.fetchval("SELECT pg_backend_pid()")
        sleeping = asyncio.create_task(pool.execute("SELECT pg_sleep(30)"))
        await _until_busy(killer, victim)
        await killer.execute("SELECT pg_terminate_backend($1)", victim)
        with pytest.raises(UNAVAILABLE):
            await sleeping
        assert await pool.fetchval("SELECT pg_backend_pid()") != victim


async def _until_busy(pool: asyncpg.Pool, process: int) -> None:
    async with asyncio.timeout(10):
        while not await pool.fetchval("SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $1", process):  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_a_closed_pool_is_unavailable(embedded: str) -> None:
    async with open_pool(embedded) as pool:
        pass
    with pytest.raises(UNAVAILABLE):
        await pool.fetchval("SELECT 1")


async def test_a_wrong_statement_or_argument_is_not_unavailable(embedded: str) -> None:
    async with open_pool(embedded) as pool:
        for sql, argument in (("SELECT $1::int", "text"), ("SELECT nonsense($1)", 1), ("SELECT 1 / $1::int", 0)):
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as caught:
                await pool.fetchval(sql, argument)
            assert not is_unavailable(caught.value)


async def test_a_server_that_is_away_is_unavailable(unused_tcp_port: int) -> None:
    with pytest.raises(UNAVAILABLE):
        async with open_connection(f"postgresql://somebody@127.0.0.1:{unused_tcp_port}/nothing", command_timeout=1):
            pass


async def test_a_pool_opens_while_the_server_is_away(unused_tcp_port: int) -> None:
    async with open_pool(f"postgresql://somebody@127.0.0.1:{unused_tcp_port}/nothing") as pool:
        with pytest.raises(UNAVAILABLE):
            await pool.fetchval("SELECT 1")


@pytest.mark.parametrize(
    "wrong",
    ["mysql://u:secret@127.0.0.1/db", "postgresql://u:se@cret:pass@127.0.0.1:x/db", "not a url"],
)
async def test_a_malformed_url_is_a_configuration_error_that_keeps_the_password(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="RAGENTS_DATABASE") as caught:
        async with open_connection(wrong, command_timeout=1):
            pass
    assert "secret" not in str(caught.value)
    assert "pass@" not in str(caught.value)


async def test_a_wrong_password_and_an_unknown_database_are_configuration_errors() -> None:
    async with POSTGRESES["ordinary"]() as url:
        for wrong in (url.replace("a%20password", "guess"), url.replace("/test_", "/unknown_")):
            with pytest.raises(ConfigurationError, match=r"RAGENTS_DATABASE: .*(password|does not exist)"):
                async with open_connection(wrong, command_timeout=1):
                    pass


async def test_while_the_database_is_known_to_be_away_nothing_waits_for_it(embedded: str) -> None:
    async with open_pool(embedded) as pool:
        pool.away = True
        with pytest.raises(UNAVAILABLE):
            await pool.fetchval("SELECT 1")
        with pytest.raises(UNAVAILABLE):
            async with pool.acquire():
                pass
        pool.away = False
        assert await pool.fetchval("SELECT 1") == 1
