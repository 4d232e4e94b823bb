"""The index over a fresh database, and documents and vectors to put into it."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import asyncpg
import numpy as np
from numpy.typing import NDArray

from ragents_client.v1.document_pb2 import Document
from ragents_server.connections.postgres import open_pool
from ragents_server.index.chunk import Chunk
from ragents_server.index.collections import Collections
from ragents_server.index.documents import Documents
from ragents_server.index.epochs import open_epochs
from ragents_server.index.put import Stored
from ragents_server.index.search import Found, Query, Scope, Search
from ragents_server.index.terms import terms
from ragents_server.index.vectors import PassageEmbedding, Vectors

MODEL, DIMENSION = "hashing-8", 8


@dataclass(frozen=True)
class Index:
    """All parts of the index over one pool."""

    pool: "asyncpg.Pool[asyncpg.Record]"
    documents: Documents
    collections: Collections
    vectors: Vectors
    search: Search

    async def put(
        self, name: str, *texts: str, tenant: str = "ada", collection: str = "notes", **metadata: Any
    ) -> Stored:
        """Put a document whose version is the hash of its texts."""
        return await self.documents.put(tenant, document(name, texts, collection, metadata), chunks(texts))

    async def embed(self, stored: Stored, texts: Sequence[str]) -> bool:
        """Add the vectors of all passages."""
        rows = [
            PassageEmbedding(one, vector(text), vector(text)[None])
            for one, text in zip(stored.passages, texts, strict=True)
        ]
        return await self.vectors.add(stored.document.id, stored.generation, rows)

    async def put_whole(
        self, name: str, *texts: str, tenant: str = "ada", collection: str = "notes", **metadata: Any
    ) -> Stored:
        """Put a document and add its vectors."""
        stored = await self.put(name, *texts, tenant=tenant, collection=collection, **metadata)
        assert await self.embed(stored, texts)
        return stored

    async def epoch(self, collection: str = "notes") -> bytes:
        """The collection's state as a replica sees it that has just begun."""

        async def learn(_: object) -> None:
            raise AssertionError("nothing was cleared")

        async with open_epochs(self.pool, learn, alone=True) as epochs:
            return await epochs.current("ada", [collection])

    async def ask(self, text: str, *collections: str, tenant: str = "ada", conditions: Sequence[Any] = ()) -> Found:
        """Search with words and vector."""
        scope = Scope(tenant, collections or ("notes",), tuple(conditions))
        return await self.search.hybrid(scope, Query(tuple(terms(text)), vector(text), MODEL))

    async def names(self, text: str, *collections: str, **options: Any) -> set[str]:
        """The names of the documents that a search finds."""
        found = await self.ask(text, *collections, **options)
        rows = await self.search.passages(options.get("tenant", "ada"), [hit.passage for hit in found.hits])
        return {row.passage.document.name for row in rows}


def document(
    name: str, texts: Sequence[str], collection: str = "notes", metadata: dict[str, Any] | None = None
) -> Document:
    version = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:32]
    made = Document(
        collection=collection, name=name, version=version, media_type="text/plain", size=len("".join(texts))
    )
    made.metadata.update(metadata or {})
    return made


def chunks(texts: Sequence[str]) -> list[Chunk]:
    """One chunk a text, one sentence a chunk, each where it stands when the texts are joined."""
    ends = [0, *np.cumsum([len(text.encode()) for text in texts]).tolist()]
    return [
        Chunk(text, start, end, first_line=1, sentences=((0, len(text)),))
        for text, (start, end) in zip(texts, pairwise(ends), strict=True)
    ]


def vector(text: str, dimension: int = DIMENSION) -> NDArray[np.float32]:
    """A unit vector that only depends on the text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    made = np.random.default_rng(seed).normal(size=dimension)
    return (made / np.linalg.norm(made)).astype(np.float32)


@asynccontextmanager
async def open_index(url: str) -> AsyncIterator[Index]:
    """The index in a migrated database."""
    async with open_pool(url, size=16) as pool:
        vectors = Vectors(pool, embedding_model=MODEL, dimension=DIMENSION)
        await vectors.prepare()
        documents = Documents(pool, embedding_model=MODEL, dimension=DIMENSION)
        yield Index(pool, documents, Collections(pool), vectors, Search(pool))


async def assert_statistics_are_exact(index: Index) -> None:
    """Every count equals what a recount of the passages gives."""
    counted = await index.pool.fetch(
        "SELECT collection, key, sum(passages)::integer AS passages FROM "
        "(SELECT * FROM term_counts UNION ALL SELECT * FROM term_changes) AS counts "
        "GROUP BY collection, key HAVING sum(passages) <> 0 ORDER BY collection, key"
    )
    recounted = await index.pool.fetch(
        "SELECT collection, key, count(*)::integer AS passages FROM passage_terms, unnest(keys) AS key "
        "GROUP BY collection, key ORDER BY collection, key"
    )
    assert [tuple(row) for row in counted] == [tuple(row) for row in recounted]
    sizes = await index.pool.fetch("SELECT id, documents, passages, terms FROM collections ORDER BY id")
    resized = await index.pool.fetch(
        "SELECT c.id, count(DISTINCT d.id)::integer, count(t.passage)::integer, coalesce(sum(t.length), 0)::bigint "
        "FROM collections c LEFT JOIN documents d ON d.collection = c.id "
        "LEFT JOIN passage_terms t ON t.document = d.id "
        "GROUP BY c.id ORDER BY c.id"
    )
    assert [tuple(row) for row in sizes] == [tuple(row) for row in resized]
