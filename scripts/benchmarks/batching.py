"""What batches of concurrent questions gain with an embedding server that answers one request at a time.

The server is ours: HTTP in the form of OpenAI, 20 ms a request and 1 ms a text, as a model on a device of its own.
As a program it prints its base URL, and ends when its standard input does.
"""

import asyncio
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from ragents_server.models.embeddings import Embeddings
from ragents_server.models.providers import open_provider_embeddings
from ragents_server.rag.batched import BatchedEmbeddings
from scripts.benchmarks.load import called
from scripts.benchmarks.texts import Author
from scripts.figures import Figure

REQUEST, TEXT = 0.02, 0.001  # seconds
CALLERS = (1, 8, 32)
SIZE, WAIT = 8, 0.0  # the settings' defaults
START = 30.0  # seconds


async def batching(*, rounds: int, calls: int) -> list[Figure]:
    """At each number of callers, directly and in batches by turns; so many calls of each caller a round."""
    async with _server() as url, open_provider_embeddings("openai:made", url=url, key="", timeout=30) as direct:
        batched = BatchedEmbeddings(direct, size=SIZE, wait=WAIT)
        author = Author(seed=2)
        return [
            figure
            for callers in CALLERS
            for figure in await _at(callers, direct, batched, author, rounds=rounds, calls=calls)
        ]


async def _at(
    callers: int, direct: Embeddings, batched: Embeddings, author: Author, *, rounds: int, calls: int
) -> list[Figure]:
    rates: dict[Embeddings, list[float]] = {direct: [], batched: []}
    for _ in range(rounds):
        for embeddings, found in rates.items():
            found.append(await _rate(embeddings, callers, author, calls))
    alone, together = (statistics.median(found) for found in rates.values())
    return [
        Figure(f"embedding_server_{callers}_callers", alone, "questions/s"),
        Figure(f"embedding_server_{callers}_callers_batched", together, "questions/s"),
        Figure(f"batching_gain_{callers}_callers", together / alone, "times"),
    ]


async def _rate(embeddings: Embeddings, callers: int, author: Author, calls: int) -> float:
    made = [author.passage() for _ in range(10)]

    async def embed(question: str) -> None:
        await embeddings.embed_queries([question])

    taken = await called(embed, [author.question(made) for _ in range(callers * calls)], callers=callers)
    return taken.rate


@asynccontextmanager
async def _server() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START):
            url = (await process.stdout.readline()).decode().strip()
        yield url
    finally:
        process.kill()
        await process.wait()


class _Device:
    """Answers one request after the other."""

    def __init__(self) -> None:
        self._free = asyncio.Lock()

    async def embed(self, request: web.Request) -> web.Response:
        body = await request.json()
        texts: Sequence[str] = [body["input"]] if isinstance(body["input"], str) else body["input"]
        async with self._free:
            await asyncio.sleep(REQUEST + TEXT * len(texts))
        rows = [{"object": "embedding", "index": i, "embedding": [1.0, 0.0]} for i in range(len(texts))]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        return web.json_response({"object": "list", "model": body["model"], "data": rows, "usage": usage})


async def _serve() -> None:
    app = web.Application()
    app.router.add_post("/v1/embeddings", _Device().embed)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
