"""Retrieval: a question in, the best passages of the caller's documents out, with what a writer needs of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ragents_client.v1.answer_pb2 import Passage, Question
from ragents_server.caller import Caller
from ragents_server.errors import ModelMismatch
from ragents_server.index.search import Found as Hits
from ragents_server.index.search import FoundPassage, Query, Scope, Search
from ragents_server.index.terms import terms
from ragents_server.models.embeddings import Embeddings, Vectors
from ragents_server.rag.fusion import Ranked, Reranker, diversify, fuse
from ragents_server.signals import span

DEPTH = 50  # the best of each leg that fusion looks at


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a question, best first.

    `question` is the text that was searched for and `vector` is its. Of each passage: its sentences as half-open spans
    of characters, and one unit vector a sentence, None while they are still being made. `idf` is of the question's
    terms.
    """

    question: str
    vector: Vectors
    passages: tuple[Passage, ...]
    sentences: tuple[tuple[tuple[int, int], ...], ...]
    sentence_vectors: tuple[Vectors | None, ...]
    idf: Mapping[str, float]
    embeddings: Embeddings  # the model that made all these vectors


class Retriever(Protocol):
    """Whatever finds passages for a question."""

    async def __call__(self, question: Question, caller: Caller) -> Found:
        """What was found in the question's collections, which are the caller's."""
        ...


class Retrieval:
    """Hybrid retrieval: both legs in the database, fused by score; reranked and diversified where that is set."""

    def __init__(
        self,
        search: Search,
        models: Sequence[Embeddings],
        *,
        top_k: int,
        reranker: Reranker | None = None,
        relevance: float = 1.0,
    ) -> None:
        self._search = search
        self._models = tuple(models)  # the one set now, then the one that collections may still be of
        self._top_k = top_k
        self._reranker = reranker
        self._relevance = relevance  # of maximal marginal relevance; 1 leaves the ranking alone

    async def __call__(self, question: Question, caller: Caller) -> Found:
        """The best `top_k` passages; fewer where there are no more. Raises ModelMismatch."""
        with span("retrieve", collections=len(question.collections)) as told:
            top_k = question.top_k if question.HasField("top_k") else self._top_k
            found, vector, embeddings = await self._searched(question, caller, depth=max(DEPTH, top_k))
            rows = await self._ranked(question, fuse(found), caller.tenant, embeddings.model, top_k)
            told.set(passages=len(rows))
            told.show(input=question.text, output=[row.passage for row in rows])
            return _found(question.text, vector, rows, found.idf, embeddings)

    async def _searched(self, question: Question, caller: Caller, depth: int) -> tuple[Hits, Vectors, Embeddings]:
        """Searches with the model that the collections are of; the first again, since a reindex may have switched."""
        scope = Scope(caller.tenant, tuple(question.collections), tuple(question.conditions))
        words = tuple(terms(question.text))
        mismatch: ModelMismatch | None = None
        for embeddings in (*self._models, *self._models[:1]):
            with span("embed"):
                vector = (await embeddings.embed_queries([question.text]))[0]
            try:
                with span("search"):
                    hits = await self._search.hybrid(scope, Query(words, vector, embeddings.model), depth)
                return hits, vector, embeddings
            except ModelMismatch as error:
                mismatch = error
        raise mismatch or AssertionError("there is no embedding model")

    async def _ranked(
        self, question: Question, ranked: list[Ranked], tenant: str, model: str, top_k: int
    ) -> list[FoundPassage]:
        """The best passages with their scores; more than `top_k` are read only where their order may still change."""
        if self._reranker is None and self._relevance == 1:
            ranked = ranked[:top_k]
        with span("passages"):
            found = await self._search.passages(tenant, [one.passage for one in ranked], model)
        rows = {row.id: row for row in found}
        ranked = [one for one in ranked if one.passage in rows]  # some may have gone since
        for one in ranked:
            score = rows[one.passage].passage.score
            score.fused, score.lexical, score.dense = one.fused, one.lexical, one.dense or 0.0
        if self._reranker is not None and ranked:
            with span("rerank", passages=len(ranked)):
                values = await self._reranker(question.text, [rows[one.passage].passage.text for one in ranked])
            for one, value in zip(ranked, values, strict=True):
                rows[one.passage].passage.score.rerank = value
            reranked = [replace(one, fused=value) for one, value in zip(ranked, values, strict=True)]
            ranked = sorted(reranked, key=lambda one: -one.fused)  # equal ones keep their order
        if self._relevance < 1:
            vectors = {row.id: row.vector for row in rows.values() if row.vector is not None}
            ranked = diversify(ranked, vectors, top_k, self._relevance)
        return [rows[one.passage] for one in ranked[:top_k]]


def _found(
    question: str, vector: Vectors, rows: list[FoundPassage], idf: Mapping[str, float], embeddings: Embeddings
) -> Found:
    return Found(
        question=question,
        vector=vector,
        passages=tuple(row.passage for row in rows),
        sentences=tuple(row.sentences for row in rows),
        sentence_vectors=tuple(row.sentence_vectors for row in rows),
        idf=idf,
        embeddings=embeddings,
    )
