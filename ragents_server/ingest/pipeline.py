"""The way of a document in: parse, cut, store its words, then make its vectors; each step committed before the next."""

import hashlib
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ragents_client.v1.document_pb2 import (
    DOCUMENT_STATE_READY,
    PROGRESS_STAGE_EMBEDDING,
    PROGRESS_STAGE_PARSED,
    PROGRESS_STAGE_RECEIVED,
    PROGRESS_STAGE_SEARCHABLE,
    PUT_OUTCOME_UNCHANGED,
    Document,
    Progress,
    Upload,
)
from ragents_client.v1.error_reason_pb2 import ErrorReason
from ragents_server.errors import DocumentRefused, ModelMismatch
from ragents_server.index.chunk import Chunk
from ragents_server.index.documents import Documents
from ragents_server.index.put import Stored, document_id
from ragents_server.index.vectors import Claim, PassageEmbedding, Unembedded, Vectors
from ragents_server.ingest.chunks import Cut
from ragents_server.ingest.failures import DocumentError
from ragents_server.ingest.sandbox import Parsed, Sandbox
from ragents_server.models.embeddings import Embeddings
from ragents_server.signals import span

log = logging.getLogger(__name__)
BATCH = 32  # passages whose vectors are committed together


@dataclass(frozen=True, slots=True)
class Store:
    """The index as one embedding model fills it."""

    embeddings: Embeddings
    documents: Documents
    vectors: Vectors


class Pipeline:
    """Puts documents; what a killed server left without vectors is taken up by `resume`, here or on another replica.

    The first of `stores` is of the model that is set now; a collection that is still another's goes to that one's.
    """

    def __init__(self, sandbox: Sandbox, stores: Sequence[Store], cut: Cut) -> None:
        self._sandbox = sandbox
        self._stores = tuple(stores)
        self._cut = cut

    async def put(self, tenant: str, upload: Upload, content: bytes) -> AsyncGenerator[Progress | Stored, None]:
        """Progress, and at last what was stored: committed, with its vectors.

        Raises DocumentRefused for a document that cannot go in; of it nothing is kept and an older version stays.
        """
        with span("ingest", path=upload.name, collection=upload.collection, size=len(content)) as told:
            yield Progress(stage=PROGRESS_STAGE_RECEIVED)
            version = hashlib.sha256(content).hexdigest()[:32]
            if (known := await self._unchanged(tenant, upload, version)) is not None:
                yield known
                return
            parsed = await self._parse(upload, content)
            total = len(parsed.chunks)
            told.set(passages=total, media_type=parsed.media_type)
            yield Progress(stage=PROGRESS_STAGE_PARSED, total=total)
            stored, store = await self._store(tenant, _document(upload, version, parsed, len(content)), parsed.chunks)
            yield Progress(stage=PROGRESS_STAGE_SEARCHABLE, done=total, total=total)
            passages = await self._unembedded(store, stored, parsed.chunks)
            done = 0
            async for done in self._embed(store, stored.document.id, stored.generation, passages):
                yield Progress(stage=PROGRESS_STAGE_EMBEDDING, done=done, total=total)
            if passages and done == len(passages):
                stored.document.state = DOCUMENT_STATE_READY
            yield stored

    async def resume(self) -> int:
        """Makes the vectors of documents whose maker died; the number of documents taken up."""
        taken = 0
        for store in self._stores:
            for claim in await store.vectors.claim(limit=4):
                await self._take_up(store, claim)
                taken += 1
        return taken

    async def _take_up(self, store: Store, claim: Claim) -> None:
        with span("ingest.resume", path=claim.name, collection=claim.collection, passages=len(claim.passages)):
            async for _ in self._embed(store, claim.document_id, claim.generation, claim.passages):
                pass

    async def _unembedded(self, store: Store, stored: Stored, chunks: Sequence[Chunk]) -> Sequence[Unembedded]:
        """The passages to make vectors for: those just stored, or those that an earlier put of the same bytes left."""
        if stored.passages:
            rows = zip(stored.passages, chunks, strict=True)
            return [Unembedded(identity, chunk.text, chunk.sentences) for identity, chunk in rows]
        claim = None if stored.document.state == DOCUMENT_STATE_READY else await store.vectors.take(stored.document.id)
        return claim.passages if claim else ()

    async def _store(self, tenant: str, document: Document, chunks: Sequence[Chunk]) -> tuple[Stored, Store]:
        """Stores the words, with the model that the collection is of; the first again, since a reindex may switch."""
        for store in self._stores:
            with suppress(ModelMismatch):
                return await store.documents.put(tenant, document, chunks), store
        return await self._stores[0].documents.put(tenant, document, chunks), self._stores[0]

    async def _unchanged(self, tenant: str, upload: Upload, version: str) -> Stored | None:
        """The stored document when the same bytes and metadata are in already: nothing is parsed twice."""
        found = await self._stores[0].documents.get(tenant, document_id(tenant, upload.collection, upload.name))
        if found is None or found.version != version or found.metadata != upload.metadata:
            return None
        if found.state != DOCUMENT_STATE_READY or (upload.media_type and upload.media_type != found.media_type):
            return None
        return Stored(found, PUT_OUTCOME_UNCHANGED, 0, ())

    async def _parse(self, upload: Upload, content: bytes) -> Parsed:
        try:
            return await self._sandbox.parse(content, upload.name, upload.media_type, self._cut)
        except DocumentError as error:
            raise DocumentRefused(ErrorReason.Value(f"ERROR_REASON_{error.reason}"), error.message) from error

    async def _embed(
        self, store: Store, document: str, generation: int, passages: Sequence[Unembedded]
    ) -> AsyncGenerator[int, None]:
        """Commits vectors batch by batch; yields how many passages have theirs; stops when it was replaced."""
        done = 0
        for batch in _batches(passages):
            texts, sentences = [one.text for one in batch], [one.sentences for one in batch]
            made = await store.embeddings.embed_passages(texts, sentences)
            rows = [
                PassageEmbedding(one.passage, vectors.passage, vectors.sentences)
                for one, vectors in zip(batch, made, strict=True)
            ]
            if not await store.vectors.add(document, generation, rows):
                log.info("document %s was changed while its vectors were made", document)
                return
            done += len(batch)
            yield done


def _batches(passages: Sequence[Unembedded]) -> Iterator[Sequence[Unembedded]]:
    return (passages[first : first + BATCH] for first in range(0, len(passages), BATCH))


def _document(upload: Upload, version: str, parsed: Parsed, size: int) -> Document:
    return Document(
        collection=upload.collection,
        name=upload.name,
        version=version,
        media_type=parsed.media_type,
        size=size,
        metadata=upload.metadata,
    )
