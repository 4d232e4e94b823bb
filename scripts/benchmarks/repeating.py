"""What the first asking of a question takes and what a repeat does, with a chat model that writes for 400 ms."""

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from ragents_client import AsyncClient
from ragents_client.v1 import (
    CACHE_OUTCOME_HIT,
    CACHE_OUTCOME_MISS,
    CACHE_OUTCOME_REVALIDATED,
    CacheOutcome,
)
from scripts.benchmarks.errors import BenchError
from scripts.benchmarks.texts import Author
from scripts.evaluation.server import running_server
from scripts.figures import Figure
from tests.openai_server import OpenAIServer

COLLECTION = "repeats"
DOCUMENTS = 30
WRITING = 0.4  # seconds
REPEATS = 5
SAVED = 0.9  # of the first asking's latency, at least
ANSWER = "What is asked stands in the first passage [1]."
OTHER = "0000 1111 2222 3333 4444 5555."  # like nothing that is asked

Latencies = Mapping[str, Sequence[float]]  # milliseconds by "first", "repeat", "revalidated"


async def repeating(*, questions: int) -> list[Figure]:
    """Each question for the first time, again some times, and once more after another document was put."""
    async with _model() as url:
        settings = {"CHAT_MODEL": "openai:stub", "CHAT_URL": url, "CHAT_KEY": "none"}
        async with running_server(settings) as client:
            latencies = await _asked(client, questions)
    first, repeat, revalidated = (statistics.median(latencies[name]) for name in ("first", "repeat", "revalidated"))
    return [
        Figure("first_query_p50", first, "ms"),
        Figure("repeated_query_p50", repeat, "ms"),
        Figure.at_least("repeat_saves", 1 - repeat / first, SAVED, "of the latency"),
        Figure("revalidated_query_p50", revalidated, "ms"),
        Figure("revalidated_saves", 1 - revalidated / first, "of the latency"),
    ]


async def _asked(client: AsyncClient, questions: int) -> Latencies:
    author, latencies = Author(), defaultdict[str, list[float]](list)
    made = [author.passage() for _ in range(DOCUMENTS)]
    await _put(client, {f"{number}.txt": one.text for number, one in enumerate(made)})
    await _ask(client, author.question(made), CACHE_OUTCOME_MISS)  # the first of all also opens connections
    for number in range(questions):
        question = author.question(made)
        latencies["first"].append(await _ask(client, question, CACHE_OUTCOME_MISS))
        for _ in range(REPEATS):
            latencies["repeat"].append(await _ask(client, question, CACHE_OUTCOME_HIT))
        await _put(client, {f"other-{number}.txt": OTHER})
        latencies["revalidated"].append(await _ask(client, question, CACHE_OUTCOME_REVALIDATED))
    return latencies


async def _ask(client: AsyncClient, question: str, expected: CacheOutcome.ValueType) -> float:
    """The milliseconds it took; the answer must have been come by as is expected."""
    began = time.perf_counter()
    response = await client.query_response(question, collections=COLLECTION)
    taken = time.perf_counter() - began
    if response.cache.outcome != expected or not response.answer.text:
        raise BenchError(f"a query was {CacheOutcome.Name(response.cache.outcome)}, not {CacheOutcome.Name(expected)}")
    return 1e3 * taken


async def _put(client: AsyncClient, texts: Mapping[str, str]) -> None:
    results = await client.put_documents([(name, text.encode()) for name, text in texts.items()], collection=COLLECTION)
    if any(result.document is None for result in results):
        raise BenchError("a document was not put")


class _Slow(OpenAIServer):
    """Takes its time to write."""

    async def chat(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(WRITING)
        return await super().chat(request)


@asynccontextmanager
async def _model() -> AsyncIterator[str]:
    """The model's base URL."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", _Slow(answers=lambda _: ANSWER).chat)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()
