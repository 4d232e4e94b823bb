"""The events of runs: what somebody deletes in the middle hurts nobody else."""

import asyncio
from collections.abc import AsyncIterator
from importlib import resources

import asyncpg
import pytest

from ragents_client.v1 import Event, Question, Step, Turn
from ragents_server.caller import Caller
from ragents_server.connections.migrations import migrate
from ragents_server.connections.postgres import open_pool
from ragents_server.connections.statements import Pool
from ragents_server.errors import LeaseLost
from ragents_server.threads.events import Append, EventLog
from ragents_server.threads.request import TurnRequest
from ragents_server.threads.runs import Runs
from tests.postgres_servers import embedded_database

ADA, EVE = Caller(tenant="acme", user="ada"), Caller(tenant="evil", user="eve")


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with embedded_database() as url:
        await migrate(url, resources.files("ragents_server") / "checkpoints" / "migrations")
        async with open_pool(url) as opened:
            yield opened


@pytest.fixture
async def log(pool: Pool) -> AsyncIterator[EventLog]:
    made = EventLog(pool)
    async with made.running():
        yield made


async def taken(pool: Pool, caller: Caller) -> str:
    """A run that has begun."""
    runs = Runs(pool)
    async with runs.running():
        request = TurnRequest(caller, Turn(thread_id="t", request_id="r", question=Question(text="What?")))
        found = await runs.take(request, await runs.look(request), agent="echo", title="What?")
    assert found is not None
    return found.run


def step(run: str) -> Append:
    return Append(run, 1, 1, [Event(seq=1, step=Step(name="think"))])


async def waits_for_a_lock(pool: Pool) -> None:
    """Returns when a statement waits for one."""
    asking = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with asyncio.timeout(20):
        while not await pool.fetchval(asking):  # noqa: ASYNC110 - nothing tells when it waits
            await asyncio.sleep(0.01)


async def test_a_run_that_is_deleted_while_it_tells_events_fails_nobody_elses(pool: Pool, log: EventLog) -> None:
    mine, theirs = await taken(pool, ADA), await taken(pool, EVE)
    connection: asyncpg.Connection
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("DELETE FROM runs WHERE id = $1", theirs)
        telling = [asyncio.create_task(log.append(step(run))) for run in (mine, theirs)]
        await waits_for_a_lock(pool)
    kept, lost = await asyncio.gather(*telling, return_exceptions=True)
    assert kept is None
    assert isinstance(lost, LeaseLost)
    seen = await log.watch(mine, 0)
    assert seen is not None and [event.step.name for event in seen.events] == ["think"]
    assert await log.watch(theirs, 0) is None
