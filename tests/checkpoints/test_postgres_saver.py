"""What is PostgreSQL's own: statements, round trips, connections that break, and deletion within a transaction."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ragents_server.checkpoints.postgres import delete_threads, open_postgres_saver
from ragents_server.connections.postgres import is_unavailable, open_pool
from tests.checkpoints.graphs import asks, turn
from tests.checkpoints.places import Place, over_pool, postgres
from tests.checkpoints.puts import config, put
from tests.postgres_servers import embedded_database


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with postgres() as opened:
        yield opened


class Counting:
    """A pool that counts the statements that pass it."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.statements = 0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._pool, name)
        if name not in ("fetch", "fetchrow", "fetchval", "execute", "acquire"):
            return call

        def counted(*arguments: Any, **options: Any) -> Any:
            self.statements += 1
            return call(*arguments, **options)

        return counted


async def test_a_put_a_get_and_writes_are_one_statement_each(place: Place) -> None:
    pool = Counting(place.pool)
    async with open_postgres_saver(pool) as saver:  # type: ignore[arg-type]
        parent = None
        for number in range(1, 13):
            parent = await put(saver, "thread", parent=parent, texts=["x" * 500] * number)
            assert pool.statements == 3 * number - 2
            await saver.aput_writes(config("thread", parent), [("a", 1), ("b", 2)], "task")
            assert pool.statements == 3 * number - 1
            await saver.aget_tuple(config("thread"))
            assert pool.statements == 3 * number


async def test_thirty_writers_share_a_few_statements(place: Place) -> None:
    pool = Counting(place.pool)
    async with open_postgres_saver(pool) as saver:  # type: ignore[arg-type]

        async def conversation(number: int) -> None:
            parent = None
            for _ in range(10):
                parent = await put(saver, f"thread {number}", parent=parent)
                await saver.aput_writes(config(f"thread {number}", parent), [("a", 1)], "task")

        await asyncio.gather(*(conversation(number) for number in range(30)))
    assert pool.statements <= 60
    for number in range(30):
        assert await place.counts(f"thread {number}") == (10, 0, 10)


async def test_a_cancelled_put_is_stored_once(place: Place) -> None:
    async with place.replica() as saver:
        tasks = [asyncio.create_task(put(saver, "thread", f"{number:02}")) for number in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(result, asyncio.CancelledError) for result in results] == [True, False] * 10
    assert [id_ for _, id_ in await place.stored("thread")] == [f"{number:02}" for number in range(10, 20)]


async def test_what_waits_when_the_saver_closes_is_stored(place: Place) -> None:
    async with place.replica(keep=None) as saver:
        tasks = [asyncio.create_task(put(saver, f"thread {number % 7}")) for number in range(100)]
        await asyncio.sleep(0)
    assert all(isinstance(result, str) for result in await asyncio.gather(*tasks))
    assert sum([(await place.counts(f"thread {number}"))[0] for number in range(7)]) == 100


async def test_a_broken_connection_is_told_as_it_is_and_nothing_is_repeated(place: Place) -> None:
    assert place.pool is not None
    async with place.replica() as saver, place.pool.acquire() as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("LOCK TABLE checkpoints IN EXCLUSIVE MODE")
        tasks = [asyncio.create_task(put(saver, f"thread {number}")) for number in range(5)]
        sql = """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND datname = current_database()
        """
        async with asyncio.timeout(20):
            while not await place.pool.fetchval(sql):  # noqa: ASYNC110 - there is nothing to wait on in another process
                await asyncio.sleep(0.01)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await transaction.commit()
        assert all(isinstance(result, Exception) and is_unavailable(result) for result in results)
        assert [await place.counts(f"thread {number}") for number in range(5)] == [(0, 0, 0)] * 5
        await put(saver, "thread 0")


async def test_without_a_database_every_call_says_so() -> None:
    async with open_pool("postgresql://nobody@127.0.0.1:1/none") as pool, open_postgres_saver(pool) as saver:
        for asking in (
            saver.aget_tuple(config("thread")),
            put(saver, "thread"),
            saver.aput_writes(config("thread", "x"), [("channel", 1)], "task"),
            saver.rewind("thread", None),
            saver.adelete_thread("thread"),
        ):
            with pytest.raises(OSError):
                await asking


async def test_behind_a_pgbouncer_statements_are_not_prepared() -> None:
    async with embedded_database() as url, over_pool(url):
        mark = "&" if "?" in url else "?"
        async with open_pool(f"{url}{mark}pgbouncer=true") as pool, open_postgres_saver(pool, keep=2) as saver:
            for number in range(3):
                await turn("asks", asks(saver), "thread", number)


async def test_threads_are_deleted_within_the_callers_transaction(place: Place) -> None:
    assert place.pool is not None
    async with place.replica() as saver:
        for thread in ("one", "two", "three"):
            latest = await put(saver, thread, text="x" * 1000)
            await saver.aput_writes(config(thread, latest), [("channel", 1)], "task")
        async with place.pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await delete_threads(connection, ["one", "two"])
            await transaction.rollback()
            assert await place.counts("one") == (1, 1, 1)
            async with connection.transaction():
                await delete_threads(connection, ["one", "two"])
    assert [await place.counts(thread) for thread in ("one", "two", "three")] == [(0, 0, 0), (0, 0, 0), (1, 1, 1)]


async def test_long_lists_come_in_pages(place: Place) -> None:
    async with place.replica(keep=None) as saver:
        ids = [await put(saver, "thread", metadata={"step": number}) for number in range(120)]
        for limit in (None, 1, 50, 51, 119, 500):
            found = [one.checkpoint["id"] async for one in saver.alist(config("thread"), limit=limit)]
            assert found == ids[::-1][:limit]
        before = config("thread", ids[100])
        found = [one.checkpoint["id"] async for one in saver.alist(config("thread"), before=before, limit=60)]
        assert found == ids[99:39:-1]
        listed = saver.alist(config("thread"))
        assert (await anext(listed)).checkpoint["id"] == ids[-1]
        await listed.aclose()  # type: ignore[attr-defined]


async def test_a_callers_filter_is_data(place: Place) -> None:
    about = {'user\'s "name"': "'; DROP TABLE checkpoints; --", "nested": {"a": [1, 2], "b": None}, "ü": 1.5}
    async with place.replica() as saver:
        await put(saver, "thread", metadata=about)
        await put(saver, "thread", metadata={"other": 1})
        for name, value in about.items():
            found = [one async for one in saver.alist(None, filter={name: value})]
            assert [one.metadata[name] for one in found] == [value]  # type: ignore[literal-required]
        assert [one async for one in saver.alist(None, filter={"nested": {"a": [3]}})] == []
        assert len([one async for one in saver.alist(config("thread"), filter={})]) == 2


READ = "SELECT sum(seq_tup_read)::int FROM pg_stat_user_tables WHERE relname LIKE 'checkpoint%'"


async def test_no_statement_reads_a_whole_table() -> None:
    """A plan that was made for a few rows would take longer the more threads there are."""
    async with embedded_database() as url, over_pool(url) as place:
        assert place.pool is not None
        async with open_pool(url, size=1) as pool, open_postgres_saver(pool, keep=3) as saver:
            await asyncio.gather(*(_used(saver, f"first {number}") for number in range(5)))
            await pool.execute("""
                INSERT INTO checkpoints (thread, ns, id, open, metadata, digests, body, tag)
                SELECT 'other ' || n, '', 'id', false, '{}', '{}', '', '' FROM generate_series(1, 5000) AS n
            """)
            await pool.execute("""
                INSERT INTO checkpoint_segments
                SELECT 'other ' || n, decode(md5(n::text), 'hex'), '' FROM generate_series(1, 5000) AS n
            """)
            before = await _read(pool)
            await asyncio.gather(*(_used(saver, f"thread {number}") for number in range(30)))
            assert await _read(pool) - before < 5000


async def _read(pool: Any) -> int:
    async with pool.acquire() as connection:
        await connection.execute("SELECT pg_stat_force_next_flush()")
        return int(await connection.fetchval(READ))


async def _used(saver: Any, thread: str) -> None:
    parent = None
    for number in range(6):
        parent = await put(saver, thread, parent=parent, texts=["x" * 500] * number)
        await saver.aput_writes(config(thread, parent), [("channel", 1)], "task")
        await saver.aget_tuple(config(thread))
        _ = [one async for one in saver.alist(config(thread))]
    await saver.rewind(thread, parent)
    await saver.aprune([thread])
    await saver.adelete_thread(thread)


async def test_metadata_of_any_text_is_stored(place: Place) -> None:
    async with place.replica() as saver:
        await put(saver, "thread", metadata={"a\0b": ["\ud800", {"x": "a\0"}], "fine": "\U0001f600"})
        found = await saver.aget_tuple(config("thread"))
        assert found is not None
        kept: Any = found.metadata
        assert (kept["ab"], kept["fine"]) == (["?", {"x": "a"}], "\U0001f600")
        assert len([one async for one in saver.alist(None, filter={"fine": "\U0001f600"})]) == 1
