"""Batches and what happens to servers and stores: a replica is killed, one is stopped, a Redis evicts or is away."""

import asyncio
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import grpc
import pytest

from ragents_client import AsyncClient, StateUnavailable
from ragents_client.v1 import BATCH_STATE_DONE, BATCH_STATE_RUNNING
from ragents_server.connections.postgres import open_connection
from ragents_server.jobs.redis_scripts import QUEUE
from tests.openai_server import OpenAIServer, Reply, openai_server
from tests.postgres_servers import embedded_database
from tests.redis_servers import asked, until, valkey_server
from tests.servers import running_server
from tests.services.processes import SERVING, Running, finished, health, serving

QUESTIONS, EARLY, WORKERS = 200, 60, 4
TEXT = "The answer is 42 [1]."


class Pace:
    """A model that answers the first questions at once and holds the rest until it is let go on."""

    def __init__(self, model: OpenAIServer, early: int = EARLY) -> None:
        self.early = early
        self.go = asyncio.Event()
        self.asked = Counter[str]()
        self.held = 0
        model.answers = self._answer

    def _answer(self, messages: list[dict[str, Any]]) -> Reply:
        self.asked[re.findall(r"(Q\d+) what is the answer", messages[-1]["content"])[-1]] += 1
        if self.asked.total() <= self.early:
            return Reply([TEXT])
        self.held += not self.go.is_set()
        return Reply([TEXT], wait=self.go)

    def holding(self, number: int) -> Callable[[], Awaitable[bool]]:
        """Whether so many questions are under way."""

        async def holds() -> bool:
            return self.held >= number

        return holds


def over(rag: AsyncClient, batch: str) -> Callable[[], Awaitable[bool]]:
    """Whether the batch is done."""

    async def is_over() -> bool:
        return (await rag.get_batch(batch)).state == BATCH_STATE_DONE

    return is_over


@asynccontextmanager
async def in_database() -> AsyncIterator[dict[str, str]]:
    yield {}


@asynccontextmanager
async def in_redis() -> AsyncIterator[dict[str, str]]:
    async with valkey_server() as redis:
        yield {"limits": redis.url}
        assert await asked(redis, "EXISTS", QUEUE[0]), "the queue was somewhere else"


async def ready(running: Running) -> None:
    async with grpc.aio.insecure_channel(running.address) as channel:
        await health(channel, SERVING)


@pytest.mark.parametrize("kept", [in_database, in_redis], ids=["database", "redis"])
async def test_killing_a_replica_costs_no_question_its_outcome(
    kept: Callable[[], AbstractAsyncContextManager[dict[str, str]]],
) -> None:
    async with embedded_database() as database, openai_server() as model, kept() as further:
        pace = Pace(model)
        settings = {
            "database": database,
            "chat_model": "openai:m",
            "chat_url": model.url,
            "agents": "simple",
            "batch_workers": WORKERS,
            "embedding_threads": 1,
            **further,
        }
        async with serving(**settings) as victim, serving(**settings) as other, AsyncClient(other.address) as rag:
            await asyncio.gather(ready(victim), ready(other))
            await rag.put_documents([("answer.txt", b"The answer is 42. What is the answer? It is 42.")])
            batch = await rag.submit_batch([f"Q{i} what is the answer?" for i in range(QUESTIONS)])
            await until(pace.holding(2 * WORKERS))  # each worker of both has a question under way
            before = await rag.get_batch(batch.id)
            assert before.state == BATCH_STATE_RUNNING
            assert before.done == EARLY
            victim.process.kill()
            await victim.process.wait()
            pace.go.set()
            await until(over(rag, batch.id))
            after = await rag.get_batch(batch.id)
            items = [item async for item in rag.list_batch_items(batch.id, page_size=64)]
            assert (after.done, after.total) == (QUESTIONS, QUESTIONS)
            assert [item.index for item in items] == list(range(QUESTIONS))
            assert all("42" in item.answer.text for item in items)
            again = [name for name, times in pace.asked.items() if times > 1]
            assert 1 <= len(again) <= WORKERS  # what the victim had under way, and nothing else


async def test_a_replica_that_is_stopped_gives_back_what_it_cannot_finish_at_once() -> None:
    async with embedded_database() as database, openai_server() as model:
        pace = Pace(model, early=0)
        settings = {
            "database": database,
            "chat_model": "openai:m",
            "chat_url": model.url,
            "agents": "simple",
            "grace": 0.5,
            "embedding_threads": 1,
        }
        async with serving(**settings, batch_workers=1) as leaving:
            await ready(leaving)
            async with AsyncClient(leaving.address) as rag:
                await rag.put_documents([("answer.txt", b"The answer is 42. What is the answer? It is 42.")])
                batch = await rag.submit_batch(["Q1 what is the answer?", "Q2 what is the answer?"])
                await until(pace.holding(1))
            leaving.process.send_signal(signal.SIGTERM)
            assert await leaving.ended() == 0
        assert pace.asked == Counter(Q1=1)  # nothing more was taken
        async with open_connection(database, command_timeout=10) as connection:
            sql = "SELECT attempts, free_at <= now() AS free FROM batch_items WHERE index = 0"
            assert tuple(await connection.fetchrow(sql)) == (0, True)
        pace.go.set()
        async with serving(**settings) as staying, AsyncClient(staying.address) as rag:
            await ready(staying)
            await until(over(rag, batch.id))
            assert ["42" in item.answer.text async for item in rag.list_batch_items(batch.id)] == [True, True]


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_redis_that_may_evict_ends_the_start_with_one_line(policy: str) -> None:
    async with (
        embedded_database() as database,
        valkey_server("--maxmemory", "100mb", "--maxmemory-policy", policy) as at,
    ):
        status, _, said = await finished(database=database, limits=at.url)
    last = said.strip().splitlines()[-1]
    assert status == 78
    assert last.startswith("ragents-server: RAGENTS_LIMITS: ") and policy in last and "noeviction" in last


async def test_while_the_redis_is_away_only_batches_are() -> None:
    async with (
        valkey_server() as redis,
        running_server(limits=redis.url) as address,
        AsyncClient(address) as rag,
    ):
        await rag.put_documents([("harbour.txt", b"The harbour of Visby was dredged in 1912.")])
        with redis.stopped():
            with pytest.raises(StateUnavailable):
                await rag.submit_batch(["When was the harbour dredged?"], request_id="r")
            assert "1912" in (await rag.query("When was the harbour of Visby dredged?")).text

        async def is_back() -> bool:
            try:
                await rag.submit_batch(["When was the harbour dredged?"], request_id="r")
            except StateUnavailable:
                return False
            return True

        await until(is_back)
        batch = await rag.submit_batch(["When was the harbour dredged?"], request_id="r")
        await until(over(rag, batch.id))
