"""Ingestion through PutDocuments: CPU time of the server and all below it, beside the model's own, interleaved."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ragents_server.models.minilm import MiniLM
from ragents_server.models.minilm_tokens import count_tokens
from scripts.benchmarks.errors import BenchError
from scripts.benchmarks.processes import cpu_seconds
from scripts.benchmarks.service import Service
from scripts.benchmarks.texts import Author, Made
from scripts.figures import Figure

COLLECTION = "ingestion"
PASSAGES = 8  # of a document, about
WITHOUT, WITH = 15.0, 9.0  # passages a second and core at least


@dataclass(frozen=True, slots=True)
class _Round:
    """CPU seconds a passage."""

    put: float
    with_sentences: float  # the model alone
    without: float
    wall: float  # seconds a passage through PutDocuments


async def ingestion(service: Service, model: MiniLM, *, rounds: int, documents: int) -> list[Figure]:
    """So many documents of about eight passages a round."""
    author = Author(seed=1)
    await _put(service, author, "warming", 2)
    runs = [await _round(service, model, author, f"round-{number}", documents) for number in range(rounds)]
    put = statistics.median(run.put for run in runs)
    # What the sentences' vectors add is measured in the model alone, a passage after another with and without.
    added = statistics.median(run.with_sentences - run.without for run in runs)
    return [
        Figure.at_least("ingestion", 1 / put, WITH, "passages/s/core"),
        Figure.at_least("ingestion_without_sentences", 1 / (put - added), WITHOUT, "passages/s/core"),
        Figure("ingestion_wall", 1 / statistics.median(run.wall for run in runs), "passages/s"),
        Figure("embedding", 1 / statistics.median(run.with_sentences for run in runs), "passages/s/core"),
        Figure("embedding_without_sentences", 1 / statistics.median(run.without for run in runs), "passages/s/core"),
        Figure("ingestion_passage", await _tokens(service, author), "tokens"),
    ]


async def _round(service: Service, model: MiniLM, author: Author, name: str, documents: int) -> _Round:
    spent, began = cpu_seconds(service.pid), time.perf_counter()
    passages = await _put(service, author, name, documents)
    spent, wall = cpu_seconds(service.pid) - spent, time.perf_counter() - began
    made = [author.passage() for _ in range(max(5, documents * PASSAGES // 3))]
    with_sentences = await _embed(model, made, sentences=True)
    without = await _embed(model, made, sentences=False)
    return _Round(spent / passages, with_sentences, without, wall / passages)


async def _put(service: Service, author: Author, name: str, documents: int) -> int:
    """The number of passages that were made of them."""
    texts = ["\n\n".join(author.passage().text for _ in range(PASSAGES)) for _ in range(documents)]
    sources = [(f"{name}-{number}.txt", text.encode()) for number, text in enumerate(texts)]
    results = await service.client.put_documents(sources, collection=COLLECTION)
    stored = [result.document for result in results if result.document is not None]
    if len(stored) < documents:
        raise BenchError("a document was not put")
    return sum(document.passages for document in stored)


async def _embed(model: MiniLM, made: Sequence[Made], *, sentences: bool) -> float:
    """CPU seconds of this process a passage, when the model has nothing else to do."""
    began = time.process_time()
    spans = [one.sentences if sentences else () for one in made]
    await model.embed_passages([one.text for one in made], spans)
    return (time.process_time() - began) / len(made)


async def _tokens(service: Service, author: Author) -> float:
    """The mean of some passages as they were cut."""
    question = author.question([author.passage() for _ in range(10)])
    passages = await service.client.retrieve(question, collections=COLLECTION, top_k=100)
    return statistics.mean(count_tokens(passage.text) for passage in passages)
