"""Two replicas on one database: a run is followed, replied to, cancelled and gone on with on either of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from ragents_client import AsyncClient, Cancelled, CheckpointCorrupt, Draining, StateUnavailable
from ragents_client.conditions import value
from ragents_client.v1 import (
    RUN_STATE_ANSWERED,
    RUN_STATE_CANCELLED,
    RUN_STATE_RUNNING,
    Event,
    Reply,
)
from ragents_server.operations import prepare
from ragents_server.server import Server, listening
from ragents_server.settings import Settings
from ragents_server.wiring import Parts, opened
from tests.postgres_servers import embedded_database
from tests.talking_agents import AGENTS, gates

ECHO, ASKER, WALKER = "echo", "asker", "walker"


@dataclass(frozen=True)
class Replica:
    parts: Parts
    server: Server
    rag: AsyncClient


@asynccontextmanager
async def replica(database: str, **settings: Any) -> AsyncIterator[Replica]:
    given = Settings(listen="127.0.0.1:0", database=database, parsers=1, agents=AGENTS, agent="echo", **settings)
    async with opened(given) as parts, listening(given, parts) as server:
        await prepare(parts)
        await server.set_ready(True)
        async with AsyncClient(server.address) as rag:
            yield Replica(parts, server, rag)


@pytest.fixture
async def database() -> AsyncIterator[str]:
    async with embedded_database() as url:
        yield url


@pytest.fixture
async def both(database: str) -> AsyncIterator[tuple[Replica, Replica]]:
    async with AsyncExitStack() as stack:
        yield (
            await stack.enter_async_context(replica(database)),
            await stack.enter_async_context(replica(database)),
        )


@pytest.fixture
def word() -> str:
    return f"walk {uuid4().hex}"


async def until(true: Any) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - told by a node that may run in another thread
            await asyncio.sleep(0.01)


async def begun(one: Replica, word: str, **how: Any) -> tuple["asyncio.Task[list[Event]]", str, str]:
    """A run that waits in its second step: the task that reads its stream, and the ids of request and thread."""
    request, thread = uuid4().hex, f"mine {word}"
    stream = one.rag.stream_run(WALKER, word, thread_id=thread, request_id=request, **how)

    async def read() -> list[Event]:
        async with stream:
            return [event async for event in stream]

    task = asyncio.create_task(read())
    await until(gates.reached[word].is_set)
    async with asyncio.timeout(20):  # the step before is saved in the background
        while "second" not in [step async for one in one.rag.get_thread_history(thread) for step in one.next]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return task, request, thread


async def said(one: Replica, thread: str) -> list[tuple[str, str]]:
    found = await one.rag.get_thread(thread)
    return [(exchange.question, exchange.answer) for exchange in found.exchanges]


async def expire_leases(one: Replica) -> None:
    """As if the replica that has them had been silent for long."""
    await one.parts.pool.execute("UPDATE threads SET leased_until = now() - interval '1 s'")


async def test_the_same_request_on_another_replica_follows_the_run(both: Any, word: str) -> None:
    here, there = both
    task, request, thread = await begun(here, word)
    again = asyncio.create_task(there.rag.run(WALKER, word, thread_id=thread, request_id=request))
    stream = there.rag.stream_run(WALKER, word, thread_id=thread, request_id=request)
    first = await anext(stream)
    gates.open[word].set()
    events = await task
    assert [first, *[event async for event in stream]] == events
    assert (await again).answer == events[-1].answer
    assert gates.done[f"second {word}"] == 1


async def test_who_asked_for_the_same_elsewhere_goes_on_when_the_first_caller_leaves(both: Any, word: str) -> None:
    here, there = both
    task, request, thread = await begun(here, word)
    again = there.rag.stream_run(WALKER, word, thread_id=thread, request_id=request)
    events = [await anext(again)]
    task.cancel()
    await until(lambda: gates.left[word] == 1)
    gates.open[word].set()
    events += [event async for event in again]
    assert events[-1].answer.text == f"Walked {word}"
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


async def test_turns_of_one_thread_over_both_replicas_are_all_kept_in_the_order_they_ran(both: Any) -> None:
    thread = f"mine {uuid4().hex}"
    runs = await asyncio.gather(*(both[n % 2].rag.run(ECHO, f"q{n}", thread_id=thread) for n in range(10)))
    kept = await said(both[0], thread)
    assert sorted(answer for _, answer in kept) == sorted(run.answer.text for run in runs)
    assert [int(answer.partition(":")[0]) for _, answer in kept] == list(range(10))


async def test_a_reply_may_reach_another_replica(both: Any) -> None:
    here, there = both
    asked = await here.rag.run(ASKER, "which")
    reply = Reply(interrupt_id=asked.interrupt.id, value=value("south"))
    told = await there.rag.run(ASKER, reply, thread_id=asked.thread_id)
    assert (told.state, told.answer.text) == (RUN_STATE_ANSWERED, "You said 'south'.")


async def test_a_run_is_cancelled_from_the_other_replica(both: Any, word: str) -> None:
    here, there = both
    task, _, thread = await begun(here, word)
    run_id = (await there.rag.get_thread(thread)).thread.run_id
    assert (await there.rag.get_run(run_id)).state == RUN_STATE_RUNNING
    assert (await there.rag.cancel_run(run_id)).state == RUN_STATE_CANCELLED
    with pytest.raises(Cancelled):
        await task
    assert gates.left[word] == 1
    assert await said(there, thread) == []


async def test_a_replica_that_was_frozen_writes_nothing_over_what_came_since(both: Any, word: str) -> None:
    here, there = both
    task, request, thread = await begun(here, word)
    here.parts.agency.turns._places.leases._held.clear()  # it does not renew, and does not notice
    await expire_leases(there)
    again = asyncio.create_task(there.rag.run(WALKER, word, thread_id=thread, request_id=request))
    await until(lambda: gates.arrived[word] == 2)
    gates.open[word].set()
    answered = await again
    assert (await task)[-1].answer == answered.answer  # who was frozen finds out, and follows
    assert await said(there, thread) == [(word, f"Walked {word}")]
    assert gates.done[f"first {word}"] == 1  # it was saved before the freeze
    assert (await there.rag.get_thread(thread)).thread.turns == 1


async def test_events_go_on_without_a_gap_when_another_replica_takes_over(both: Any, word: str) -> None:
    here, there = both
    task, request, thread = await begun(here, word)
    run_id = (await there.rag.get_thread(thread)).thread.run_id
    followed = there.rag.attach_run(run_id)
    here.parts.agency.turns._places.leases._held.clear()
    await expire_leases(there)
    again = asyncio.create_task(there.rag.run(WALKER, word, thread_id=thread, request_id=request))
    await until(lambda: gates.arrived[word] == 2)
    gates.open[word].set()
    await again
    await task
    events = [event async for event in followed]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.started.attempt for event in events if event.HasField("started")] == [1, 2]


async def test_a_detached_run_whose_replica_has_gone_is_taken_up_by_another(both: Any, word: str) -> None:
    here, there = both
    task, _, thread = await begun(here, word, detached=True)
    run_id = (await there.rag.get_thread(thread)).thread.run_id
    here.parts.agency.turns._places.leases._held.clear()
    await expire_leases(there)
    await there.parts.agency.turns.take_up()
    await until(lambda: gates.arrived[word] == 2)
    gates.open[word].set()
    assert [event async for event in there.rag.attach_run(run_id)][-1].answer.text == f"Walked {word}"
    await task
    assert await said(there, thread) == [(word, f"Walked {word}")]


async def test_a_drain_stops_a_graph_at_its_next_saved_step_and_another_replica_goes_on(both: Any, word: str) -> None:
    here, there = both
    task, request, thread = await begun(here, word)
    drained = asyncio.create_task(here.parts.agency.turns.drain(0))
    await until(lambda: here.parts.agency.turns._draining)
    gates.open[word].set()
    with pytest.raises(Draining):
        await task
    await drained
    assert (gates.done[f"second {word}"], gates.left[word]) == (1, 0)
    answered = await there.rag.run(WALKER, word, thread_id=thread, request_id=request)
    assert answered.answer.text == f"Walked {word}"
    assert gates.done[f"second {word}"] == 1  # that step was saved
    with pytest.raises(Draining):
        await here.rag.run(ECHO, "one")


async def test_a_drain_leaves_a_detached_run_for_another_replica(both: Any, word: str) -> None:
    here, there = both
    task, _, thread = await begun(here, word, detached=True)
    run_id = (await there.rag.get_thread(thread)).thread.run_id
    drained = asyncio.create_task(here.parts.agency.turns.drain(5))
    await until(lambda: here.parts.agency.turns._draining)
    gates.open[word].set()
    with pytest.raises(Draining):
        await task
    await drained
    assert (await there.rag.get_run(run_id)).state == RUN_STATE_RUNNING
    await there.parts.agency.turns.take_up()
    assert [event async for event in there.rag.attach_run(run_id)][-1].answer.text == f"Walked {word}"


async def test_a_replica_that_ends_in_the_middle_of_a_detached_runs_step_leaves_the_run_to_another(
    both: Any, word: str
) -> None:
    here, there = both
    task, _, thread = await begun(here, word, detached=True)
    run_id = (await there.rag.get_thread(thread)).thread.run_id
    task.cancel()
    await here.parts.agency.turns.aclose()
    async with asyncio.timeout(20):
        while (await there.rag.get_thread(thread)).thread.run_id:  # noqa: ASYNC110 - until the lease is given back
            await asyncio.sleep(0.01)
    assert gates.left[word] == 1
    assert (await there.rag.get_run(run_id)).state == RUN_STATE_RUNNING
    await there.parts.agency.turns.take_up()
    gates.open[word].set()
    assert [event async for event in there.rag.attach_run(run_id)][-1].answer.text == f"Walked {word}"


async def test_the_outcome_is_told_when_it_is_committed_and_no_sooner(both: Any, word: str) -> None:
    here, there = both
    task, _, thread = await begun(here, word)
    async with here.parts.pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM threads WHERE id = $1 FOR UPDATE", thread)  # holds up the run's last save
        gates.open[word].set()
        await until(lambda: gates.done[f"second {word}"])
        done, _ = await asyncio.wait([task], timeout=0.5)
        assert not done
    assert (await task)[-1].answer.text == f"Walked {word}"
    assert await said(there, thread) == [(word, f"Walked {word}")]


async def test_threads_and_runs_of_age_are_swept_and_those_in_use_are_not(both: Any, word: str) -> None:
    here, there = both
    old, kept = await here.rag.run(ECHO, "one"), await here.rag.run(ECHO, "two")
    task, _, busy = await begun(there, word)
    pool = here.parts.pool
    await pool.execute("UPDATE threads SET update_time = now() - interval '1 day' WHERE id <> $1", kept.thread_id)
    await here.parts.agency.turns._places.threads.expire(3600)
    threads = {thread.id async for thread in there.rag.list_threads()}
    assert threads == {kept.thread_id, busy}
    left = await pool.fetchval("SELECT count(DISTINCT thread) FROM checkpoints")
    assert left == 2 and old.thread_id not in threads
    gates.open[word].set()
    assert (await task)[-1].answer.text == f"Walked {word}"


async def test_events_are_dropped_after_a_while_and_the_outcome_is_not(both: Any) -> None:
    here, there = both
    ended = await here.rag.run(ECHO, "one")
    whole = [event async for event in there.rag.attach_run(ended.id)]
    await here.parts.pool.execute("UPDATE runs SET update_time = now() - interval '1 day'")
    await here.parts.agency.keeping.sweep()
    assert await here.parts.pool.fetchval("SELECT count(*) FROM run_events") == 0
    assert [event.answer async for event in there.rag.attach_run(ended.id)] == [whole[-1].answer]


async def test_a_thread_whose_state_is_gone_is_not_begun_anew(both: Any) -> None:
    here, there = both
    ended = await here.rag.run(ECHO, "one")
    await here.parts.pool.execute("DELETE FROM checkpoints")
    with pytest.raises(CheckpointCorrupt, match="gone"):
        await there.rag.run(ECHO, "two", thread_id=ended.thread_id)
    with pytest.raises(CheckpointCorrupt, match="gone"):
        await there.rag.get_thread(ended.thread_id)


async def test_a_state_store_that_is_away_is_unavailable_and_never_an_empty_conversation(database: str) -> None:
    async with replica(database, database_timeout=1) as here:
        ended = await here.rag.run(ECHO, "one")
        lock = await here.parts.pool.acquire()
        try:
            async with lock.transaction():
                await lock.execute("LOCK TABLE checkpoints, threads IN ACCESS EXCLUSIVE MODE")
                with pytest.raises(StateUnavailable):
                    await here.rag.run(ECHO, "two", thread_id=ended.thread_id)
                with pytest.raises(StateUnavailable):
                    await here.rag.get_thread(ended.thread_id)
        finally:
            await here.parts.pool.release(lock)
        assert (await here.rag.run(ECHO, "two", thread_id=ended.thread_id)).answer.text == "1: two"
