"""Inside a fence only whoever has the lease writes, each after the other, and a run ends with its last checkpoint."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import asyncpg
import pytest

from ragents_server.checkpoints.fences import Ending, Fence, fenced
from ragents_server.errors import LeaseLost, NotFound
from tests.checkpoints.graphs import asks, chat, turn
from tests.checkpoints.places import Place, postgres, redis
from tests.checkpoints.puts import config, put


def fence(token: int, thread: str = "thread", *, ends: bool = False) -> Fence:
    def ending(values: Mapping[str, Any]) -> Ending | None:
        return Ending(f"answer {values['text']}".encode()) if ends and "text" in values else None

    return Fence(thread, token, "run", ending)


async def leased(place: Place, token: int, thread: str = "thread") -> None:
    """What taking the lease leaves in the database; a Redis learns of it from whoever writes."""
    if place.pool is not None:
        sql = """
            INSERT INTO threads (key, tenant, owner, id, agent, title, token, leased_until)
            VALUES ($1, 't', 'o', $1, 'a', '', $2, 'infinity')
            ON CONFLICT (key) DO UPDATE SET token = EXCLUDED.token, leased_until = EXCLUDED.leased_until
        """
        await place.pool.execute(sql, thread, token)


async def test_writes_of_the_lease_are_stored_one_after_the_other(place: Place) -> None:
    await leased(place, 3)
    async with place.replica() as saver:
        with fenced(fence(3)):
            first = await put(saver, "thread")
            inner = await put(saver, "thread", ns="sub:x", root=first)
            await saver.aput_writes(config("thread", first), [("channel", 1)], "task")
            second = await put(saver, "thread", parent=first)
    assert await place.stored("thread") == [("", first), ("sub:x", inner), ("", second)]
    assert (await place.counts("thread"))[2] == 1


async def test_who_lost_the_lease_writes_nothing(place: Place) -> None:
    await leased(place, 3)
    async with place.replica() as saver:
        with fenced(fence(3)):
            first = await put(saver, "thread")
        await leased(place, 4)
        with fenced(fence(4)):
            second = await put(saver, "thread", parent=first)
        with fenced(fence(3)):
            for writing in (
                put(saver, "thread", parent=second, text="x" * 1000),
                put(saver, "thread", ns="sub:x", root=second),
                saver.aput_writes(config("thread", second), [("channel", 1)], "task"),
                saver.rewind("thread", first),
            ):
                with pytest.raises(LeaseLost):
                    await writing
    assert await place.counts("thread") == (2, 0, 0)


async def test_a_checkpoint_follows_the_head_or_is_refused(place: Place) -> None:
    await leased(place, 3)
    async with place.replica() as saver:
        with fenced(fence(3)):
            first = await put(saver, "thread")
            await put(saver, "thread", parent=first)
            for parent in (None, first, "never was"):
                with pytest.raises(LeaseLost):
                    await put(saver, "thread", parent=parent)
    assert len(await place.stored("thread")) == 2


async def test_a_conflict_fails_only_its_caller(place: Place) -> None:
    """Thirty puts of one batch, every third of a thread that somebody else has."""
    async with place.replica() as saver:
        for number in range(30):
            await leased(place, 2, f"thread {number}")
            if place.redis is not None:
                with fenced(fence(2 if number % 3 == 0 else 1, f"thread {number}")):
                    await put(saver, f"thread {number}", ns="other")

        async def one(number: int) -> str:
            token = 1 if number % 3 == 0 else 2
            with fenced(fence(token, f"thread {number}")):
                return await put(saver, f"thread {number}", text="x" * 1000)

        results = await asyncio.gather(*(one(number) for number in range(30)), return_exceptions=True)
    for number, result in enumerate(results):
        assert isinstance(result, LeaseLost if number % 3 == 0 else str)
        stored = [id_ for ns, id_ in await place.stored(f"thread {number}") if not ns]
        assert stored == ([] if number % 3 == 0 else [result])


async def test_another_threads_fence_is_none(place: Place) -> None:
    async with place.replica() as saver:
        with fenced(fence(1, "another")):
            await put(saver, "thread")
            await put(saver, "thread", parent="whatever")
    assert len(await place.stored("thread")) == 2


async def test_langgraphs_tasks_inherit_the_fence(place: Place) -> None:
    await leased(place, 5)
    async with place.replica() as saver:
        with fenced(fence(5)):
            await turn("asks", asks(saver), "thread", 1, "async")
        stored = await place.stored("thread")
        await leased(place, 6)
        if place.redis is not None:
            with fenced(fence(6)):
                await saver.rewind("thread", stored[-1][1])
        with fenced(fence(5)), pytest.raises(LeaseLost):
            await turn("asks", asks(saver), "thread", 2, "sync")
    assert await place.stored("thread") == stored


@pytest.fixture
async def database() -> AsyncIterator[Place]:
    async with postgres() as place:
        yield place


async def thread_of(pool: asyncpg.Pool) -> Any:
    return await pool.fetchrow("SELECT *, leased_until = '-infinity' AS free FROM threads WHERE key = 'thread'")


async def run(pool: asyncpg.Pool) -> None:
    sql = """
        INSERT INTO runs (id, thread, digest, turn, caller, state, detached)
        VALUES ('run', 'thread', '', '', '{}', 2, false)
    """
    await pool.execute(sql)


async def test_a_run_ends_in_the_transaction_of_its_last_checkpoint(database: Place) -> None:
    pool = database.pool
    assert pool is not None
    await leased(database, 1)
    await run(pool)
    async with database.replica() as saver:
        with fenced(fence(1, ends=True)):
            first = await put(saver, "thread")
            await put(saver, "thread", ns="sub:x", root=first, text="not the root's")
            row = await thread_of(pool)
            assert (row["head"], row["base"], row["turns"], row["free"]) == (first, None, 0, False)
            last = await put(saver, "thread", parent=first, text="42")
    row, ended = await thread_of(pool), await pool.fetchrow("SELECT state, outcome FROM runs")
    assert (row["head"], row["base"], row["turns"], row["free"]) == (last, last, 1, True)
    assert (ended["state"], ended["outcome"]) == (4, b"answer 42")


async def test_a_run_does_not_end_with_a_checkpoint_that_is_refused(database: Place) -> None:
    pool = database.pool
    assert pool is not None
    await leased(database, 2)
    await run(pool)
    async with database.replica() as saver:
        for token, parent in ((1, None), (2, "never was")):
            with fenced(fence(token, ends=True)), pytest.raises(LeaseLost):
                await put(saver, "thread", parent=parent, text="42")
    row, ended = await thread_of(pool), await pool.fetchrow("SELECT state, outcome FROM runs")
    assert (row["head"], row["base"], row["turns"], row["free"]) == (None, None, 0, False)
    assert (ended["state"], ended["outcome"]) == (2, None)


async def test_a_takeover_waits_for_the_statement_that_it_would_undo(database: Place) -> None:
    pool = database.pool
    assert pool is not None
    await leased(database, 1)
    async with database.replica() as saver, pool.acquire() as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("UPDATE threads SET token = 2")
        with fenced(fence(1)):
            async with asyncio.TaskGroup() as group:
                writing = [
                    group.create_task(_lost(put(saver, "thread"))),
                    group.create_task(_lost(saver.aput_writes(config("thread", "x"), [("channel", 1)], "task"))),
                ]
                await _until_waiting(pool)
                assert not any(task.done() for task in writing)
                await transaction.commit()
    assert await database.counts("thread") == (0, 0, 0)


async def test_a_thread_whose_row_somebody_holds_on_to_stops_only_its_own_writers(database: Place) -> None:
    pool = database.pool
    assert pool is not None
    for thread in ("held", "free"):
        await leased(database, 1, thread)

    async def one(thread: str) -> str:
        with fenced(fence(1, thread)):
            return await put(saver, thread)

    async with database.replica() as saver, pool.acquire() as other:
        async with other.transaction():
            await other.execute("UPDATE threads SET title = 'x' WHERE key = 'held'")
            held, free = await asyncio.gather(one("held"), one("free"), return_exceptions=True)
        assert isinstance(held, asyncpg.LockNotAvailableError)
        assert await database.stored("free") == [("", free)]
        assert await database.stored("held") == []


async def _lost(writing: Any) -> None:
    with pytest.raises(LeaseLost):
        await writing


async def _until_waiting(pool: asyncpg.Pool) -> None:
    sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with asyncio.timeout(20):
        while not await pool.fetchval(sql):  # noqa: ASYNC110 - there is nothing to wait on in another process
            await asyncio.sleep(0.01)


async def test_the_checkpoint_that_the_last_answer_ended_with_stays_to_be_gone_back_to(place: Place) -> None:
    await leased(place, 1)
    async with place.replica(keep=2) as saver:
        with fenced(fence(1, ends=True)):
            early = await put(saver, "thread", "01")
            await put(saver, "thread", "02", ns="lasting", root=early, text="before the answer")
            base = await put(saver, "thread", "03", parent=early, text="answer")
        await leased(place, 2)
        with fenced(fence(2)):
            parent = base
            for number in range(4, 9):
                root, parent = parent, await put(saver, "thread", f"{number:02}", parent=parent)
                await put(saver, "thread", f"{number:02}x", ns="lasting", root=root)
            assert await place.stored("thread") == [("lasting", "02"), ("", "03"), ("", "08"), ("lasting", "08x")]
            await saver.rewind("thread", base)
            assert await place.stored("thread") == [("lasting", "02"), ("", "03")]
            await put(saver, "thread", parent=base)


async def test_a_rewound_thread_goes_on_as_if_the_rest_had_never_been(place: Place) -> None:
    await leased(place, 1)
    async with place.replica() as saver:
        graph = chat(saver)
        with fenced(fence(1)):
            await turn("chat", graph, "thread", 1)
            (_, base), before = (await place.stored("thread"))[-1], await place.counts("thread")
            await turn("chat", graph, "thread", 2)
            for _ in range(2):  # twice is once
                await saver.rewind("thread", base)
                assert await place.counts("thread") == before
            again = await turn("chat", graph, "thread", 3)
    assert [message.content for message in again[0]["messages"]] == ["question 1", "reply 1", "question 3", "reply 3"]


async def test_rewinding_to_nothing_leaves_nothing(place: Place) -> None:
    await leased(place, 1)
    async with place.replica() as saver:
        with fenced(fence(1)):
            await turn("asks", asks(saver), "thread", 1)
            await saver.rewind("thread", None)
            assert await place.counts("thread") == (0, 0, 0)
            await turn("asks", asks(saver), "thread", 2)


async def test_rewinding_to_what_is_not_there_changes_nothing(place: Place) -> None:
    async with place.replica() as saver:
        await put(saver, "thread")
        with pytest.raises(NotFound):
            await saver.rewind("thread", "never was")
    assert len(await place.stored("thread")) == 1


async def test_writes_to_the_checkpoint_itself_stay_only_where_it_waits_for_a_reply(place: Place) -> None:
    async with place.replica() as saver:
        for thread, channel, left in (("answered", "channel", 0), ("waiting", "__interrupt__", 2)):
            base = await put(saver, thread)
            await saver.aput_writes(config(thread, base), [(channel, "x"), ("other", "y")], "task")
            await put(saver, thread, parent=base)
            await saver.rewind(thread, base)
            assert await place.counts(thread) == (1, 0, left)


async def test_a_deleted_thread_is_not_begun_anew_by_a_late_writer() -> None:
    async with redis() as place, place.replica() as saver:
        with fenced(fence(1)):
            first = await put(saver, "thread")
        with fenced(fence(2)):
            await saver.adelete_thread("thread")
        with fenced(fence(1)):
            for parent in (None, first):
                with pytest.raises(LeaseLost):
                    await put(saver, "thread", parent=parent)
        assert await place.counts("thread") == (0, 0, 0)


async def test_a_stale_deletion_is_refused() -> None:
    async with redis() as place, place.replica() as saver:
        with fenced(fence(2)):
            await put(saver, "thread")
        with fenced(fence(1)), pytest.raises(LeaseLost):
            await saver.adelete_thread("thread")
        assert len(await place.stored("thread")) == 1
