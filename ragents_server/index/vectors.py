"""Vectors of passages and sentences: added after the words, found again when their maker died, indexed by dimension."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import numpy as np
from asyncpg import Record
from numpy.typing import NDArray
from pgvector import HalfVector

from ragents_server.index.collections import require_model
from ragents_server.index.locks import lock_key
from ragents_server.index.put import LEASE, hold
from ragents_server.index.statements import Connection, Pool, statements

Floats = NDArray[np.float32]

MAX_DIMENSION = 4000  # of a halfvec's HNSW index


@dataclass(frozen=True, slots=True)
class PassageEmbedding:
    """The vectors of one stored passage: its own, and one a sentence, shape (sentences, dimension)."""

    passage: int
    vector: Floats
    sentences: Floats


@dataclass(frozen=True, slots=True)
class Unembedded:
    """A stored passage without vectors; `sentences` are spans of characters."""

    passage: int
    text: str
    sentences: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """A document whose vectors the claimer makes until its lease ends."""

    tenant: str
    collection: str
    document_id: str
    name: str
    generation: int
    passages: tuple[Unembedded, ...]


class Vectors:
    """The vectors of all documents."""

    def __init__(self, pool: Pool, *, embedding_model: str, dimension: int) -> None:
        self._pool = pool
        self._model = (embedding_model, dimension)

    async def prepare(self) -> None:
        """Make the index of this dimension, where it is the first of its kind; call it before anything is put."""
        async with self._pool.acquire() as connection:
            await ensure_dimension(connection, self._model[1])

    async def add(self, document_id: str, generation: int, embeddings: Sequence[PassageEmbedding]) -> bool:
        """Add vectors of some or all passages of a document in one transaction; with the last it is READY.

        False, and nothing is stored, when the document was replaced or deleted, or its collection was reindexed, since
        the passages were made. Vectors that are there already stay. Raises ModelMismatch.
        """
        document = UUID(hex=document_id)
        sql = statements("vectors")
        async with self._pool.acquire() as connection, connection.transaction():
            place = await connection.fetchrow(sql["place"], document)
            if place is None:
                return False
            await hold(connection, place["tenant"], place["collection"], document_id)
            aim = await connection.fetchrow(sql["aim"], document, generation)
            if aim is None:
                return False
            require_model(place["collection"], (aim["embedding_model"], aim["dimension"]), self._model)
            rows = await connection.fetch(sql["embedded"], document, generation)
            embedded = {row["id"]: row["embedded"] for row in rows}
            if any(one.passage not in embedded for one in embeddings):
                return False
            fresh = [one for one in embeddings if not embedded[one.passage]]
            if fresh:
                await write_vectors(connection, [(one, document) for one in fresh], generation)
                complete = sum(embedded.values()) + len(fresh) == len(embedded)
                await connection.execute(sql["renew"], document, complete, LEASE)
                await connection.execute(statements("collections")["changed"], aim["id"], 0, 0, 0)
        return True

    async def claim(self, limit: int, lease: timedelta = LEASE) -> list[Claim]:
        """Take documents of this model that lack vectors and that nobody is at; during the lease nobody else does."""
        sql = statements("vectors")
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(sql["claim"], self._model[0], limit, lease)
            return [await _claimed(connection, row) for row in rows]

    async def take(self, document_id: str) -> Claim | None:
        """Take one document that lacks vectors, even from somebody who may be at it; None where it lacks none."""
        async with self._pool.acquire() as connection:
            row = await connection.fetchrow(statements("vectors")["take"], self._model[0], UUID(hex=document_id), LEASE)
            return await _claimed(connection, row) if row else None

    async def end_leases(self) -> None:
        """Let what was leased be claimed at once; for a database whose only server has just started."""
        await self._pool.execute(statements("vectors")["end_leases"])


async def _claimed(connection: Connection, row: Record) -> Claim:
    passages = await connection.fetch(statements("vectors")["claimed_passages"], row["id"], row["generation"])
    return Claim(
        row["tenant"],
        row["collection"],
        row["id"].hex,
        row["name"],
        row["generation"],
        tuple(Unembedded(one["id"], one["text"], to_spans(one["sentences"])) for one in passages),
    )


def to_spans(flat: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Pairs of starts and ends, as a passage stores them in a row."""
    return tuple(zip(flat[::2], flat[1::2], strict=True))


async def write_vectors(
    connection: Connection, embeddings: Sequence[tuple[PassageEmbedding, UUID]], generation: int
) -> None:
    """Store vectors with the document that each passage belongs to, in the caller's transaction."""
    await connection.copy_records_to_table(
        "passage_vectors",
        records=[(one.passage, generation, document, HalfVector(unit(one.vector))) for one, document in embeddings],
    )
    await connection.copy_records_to_table(
        "sentence_vectors",
        records=[(one.passage, generation, pack_sentences(one.sentences)) for one, _ in embeddings],
    )


async def ensure_dimension(connection: Connection, dimension: int) -> None:
    """Make the HNSW index for vectors of this length, once: while there are none of them it takes no time."""
    if not 1 <= dimension <= MAX_DIMENSION:
        raise ValueError(f"vectors have 1 to {MAX_DIMENSION} dimensions, not {dimension}")
    sql = statements("vectors")
    if await connection.fetchval(sql["has_index"], f"passage_vectors_hnsw_{dimension}"):
        return
    async with connection.transaction():
        await connection.execute(statements("collections")["lock_alone"], lock_key("dimension"))
        await connection.execute(sql["make_index"].format(dimension=dimension))


def unit(vectors: Floats) -> Floats:
    """Vectors of length one, along the last axis; a vector of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def pack_sentences(sentences: Floats) -> bytes:
    """A byte an element: only the direction counts, so each vector is scaled to use the whole range."""
    peaks = np.abs(sentences).max(axis=-1, keepdims=True, initial=0)
    scaled = sentences / np.where(peaks == 0, 1, peaks) * 127
    return np.rint(scaled).astype(np.int8).tobytes()


def unpack_sentences(packed: bytes, number: int) -> Floats:
    """Unit vectors, shape (number, dimension); cosines are off by about .002."""
    if number == 0:
        return np.zeros((0, 0), np.float32)
    return unit(np.frombuffer(packed, np.int8).reshape(number, -1).astype(np.float32))
