"""Two servers on one database and one Redis: one truth, whichever of them is asked."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from ragents_client import AsyncClient
from ragents_client.v1 import (
    CACHE_LAYER_ANSWER,
    CACHE_OUTCOME_HIT,
    CACHE_OUTCOME_MISS,
    CACHE_OUTCOME_REVALIDATED,
    CACHE_OUTCOME_SHARED,
    QueryResponse,
)
from ragents_server.rag.cached import housekeeping
from tests.openai_server import OpenAIServer, openai_server
from tests.postgres_servers import embedded_database
from tests.redis_servers import until, valkey_server
from tests.servers import running_server

HARBOUR = "The harbour of Visby was dredged in 1912. Ships of 400 tons may enter it since then."
ASKED = "When was the harbour of Visby dredged?"


@dataclass(frozen=True)
class Pair:
    """Two servers, and what they share."""

    one: AsyncClient
    other: AsyncClient
    redis: "Redis"
    model: OpenAIServer


@asynccontextmanager
async def pair(**settings: Any) -> AsyncIterator[Pair]:
    async with embedded_database() as database, valkey_server() as valkey, openai_server() as model:
        model.answers = lambda messages: "It was dredged in 1912 [1]."
        shared = {"database": database, "cache": valkey.url, "chat_model": "openai:m", "chat_url": model.url}
        async with (
            running_server(**shared | settings) as one,
            running_server(**shared | settings) as other,
            AsyncClient(one) as first,
            AsyncClient(other) as second,
            Redis.from_url(valkey.url) as redis,
        ):
            yield Pair(first, second, redis, model)


async def put(rag: AsyncClient, text: str = HARBOUR, name: str = "harbour.txt") -> str:
    [result] = await rag.put_documents([(name, text.encode())])
    assert result.document is not None, result.failure
    return str(result.document.id)


async def ask(rag: AsyncClient, **how: Any) -> QueryResponse:
    return await rag.query_response(ASKED, **how)


async def entries(redis: "Redis") -> dict[bytes, bytes]:
    """All that is stored by layer, without indexes, counts and leases."""
    names = [name async for name in redis.scan_iter("ragents:1:*") if await redis.type(name) == b"string"]
    return {name: await redis.get(name) or b"" for name in names}


async def test_what_one_has_answered_the_other_need_not() -> None:
    async with pair() as servers:
        await put(servers.one)
        first, second = await ask(servers.one), await ask(servers.other)
        assert (first.cache.outcome, second.cache.outcome) == (CACHE_OUTCOME_MISS, CACHE_OUTCOME_HIT)
        assert second.answer.SerializeToString() == first.answer.SerializeToString()
        assert len(servers.model.requests) == 1


async def test_a_change_through_one_is_seen_through_the_other_as_soon_as_it_is_told() -> None:
    async with pair(chat_model="") as servers:
        for year in range(1912, 1920):
            changed, asked = (servers.one, servers.other) if year % 2 else (servers.other, servers.one)
            await put(changed, HARBOUR.replace("1912", str(year)))
            assert str(year) in (await ask(asked)).answer.text
            assert (await ask(asked)).cache.outcome == CACHE_OUTCOME_HIT


async def test_after_a_change_elsewhere_an_answer_is_served_again_without_a_model() -> None:
    async with pair() as servers:
        await put(servers.one)
        await ask(servers.one, top_k=1)
        await put(servers.other, "The mill at Lund grinds rye.", "mill.txt")
        for rag in (servers.other, servers.one):
            again = await ask(rag, top_k=1)
            assert again.cache.outcome in {CACHE_OUTCOME_REVALIDATED, CACHE_OUTCOME_HIT}
        assert len(servers.model.requests) == 1


async def test_many_at_once_make_one_generation() -> None:
    async with pair() as servers:
        await put(servers.one)
        asked = [ask(rag) for rag in (servers.one, servers.other) for _ in range(25)]
        answers = await asyncio.gather(*asked)
        assert len(servers.model.requests) == 1
        assert {response.answer.SerializeToString() for response in answers} == {answers[0].answer.SerializeToString()}
        outcomes = [response.cache.outcome for response in answers]
        assert outcomes.count(CACHE_OUTCOME_MISS) == 1
        assert set(outcomes) <= {CACHE_OUTCOME_MISS, CACHE_OUTCOME_SHARED, CACHE_OUTCOME_HIT}


async def test_what_one_clears_or_reports_is_gone_from_the_other_too() -> None:
    async with pair() as servers:
        await put(servers.one)
        for generation in (1, 2, 3):
            told = await ask(servers.one)
            assert (await ask(servers.other)).cache.outcome == CACHE_OUTCOME_HIT
            assert len(servers.model.requests) == generation
            if generation == 1:
                await servers.other.report_bad_hit(told.cache.entry_id)
            else:
                assert await servers.other.clear_cache() >= 3
                assert await entries(servers.redis) == {}


async def test_the_figures_are_the_same_on_both() -> None:
    async with pair() as servers:
        await put(servers.one)
        for rag in (servers.one, servers.other, servers.one):
            await ask(rag)
        figures = [await rag.get_cache_stats() for rag in (servers.one, servers.other)]
        assert figures[0] == figures[1]
        answers = next(layer for layer in figures[0] if layer.layer == CACHE_LAYER_ANSWER)
        assert (answers.requests, answers.hits, answers.entries, answers.errors) == (3, 2, 1, 0)


async def test_garbage_and_anothers_entries_in_redis_are_misses_counted_and_replaced() -> None:
    async with pair(cache_answer_size=0, cache_retrieval_size=0) as servers:  # nothing is kept in memory
        await put(servers.one)
        right = await ask(servers.one)
        kept = await entries(servers.redis)
        answer = next(name for name in kept if b":answer:" in name)
        passages = next(name for name in kept if b":retrieval:" in name)
        poisons = (b"\xff\xfe garbage", b"", kept[answer][:-7], kept[passages], os.urandom(10_000))
        for generation, poison in enumerate(poisons, 2):
            await servers.redis.set(answer, poison)
            await servers.redis.set(passages, poison if poison != kept[passages] else kept[answer])
            again = await ask(servers.other)
            assert (again.cache.outcome, again.answer.text) == (CACHE_OUTCOME_MISS, right.answer.text)
            assert len(servers.model.requests) == generation
            assert poison not in (await entries(servers.redis)).values()
        layers = {layer.layer: layer for layer in await servers.one.get_cache_stats()}
        assert layers[CACHE_LAYER_ANSWER].errors >= len(poisons)
        assert (await ask(servers.other)).cache.outcome == CACHE_OUTCOME_HIT


async def test_what_was_made_from_a_deleted_document_is_purged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "PAUSE", 0.1)
    async with pair(chat_model="") as servers:
        document = await put(servers.one)
        await ask(servers.other)
        assert any(document.encode() in value for value in (await entries(servers.redis)).values())
        await servers.one.delete_document(document)

        async def gone() -> bool:
            return not any(b":answer:" in name or b":retrieval:" in name for name in await entries(servers.redis))

        await until(gone)
