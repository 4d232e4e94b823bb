"""From nothing to the first answer: a cold start with documents, then warm starts on the data it left."""

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ragents_client import PutEvent
from ragents_client.v1 import PROGRESS_STAGE_SEARCHABLE
from scripts.benchmarks.errors import BenchError
from scripts.benchmarks.service import Service, serving
from scripts.benchmarks.texts import Author, Made
from scripts.evaluation.server import open_folder
from scripts.figures import Figure

COLLECTION = "start"
DOCUMENTS = 100
COLD, WARM = 8.0, 2.0  # seconds at most


async def starts(cold: int, warm: int, documents: int = DOCUMENTS) -> list[Figure]:
    """So many cold starts, each with that many warm ones after it; medians."""
    first, again = list[Mapping[str, float]](), list[Mapping[str, float]]()
    for number in range(cold):
        author = Author(seed=number)
        texts = [author.passage() for _ in range(documents)]
        with open_folder() as folder:
            first.append(await _cold(folder, author, texts))
            again += [await _warm(folder, author, texts) for _ in range(warm)]
    return [
        Figure("cold_start", _median(first, "ready"), "s"),
        Figure("cold_start_to_searchable", _median(first, "searchable"), "s"),
        Figure.at_most("cold_start_to_answer", _median(first, "answer"), COLD, "s"),
        Figure("warm_start", _median(again, "ready"), "s"),
        Figure.at_most("warm_start_to_answer", _median(again, "answer"), WARM, "s"),
    ]


async def _cold(folder: Path, author: Author, texts: Sequence[Made]) -> Mapping[str, float]:
    async with serving(folder) as service:
        ready = _since(service)
        searchable = await _put(service, texts)
        await _ask(service, author, texts)
        return {"ready": ready, "searchable": searchable, "answer": _since(service)}


async def _warm(folder: Path, author: Author, texts: Sequence[Made]) -> Mapping[str, float]:
    async with serving(folder) as service:
        ready = _since(service)
        await _ask(service, author, texts)
        return {"ready": ready, "answer": _since(service)}


async def _put(service: Service, texts: Sequence[Made]) -> float:
    """Puts all; when the last of them could be found by its words."""
    searchable = 0.0

    def told(event: PutEvent) -> None:
        nonlocal searchable
        if event.progress is not None and event.progress.stage == PROGRESS_STAGE_SEARCHABLE:
            searchable = _since(service)

    sources = [(f"{number}.txt", made.text.encode()) for number, made in enumerate(texts)]
    results = await service.client.put_documents(sources, collection=COLLECTION, progress=told)
    if failed := [result.name for result in results if result.document is None]:
        raise BenchError(f"not put: {', '.join(failed)}")
    return searchable


async def _ask(service: Service, author: Author, texts: Sequence[Made]) -> None:
    """One question; a refusal of made words takes the same work as an answer, but nothing found does not."""
    answer = await service.client.query(author.question(texts), collections=COLLECTION)
    if not answer.passages:
        raise BenchError("the first question found no passage")


def _since(service: Service) -> float:
    return time.perf_counter() - service.began


def _median(runs: Sequence[Mapping[str, float]], name: str) -> float:
    return statistics.median(run[name] for run in runs)
