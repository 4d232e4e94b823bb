"""Fills a server's index through the index's own code, with made vectors: to embed 100,000 passages takes hours."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
from numpy.typing import NDArray

from ragents_client.v1 import Document
from ragents_server.caller import LOCAL
from ragents_server.connections.postgres import open_pool
from ragents_server.index.chunk import Chunk
from ragents_server.index.documents import Documents
from ragents_server.index.statements import Pool
from ragents_server.index.vectors import PassageEmbedding, Vectors
from ragents_server.models.minilm import MiniLM
from scripts.benchmarks.texts import Author, Made
from scripts.evaluation.progress import Progress

COLLECTION = "speed"
PASSAGES = 50  # of a document
WRITERS = 3
KEPT = 400  # passages that questions are made of
PATIENCE = 600.0  # seconds for a statement
FOR_INDEXES = "&maintenance_work_mem=512MB"  # a setting of the session, as an administrator would set it


class Loader:
    """Puts documents of made passages with made vectors; remembers some passages, to ask of."""

    def __init__(self, pool: Pool, author: Author) -> None:
        self.pool = pool
        self.author = author
        self.passages = 0
        self.kept: list[Made] = []
        self._documents = Documents(pool, embedding_model=MiniLM.model, dimension=MiniLM.dimension)
        self._vectors = Vectors(pool, embedding_model=MiniLM.model, dimension=MiniLM.dimension)

    async def fill(self, passages: int) -> None:
        """Until there are so many passages; then the database's own care, which else comes a minute later."""
        progress = Progress("index: documents written", (passages - self.passages) // PASSAGES)
        await self.pool.execute(f"DROP INDEX passage_vectors_hnsw_{MiniLM.dimension}")  # made at once it takes a tenth

        async def writer() -> None:
            while (number := min(PASSAGES, passages - self.passages)) > 0:
                name, self.passages = f"{self.passages}.txt", self.passages + number
                await self._put(name, [self.author.passage() for _ in range(number)])
                progress.step()

        async with asyncio.TaskGroup() as group:
            for _ in range(WRITERS):
                group.create_task(writer())
        await self._vectors.prepare()
        await self.pool.execute("VACUUM ANALYZE", timeout=PATIENCE)
        progress.end()

    async def _put(self, name: str, made: Sequence[Made]) -> None:
        text = "\n\n".join(one.text for one in made)
        version = hashlib.sha256(text.encode()).hexdigest()[:32]
        document = Document(
            collection=COLLECTION, name=name, version=version, media_type="text/plain", size=len(text.encode())
        )
        stored = await self._documents.put(LOCAL.tenant, document, _chunks(made))
        await self._vectors.add(stored.document.id, stored.generation, self._embedded(stored.passages, made))
        self.kept = [*self.kept, made[0]][-KEPT:]

    def _embedded(self, identities: Sequence[int], made: Sequence[Made]) -> list[PassageEmbedding]:
        rows: NDArray[np.float32] = self.author.vectors(sum(1 + len(one.sentences) for one in made), MiniLM.dimension)
        embedded, at = list[PassageEmbedding](), 0
        for identity, one in zip(identities, made, strict=True):
            sentences = rows[at + 1 : at + 1 + len(one.sentences)]
            embedded.append(PassageEmbedding(identity, rows[at], sentences))
            at += 1 + len(one.sentences)
        return embedded


def _chunks(made: Sequence[Made]) -> list[Chunk]:
    chunks, at = list[Chunk](), 0
    for line, one in enumerate(made):
        end = at + len(one.text.encode())
        chunks.append(Chunk(one.text, at, end, first_line=1 + 2 * line, sentences=one.sentences))
        at = end + 2  # the blank line between
    return chunks


@asynccontextmanager
async def open_loader(database: str, author: Author) -> AsyncIterator[Loader]:
    """A loader with connections of its own to the server's database."""
    async with open_pool(database + FOR_INDEXES, size=WRITERS, command_timeout=PATIENCE) as pool:
        yield Loader(pool, author)
