"""Finding passages: BM25 and cosine in one statement, filtered by tenant, collections and conditions."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from asyncpg import Record
from pgvector import HalfVector

from ragents_client.v1.answer_pb2 import Condition, Passage, Score, Span
from ragents_client.v1.document_pb2 import Document
from ragents_server.errors import StateUnavailable
from ragents_server.index.collections import require_model
from ragents_server.index.conditions import to_filter
from ragents_server.index.question import Asked
from ragents_server.index.rows import to_struct
from ragents_server.index.statements import Connection, Pool, statements
from ragents_server.index.vectors import Floats, to_spans, unit, unpack_sentences

EXACT_BELOW = 10_000  # passages; from there on walking the HNSW index is faster than reading them all
CANDIDATES = 20_000  # of the lexical leg, about a microsecond each
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to search; collections that do not exist are empty."""

    tenant: str
    collections: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """What to search for.

    `terms` as `index.terms` gives them, none to leave the lexical leg out; the vector and the model that made it, None
    to leave the dense leg out.
    """

    terms: tuple[str, ...]
    vector: Floats | None = None
    model: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage with both scores: BM25, 0 without a common word, and cosine, None while it has no vector."""

    passage: int
    lexical: float
    dense: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """The union of both legs' best, by passage id.

    `idf` is each query term's weight; `bound`, their sum with repetitions, is more than any passage's BM25 can be.
    """

    hits: tuple[Hit, ...] = ()
    bound: float = 0.0
    idf: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A passage to answer from; `vector` is its own, None while it is not made.

    `sentences` are spans of characters in its text, `sentence_vectors` a unit vector each, as rows.
    """

    id: int
    passage: Passage
    sentences: tuple[tuple[int, int], ...]
    vector: Floats | None
    sentence_vectors: Floats | None


@dataclass(frozen=True, slots=True)
class _Plan:
    """The collections that were found, pinned to their vectors' generations, and how to search them."""

    names: tuple[str, ...]
    generations: tuple[int, ...]
    dense: str


class Search:
    """Searches the index; holds no state but the pool."""

    def __init__(self, pool: Pool, *, exact_below: int = EXACT_BELOW, candidates: int = CANDIDATES) -> None:
        self._pool = pool
        self._exact_below = exact_below
        self._candidates = candidates

    async def hybrid(self, scope: Scope, query: Query, depth: int = 50) -> Found:
        """The `depth` best of each leg with both scores, all from one snapshot.

        Raises ModelMismatch when a collection's vectors were made by another model than the query's.
        """
        async with self._pool.acquire() as connection:
            for _ in range(ATTEMPTS):
                plan = await self._plan(connection, scope, query)
                if not plan.generations:
                    return Found()
                row = await self._run(connection, plan, scope, query, depth)
                if row["collections"] == len(plan.generations):
                    return _found(row, query)
        raise StateUnavailable("the collections were changed again and again during the search")

    async def _plan(self, connection: Connection, scope: Scope, query: Query) -> _Plan:
        rows = await connection.fetch(statements("search")["scope"], scope.tenant, list(set(scope.collections)))
        names = tuple(row["name"] for row in rows)
        generations = tuple(row["generation"] for row in rows)
        if query.vector is None or not rows:
            return _Plan(names, generations, "dense_none")
        for row in rows:
            stored = (row["embedding_model"], row["dimension"])
            require_model(row["name"], stored, (query.model, len(query.vector)))
        passages = sum(row["passages"] for row in rows)
        if passages >= self._exact_below and scope.conditions:
            passages = await self._count(connection, generations, scope)
        return _Plan(names, generations, "dense_exact" if passages < self._exact_below else "dense_hnsw")

    async def _count(self, connection: Connection, generations: Sequence[int], scope: Scope) -> int:
        conditions = to_filter(scope.conditions, given=2)
        sql = statements("search")["count"].format(conditions=conditions.sql)
        counted: int = await connection.fetchval(sql, generations, self._exact_below, *conditions.arguments)
        return counted

    async def _run(self, connection: Connection, plan: _Plan, scope: Scope, query: Query, depth: int) -> Record:
        conditions = to_filter(scope.conditions, given=8)
        sql = _statement(plan, conditions.sql if scope.conditions else "", query)
        vector = None if query.vector is None else HalfVector(unit(query.vector))
        asked = Asked.of(scope.tenant, plan.names, query.terms)
        arguments = (
            plan.generations,
            scope.tenant,
            asked.terms,
            asked.keys,
            asked.times,
            float(self._candidates),
            depth,
            vector,
            *conditions.arguments,
        )
        if plan.dense != "dense_hnsw":
            return await connection.fetchrow(sql, *arguments)
        async with connection.transaction(readonly=True):
            await connection.execute(statements("search")["walk_hnsw"], str(min(1000, max(100, 2 * depth))))
            return await connection.fetchrow(sql, *arguments)

    async def passages(self, tenant: str, ids: Sequence[int], model: str | None = None) -> list[FoundPassage]:
        """Passages in the order of their ids, without those that have gone; with vectors of this model, or any."""
        rows = await self._pool.fetch(statements("search")["passages"], tenant, list(ids), model)
        return [_passage(row) for row in rows]


def _statement(plan: _Plan, conditions: str, query: Query) -> str:
    sql = statements("search")
    dense = sql[plan.dense].format(
        eligible_vectors="v.document IN (SELECT id FROM eligible)" if conditions else "true",
        dimension=0 if query.vector is None else len(query.vector),
    )
    return sql["hybrid"].format(
        dense=dense,
        conditions=conditions or "true",
        eligible_terms="t.document IN (SELECT id FROM eligible)" if conditions else "true",
    )


def _found(row: Record, query: Query) -> Found:
    distinct = tuple(dict.fromkeys(query.terms))
    idf = dict(zip(distinct, row["idf"] or (), strict=True))
    hits = zip(row["passages"] or (), row["lexical"] or (), row["dense"] or (), strict=True)
    return Found(tuple(Hit(*hit) for hit in hits), sum(idf[term] for term in query.terms), idf)


def _passage(row: Record) -> FoundPassage:
    spans = to_spans(row["sentences"])
    document = Document(
        id=row["id"].hex,
        collection=row["collection"],
        name=row["name"],
        media_type=row["media_type"],
        metadata=to_struct(row["metadata"]),
    )
    passage = Passage(
        document=document,
        version=row["version"],
        first_page=row["first_page"],
        last_page=row["last_page"],
        first_line=row["first_line"],
        heading=row["heading"],
        span=Span(start=row["span_start"], end=row["span_end"]),
        text=row["text"],
        score=Score(),
    )
    vector = None if row["embedding"] is None else row["embedding"].to_numpy().astype(np.float32)
    packed = row["vectors"]
    return FoundPassage(
        row["passage"], passage, spans, vector, None if packed is None else unpack_sentences(packed, len(spans))
    )
