"""What each layer's value depends on, as one digest. The tenant stands beside it in the key."""

import hashlib

from google.protobuf.message import Message

from ragents_client.v1.answer_pb2 import Passage, Question
from ragents_server.caller import Caller
from ragents_server.rag.retrieval import Found


def embedding(model: str, text: str) -> bytes:
    """Of a text's vector."""
    return _digest(b"embedding", model.encode(), text.encode())


def rewrite(signature: str, question: Question) -> bytes:
    """Of a rewritten question; `signature` tells the strategy, the chat model and its settings."""
    return _digest(b"rewrite", signature.encode(), question.text.encode(), *map(_bytes, question.history))


def retrieval(signature: str, epochs: bytes, question: Question, caller: Caller) -> bytes:
    """Of the passages found; `signature` tells the settings and the models, `epochs` the collections' state."""
    granted = "\0".join(sorted(caller.collections)).encode()
    asked = Question(text=question.text, collections=question.collections, conditions=question.conditions)
    if question.HasField("top_k"):
        asked.top_k = question.top_k
    return _digest(b"retrieval", signature.encode(), granted, epochs, _bytes(asked))


def answer(signature: str, question: Question, found: Found) -> bytes:
    """Of what is written from these passages, whatever has happened to other documents meanwhile.

    A passage counts with all that an answer shows of it but its scores, which other documents move.
    """
    asked = (signature.encode(), question.text.encode(), found.question.encode(), *map(_bytes, question.history))
    return _digest(b"answer", *asked, b"passages", *map(unscored, found.passages))


def wordings(signature: str, question: Question, found: Found) -> bytes:
    """Of the questions answered from this set of passages, whatever their words and the passages' order."""
    asked = (signature.encode(), found.embeddings.model.encode(), *map(_bytes, question.conditions))
    collections = sorted(name.encode() for name in question.collections)
    passages = sorted(map(unscored, found.passages))
    return _digest(b"wordings", *asked, b"collections", *collections, b"passages", *passages)


def unscored(passage: Passage) -> bytes:
    """All that an answer shows of a passage but its scores."""
    copy = Passage()
    copy.CopyFrom(passage)
    copy.ClearField("score")
    return _bytes(copy)


def _bytes(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def _digest(*parts: bytes) -> bytes:
    """Every part with its length, so that no two lists of parts are the same bytes."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.digest()
