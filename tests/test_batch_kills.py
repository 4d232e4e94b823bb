"""Two replicas answer one batch and one of them is killed: every question has one outcome, whatever keeps the queue."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import grpc
import pytest

from ragents_client import AsyncClient
from ragents_client.v1 import BATCH_STATE_DONE, BATCH_STATE_RUNNING
from ragents_server.jobs.redis_scripts import QUEUE
from tests.openai_server import OpenAIServer, Reply, openai_server
from tests.postgres_servers import embedded_database
from tests.redis_servers import asked, until, valkey_server
from tests.services.processes import SERVING, Running, health, serving

QUESTIONS, EARLY, WORKERS = 200, 60, 4
TEXT = "The answer is 42 [1]."


class Pace:
    """A model that answers the first questions at once and holds the rest until it is let go on."""

    def __init__(self, model: OpenAIServer) -> None:
        self.go = asyncio.Event()
        self.asked = Counter[str]()
        self.held = 0
        model.answers = self._answer

    def _answer(self, messages: list[dict[str, Any]]) -> Reply:
        self.asked[re.findall(r"(Q\d+) what is the answer", messages[-1]["content"])[-1]] += 1
        if self.asked.total() <= EARLY:
            return Reply([TEXT])
        self.held += not self.go.is_set()
        return Reply([TEXT], wait=self.go)


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

            async def all_hold() -> bool:
                return pace.held >= 2 * WORKERS

            await until(all_hold)  # each worker of both has a question under way
            before = await rag.get_batch(batch.id)
            assert before.state == BATCH_STATE_RUNNING
            assert before.done == EARLY
            victim.process.kill()
            await victim.process.wait()
            pace.go.set()

            async def done() -> bool:
                return (await rag.get_batch(batch.id)).state == BATCH_STATE_DONE

            await until(done)
            after = await rag.get_batch(batch.id)
            items = [item async for item in rag.list_batch_items(batch.id, page_size=64)]
            assert (after.done, after.total) == (QUESTIONS, QUESTIONS)
            assert [item.index for item in items] == list(range(QUESTIONS))
            assert all("42" in item.answer.text for item in items)
            again = [name for name, times in pace.asked.items() if times > 1]
            assert 1 <= len(again) <= WORKERS  # what the victim had under way, and nothing else
