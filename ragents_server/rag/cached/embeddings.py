"""Embeddings that remember the vectors of questions."""

from collections.abc import Sequence

import numpy as np

from ragents_server.cache.layer import Layer
from ragents_server.caller import current_caller
from ragents_server.facts import current_facts
from ragents_server.models.embeddings import Embeddings, PassageVectors, Vectors
from ragents_server.rag.cached import digests
from ragents_server.stored.v1.entry_pb2 import Embedding


class CachedEmbeddings:
    """Plays `Embeddings`; passages are embedded once, as they are put, and are not kept here."""

    def __init__(self, embeddings: Embeddings, layer: Layer) -> None:
        self.model = embeddings.model
        self.dimension = embeddings.dimension
        self.max_tokens = embeddings.max_tokens
        self._embeddings = embeddings
        self._layer = layer

    async def embed_passages(
        self, texts: Sequence[str], sentences: Sequence[Sequence[tuple[int, int]]]
    ) -> list[PassageVectors]:
        """As they are."""
        return await self._embeddings.embed_passages(texts, sentences)

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """One unit vector a text; only those that are not known are made."""
        facts = current_facts()
        if not facts.writes:
            return await self._embeddings.embed_queries(texts)
        tenant = current_caller().tenant
        slots = [self._layer.slot(tenant, digests.embedding(self.model, text)) for text in texts]
        hits = [await slot.get(self._vector) for slot in slots] if facts.reads else [None] * len(slots)
        known = {at: hit.value for at, hit in enumerate(hits) if hit is not None}
        missing = [at for at in range(len(texts)) if at not in known]
        if missing:
            made = await self._embeddings.embed_queries([texts[at] for at in missing])
            known.update(zip(missing, made, strict=True))
        for at in missing:
            await slots[at].put(Embedding(vector=known[at].astype("<f4").tobytes()).SerializeToString())
        return np.stack([known[at] for at in range(len(texts))])

    def _vector(self, value: bytes) -> Vectors:
        vector = np.frombuffer(Embedding.FromString(value).vector, "<f4").astype(np.float32)
        if len(vector) != self.dimension:
            raise ValueError("a vector of another length")
        return vector
