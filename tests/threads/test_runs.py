"""Runs that are looked for and taken at once: each has its own outcome, and none waits for what another one lacks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from importlib import resources
from typing import Any

import asyncpg
import pytest

from ragents_client.v1 import RUN_STATE_RUNNING, Question, Reply, Turn
from ragents_server.caller import Caller
from ragents_server.connections.migrations import migrate
from ragents_server.connections.postgres import open_pool
from ragents_server.threads.request import TurnRequest
from ragents_server.threads.runs import Runs, Taken
from tests.postgres_servers import embedded_database

ADA = Caller(tenant="acme", user="ada")
MANY = range(20)


def turn(thread: str, request: str, **given: Any) -> TurnRequest:
    given = given or {"question": Question(text="What?")}
    return TurnRequest(ADA, Turn(agent="echo", thread_id=thread, request_id=request, **given))


async def take(runs: Runs, request: TurnRequest) -> Taken | None:
    return await runs.take(request, await runs.look(request), agent="echo", title="What?")


class Counting:
    """A pool that counts the statements."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.statements = 0

    async def fetch(self, *arguments: Any) -> Any:
        self.statements += 1
        return await self.pool.fetch(*arguments)


@pytest.fixture
async def database() -> AsyncIterator[str]:
    async with embedded_database() as url:
        await migrate(url, resources.files("ragents_server") / "checkpoints" / "migrations")
        yield url


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Counting]:
    async with open_pool(database) as opened:
        yield Counting(opened)


@pytest.fixture
async def runs(pool: Counting) -> AsyncIterator[Runs]:
    made = Runs(pool)  # type: ignore[arg-type]
    async with made.running():
        yield made


async def test_turns_of_many_threads_are_taken_in_few_statements(runs: Runs, pool: Counting) -> None:
    requests = [turn(f"thread-{number}", f"request-{number}") for number in MANY]
    taken = await asyncio.gather(*(take(runs, request) for request in requests))
    assert [(one.key, one.run, one.token) for one in taken if one] == [(one.key, one.run_id, 1) for one in requests]
    assert pool.statements <= 4
    for request in requests:
        found = await runs.get(ADA, request.run_id)
        assert found is not None
        assert (found[0].thread_id, found[0].state, found[1]) == (request.thread_id, RUN_STATE_RUNNING, request.key)


async def test_of_two_that_take_one_thread_at_once_one_gets_it(runs: Runs) -> None:
    requests = [turn("thread", f"request-{number}") for number in MANY]
    looks = await asyncio.gather(*map(runs.look, requests))
    taking = (runs.take(one, look, agent="echo", title="") for one, look in zip(requests, looks, strict=True))
    assert sum(taken is not None for taken in await asyncio.gather(*taking)) == 1


async def test_a_run_that_is_not_the_callers_is_none_among_many(runs: Runs) -> None:
    requests = [turn(f"thread-{number}", f"request-{number}") for number in MANY]
    await asyncio.gather(*(take(runs, request) for request in requests))
    eve = Caller(tenant="acme", user="eve")
    asked = [runs.get(ADA if number % 2 else eve, one.run_id) for number, one in enumerate(requests)]
    found = await asyncio.gather(*asked)
    assert [one is not None for one in found] == [number % 2 == 1 for number in MANY]


async def test_one_that_the_database_refuses_fails_alone(runs: Runs) -> None:
    """Two runs that reply to one interrupt, seen free by both: the second breaks a unique index."""
    replies = [turn(name, name, reply=Reply(interrupt_id="interrupt")) for name in ("one", "other")]
    questions = [turn(f"thread-{number}", f"request-{number}") for number in MANY]
    requests = [*replies, *questions]
    looks = await asyncio.gather(*map(runs.look, requests))
    taking = (runs.take(one, look, agent="echo", title="") for one, look in zip(requests, looks, strict=True))
    taken = await asyncio.gather(*taking, return_exceptions=True)
    refused = [one for one in taken[:2] if isinstance(one, asyncpg.UniqueViolationError)]
    assert len(refused) == 1
    assert all(isinstance(one, Taken) for one in taken[2:])


async def test_replicas_that_take_the_same_threads_in_another_order_do_not_wait_for_each_other(database: str) -> None:
    async with AsyncExitStack() as stack:
        replicas = [Runs(await stack.enter_async_context(open_pool(database, size=2))) for _ in range(3)]
        for replica in replicas:
            await stack.enter_async_context(replica.running())
        for again in range(10):
            names = [f"thread-{again % 2}-{number}" for number in MANY]
            orders = [names, names[::-1], names[10:] + names[:10]]
            taking = [
                take(replica, turn(name, f"{at}-{again}-{name}"))
                for at, (replica, order) in enumerate(zip(replicas, orders, strict=True))
                for name in order
            ]
            taken = [one for one in await asyncio.gather(*taking) if one is not None]
            assert sorted({one.key for one in taken}) == sorted(one.key for one in taken), "each thread once"
            await asyncio.gather(*(replicas[0].release(one) for one in taken))
            assert len(taken) == len(names)
