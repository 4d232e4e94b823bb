"""What retrieval found, as bytes and back."""

from collections.abc import Mapping

import numpy as np

from ragents_server.cache.stores import Origin
from ragents_server.index.vectors import pack_sentences, to_spans, unpack_sentences
from ragents_server.models.embeddings import Embeddings, Vectors
from ragents_server.rag.retrieval import Found
from ragents_server.stored.v1.entry_pb2 import Retrieval, Sentences


def to_bytes(found: Found) -> bytes:
    """All of it but the question's text and the model itself, which is named."""
    rows = zip(found.sentences, found.sentence_vectors, strict=True)
    return Retrieval(
        passages=found.passages,
        sentences=[_sentences(spans, vectors) for spans, vectors in rows],
        idf=found.idf,
        vector=found.vector.astype("<f4").tobytes(),
        embedding_model=found.embeddings.model,
    ).SerializeToString()


def from_bytes(value: bytes, question: str, models: Mapping[str, Embeddings]) -> Found:
    """The same again; ValueError where the bytes say something else, or the model is no longer there."""
    stored = Retrieval.FromString(value)
    if stored.embedding_model not in models:
        raise ValueError("vectors of another model")
    if len(stored.sentences) != len(stored.passages):
        raise ValueError("not the sentences of these passages")
    embeddings = models[stored.embedding_model]
    spans = tuple(to_spans(row.spans) for row in stored.sentences)
    rows = zip(stored.sentences, spans, strict=True)
    return Found(
        question=question,
        vector=np.frombuffer(stored.vector, "<f4").astype(np.float32),
        passages=tuple(stored.passages),
        sentences=spans,
        sentence_vectors=tuple(unpack_sentences(row.vectors, len(at)) if row.embedded else None for row, at in rows),
        idf=dict(stored.idf),
        embeddings=embeddings,
    )


def origin(found: Found, collections: tuple[str, ...]) -> Origin:
    """What an entry made from this was made from: each document by its id, and by its id and version."""
    documents = dict.fromkeys(
        name
        for passage in found.passages
        for name in (passage.document.id, document_version(passage.document.id, passage.version))
    )
    return Origin(collections, tuple(documents))


def document_version(document: str, version: str) -> str:
    """The name under which an entry is found when this version of a document goes."""
    return f"{document}/{version}"


def _sentences(spans: tuple[tuple[int, int], ...], vectors: Vectors | None) -> Sentences:
    flat = [at for span in spans for at in span]
    if vectors is None:
        return Sentences(spans=flat)
    return Sentences(spans=flat, vectors=pack_sentences(vectors), embedded=True)
