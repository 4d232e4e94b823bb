"""Query and Retrieve at a size of the index, beside their parts alone and a bare grpc.aio echo, interleaved."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ragents_client.v1 import QueryResponse
from ragents_server.caller import LOCAL
from ragents_server.index.search import Query, Scope, Search
from ragents_server.index.terms import terms
from ragents_server.models.minilm import MiniLM
from ragents_server.rag.retrieval import DEPTH
from scripts.benchmarks.echo import Echo
from scripts.benchmarks.load import Taken, called, cpu_ms, median_percentile, median_rate
from scripts.benchmarks.loading import COLLECTION, Loader
from scripts.benchmarks.service import Service
from scripts.figures import Figure

CALLERS = 8
WARMING = 10  # questions before the first round: connections, statements and pages are then what they stay


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    rounds: int
    questions: int  # a round, of each kind
    echoes: int


Series = Mapping[str, Sequence[Taken]]


class Querying:
    """Asks a server whose index a loader filled; every question is new, so nothing can have been kept."""

    def __init__(self, service: Service, loader: Loader, echo: Echo, model: MiniLM) -> None:
        self._service = service
        self._loader = loader
        self._echo = echo
        self._model = model
        self._search = Search(loader.pool)
        self._answer = b""  # a real one's bytes, for the echo

    async def measure(self, size: str, effort: Effort, most: float | None) -> list[Figure]:
        """The figures at the index's present size, by the name of it; `most` milliseconds for the median."""
        await called(self._query, self._questions(WARMING))
        series: dict[str, list[Taken]] = defaultdict(list)
        for _ in range(effort.rounds):
            for kind, taken in (await self._round(effort)).items():
                series[kind].append(taken)
        return _figures(size, series, most)

    async def _round(self, effort: Effort) -> dict[str, Taken]:
        """Each kind once, so that what disturbs the machine disturbs them all."""
        several, pid = effort.questions, self._service.pid
        taken = {
            "query": await called(self._query, self._questions(several), pid=pid),
            "retrieve": await called(self._retrieve, self._questions(several), pid=pid),
            "embedding": await called(self._embed, self._questions(several)),
            "search": await called(self._find, await self._ready(several)),
            "query_8": await called(self._query, self._questions(2 * several), callers=CALLERS, pid=pid),
        }
        echo = itertools.repeat(self._answer, effort.echoes)
        taken["echo"] = await called(self._echo.call, echo, pid=self._echo.pid)
        echo = itertools.repeat(self._answer, effort.echoes)
        taken["echo_8"] = await called(self._echo.call, echo, callers=CALLERS, pid=self._echo.pid)
        return taken

    def _questions(self, number: int) -> Iterator[str]:
        author, kept = self._loader.author, self._loader.kept
        return (author.question(kept) for _ in range(number))

    async def _query(self, question: str) -> None:
        answer = await self._service.client.query(question, collections=COLLECTION)
        self._answer = self._answer or QueryResponse(answer=answer).SerializeToString()

    async def _retrieve(self, question: str) -> None:
        await self._service.client.retrieve(question, collections=COLLECTION)

    async def _embed(self, question: str) -> None:
        await self._model.embed_queries([question])

    async def _ready(self, number: int) -> list[Query]:
        """What the engine asks the index, embedded already."""
        asked = list(self._questions(number))
        vectors = await self._model.embed_queries(asked)
        return [Query(tuple(terms(one)), vector, MiniLM.model) for one, vector in zip(asked, vectors, strict=True)]

    async def _find(self, query: Query) -> None:
        await self._search.hybrid(Scope(LOCAL.tenant, (COLLECTION,)), query, DEPTH)


def _figures(size: str, series: Series, most: float | None) -> list[Figure]:
    name = f"query_{size}"
    p50 = median_percentile(series["query"], 0.5)
    median = Figure(f"{name}_p50", p50, "ms") if most is None else Figure.at_most(f"{name}_p50", p50, most, "ms")
    shown: Callable[[str, float, str], Figure] = Figure
    return [
        median,
        shown(f"{name}_p95", median_percentile(series["query"], 0.95), "ms"),
        shown(f"{name}_embedding_p50", median_percentile(series["embedding"], 0.5), "ms"),
        shown(f"{name}_search_p50", median_percentile(series["search"], 0.5), "ms"),
        shown(f"{name}_8_callers_p50", median_percentile(series["query_8"], 0.5), "ms"),
        shown(f"{name}_8_callers_p95", median_percentile(series["query_8"], 0.95), "ms"),
        shown(f"{name}_8_callers_rate", median_rate(series["query_8"]), "calls/s"),
        shown(f"{name}_cpu", cpu_ms(series["query"]), "CPU ms/call"),
        shown(f"retrieve_{size}_p50", median_percentile(series["retrieve"], 0.5), "ms"),
        shown(f"retrieve_{size}_cpu", cpu_ms(series["retrieve"]), "CPU ms/call"),
        shown(f"echo_{size}_p50", median_percentile(series["echo"], 0.5), "ms"),
        shown(f"echo_{size}_cpu", cpu_ms(series["echo"]), "CPU ms/call"),
        shown(f"echo_{size}_8_callers_rate", median_rate(series["echo_8"]), "calls/s"),
    ]
