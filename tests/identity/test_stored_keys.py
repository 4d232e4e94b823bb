"""Keys in the database: who a token is, for how long that is trusted, and what strangers can cost."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from ragents_server.caller import Caller
from ragents_server.connections.postgres import open_pool
from ragents_server.connections.statements import Pool
from ragents_server.errors import Overloaded, StateUnavailable
from ragents_server.identity import stored_keys
from ragents_server.identity.stored_keys import StoredKeys, create_key, list_keys, revoke_key
from ragents_server.identity.tokens import TOKEN, new_token
from ragents_server.operations import migrate_schema
from tests.postgres_servers import embedded_database, free_port

ADA = Caller("acme", "ada", frozenset({"ask", "admin"}), frozenset({"a", "b"}), "HIGH", "large", frozenset({"date"}))
Made = Callable[..., Awaitable[tuple[str, str]]]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with embedded_database() as url:
        await migrate_schema(url)
        async with open_pool(url, size=6) as pool:
            yield pool


@pytest.fixture
def made(pool: Pool) -> Made:
    async def make(caller: Caller = ADA, expires_in: timedelta | None = None) -> tuple[str, str]:
        async with pool.acquire() as connection:
            return await create_key(connection, caller, expires_in=expires_in)

    return make


async def revoked(pool: Pool, key: str) -> bool:
    async with pool.acquire() as connection:
        return await revoke_key(connection, key)


async def selects(pool: Pool, keys: StoredKeys, *tokens: str) -> int:
    """How many connections' worth of look-ups these tokens cost, all at once: counted in the database's statements."""
    asked = 0

    def count(*_: object) -> None:
        nonlocal asked
        asked += 1

    connections = [await pool.acquire() for _ in range(pool.get_max_size())]
    for connection in connections:
        connection.add_query_logger(count)
        await pool.release(connection)
    await asyncio.gather(*(keys.authenticate(token) for token in tokens))
    return asked


async def test_a_token_is_its_whole_caller(pool: Pool, made: Made) -> None:
    _, token = await made()
    assert TOKEN.fullmatch(token)
    assert await StoredKeys(pool).authenticate(token) == ADA


@pytest.mark.parametrize("token", ["", "rag_", "\udcff", "rag_" + "a" * 42, "rag_" + "a" * 44, "x" * 4000])
async def test_what_is_no_token_of_ours_costs_no_look_up(token: str) -> None:
    async with open_pool(f"postgresql://u@127.0.0.1:{free_port()}/d") as away:
        assert await StoredKeys(away).authenticate(token) is None


async def test_neither_token_nor_hash_is_listed_and_only_the_hash_is_stored(pool: Pool, made: Made) -> None:
    key, token = await made()
    digest = hashlib.sha256(token.encode())
    async with pool.acquire() as connection:
        listed = await list_keys(connection)
    assert [one["id"] for one in listed] == [key]
    assert token not in str(listed)
    assert digest.hexdigest() not in str(listed)
    assert str(digest.digest()) not in str(listed)
    assert await pool.fetchval("SELECT sha256 FROM ragents_api_keys") == digest.digest()
    assert token[4:] not in str(await pool.fetch("SELECT * FROM ragents_api_keys"))


async def test_a_revocation_holds_when_the_trust_ends(pool: Pool, made: Made) -> None:
    clock = Clock()
    keys = StoredKeys(pool, clock=clock)
    key, token = await made()
    assert await keys.authenticate(token) == ADA
    assert await revoked(pool, key)
    clock.now += 29.9
    assert await keys.authenticate(token) == ADA
    clock.now += 0.1
    assert await keys.authenticate(token) is None
    assert await revoked(pool, key)  # again: nothing happens
    assert not await revoked(pool, "key_of_nobody")


async def test_a_key_ends_when_it_expires_however_long_answers_are_trusted(pool: Pool, made: Made) -> None:
    clock = Clock()
    keys = StoredKeys(pool, clock=clock)
    _, lasting = await made(expires_in=timedelta(seconds=20))
    _, over = await made(expires_in=timedelta(seconds=-1))
    assert await keys.authenticate(over) is None
    assert await keys.authenticate(lasting) == ADA
    await pool.execute("UPDATE ragents_api_keys SET expires = now()")
    clock.now += 20
    assert await keys.authenticate(lasting) is None


async def test_a_key_made_after_a_refusal_counts_when_the_refusal_is_old(pool: Pool, made: Made) -> None:
    clock = Clock()
    keys = StoredKeys(pool, clock=clock)
    key, token = await made()
    digest = await pool.fetchval("DELETE FROM ragents_api_keys WHERE id = $1 RETURNING sha256", key)
    assert await keys.authenticate(token) is None
    _, other = await made()
    await pool.execute("UPDATE ragents_api_keys SET sha256 = $1", digest)
    assert await keys.authenticate(token) is None
    clock.now += 30
    assert await keys.authenticate(token) == ADA
    assert await keys.authenticate(other) is None


async def test_callers_with_one_token_share_a_look_up(pool: Pool, made: Made) -> None:
    keys = StoredKeys(pool)
    _, token = await made()
    assert await selects(pool, keys, *[token] * 200) == 1
    assert await selects(pool, keys, *[token] * 200) == 0


async def test_an_unknown_token_is_looked_up_once_and_pushes_out_no_key(pool: Pool, made: Made) -> None:
    keys = StoredKeys(pool, remembered=10)
    _, token = await made()
    strangers = [new_token() for _ in range(20)]
    await keys.authenticate(token)
    for half in (strangers[:10], strangers[10:]):
        assert await selects(pool, keys, *half) == 10
    assert await selects(pool, keys, token, *strangers[10:]) == 0
    assert len(keys._strangers) == 10


async def test_a_caller_that_leaves_leaves_the_others_their_look_up(pool: Pool, made: Made) -> None:
    keys = StoredKeys(pool)
    _, token = await made()
    first = asyncio.create_task(keys.authenticate(token))
    await asyncio.sleep(0)
    second = asyncio.create_task(keys.authenticate(token))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == ADA
    assert keys._lookups == {}


async def test_few_look_ups_run_at_once_and_those_that_wait_are_bounded(pool: Pool) -> None:
    keys = StoredKeys(pool)
    async with pool.acquire() as locking, locking.transaction():
        await locking.execute("LOCK TABLE ragents_api_keys")
        waiting = [asyncio.create_task(keys.authenticate(new_token())) for _ in range(stored_keys.WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as refused:
            await keys.authenticate(new_token())
        assert refused.value.retry_after == 1
        held = pool.get_size() - pool.get_idle_size()
        assert held <= 1 + stored_keys.LOOKUPS
    assert set(await asyncio.gather(*waiting)) == {None}


async def test_a_database_that_is_away_is_unavailable_unless_the_key_is_known(made: Made, pool: Pool) -> None:
    clock = Clock()
    keys = StoredKeys(pool, clock=clock)
    _, token = await made()
    await keys.authenticate(token)
    await pool.close()
    assert await keys.authenticate(token) == ADA
    with pytest.raises(StateUnavailable):
        await keys.authenticate(new_token())
    clock.now += 30
    with pytest.raises(StateUnavailable):
        await keys.authenticate(token)


async def test_a_database_that_hangs_holds_a_call_for_seconds_only(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_keys, "LOOKUP_SECONDS", 0.05)
    keys = StoredKeys(pool)
    async with pool.acquire() as locking, locking.transaction():
        await locking.execute("LOCK TABLE ragents_api_keys")
        with pytest.raises(StateUnavailable):
            await keys.authenticate(new_token())


async def test_before_the_migration_nobody_is_told_that_a_key_is_wrong() -> None:
    async with embedded_database() as url, open_pool(url) as bare:
        with pytest.raises(StateUnavailable):
            await StoredKeys(bare).authenticate(new_token())


async def test_look_ups_under_way_end_with_the_server(pool: Pool) -> None:
    keys = StoredKeys(pool)
    async with pool.acquire() as locking, locking.transaction():
        await locking.execute("LOCK TABLE ragents_api_keys")
        waiting = asyncio.create_task(keys.authenticate(new_token()))
        await asyncio.sleep(0)
        await keys.aclose()
        assert keys._lookups == {}
    with pytest.raises(asyncio.CancelledError):
        await waiting
