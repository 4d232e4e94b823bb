"""Rewriting: a question is made over before it is searched for, and what several searches find becomes one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from ragents_client.v1 import answer_pb2
from ragents_client.v1.answer_pb2 import (
    REWRITING_CONTEXTUAL,
    REWRITING_DECOMPOSE,
    REWRITING_EXPAND,
    REWRITING_HYDE,
    REWRITING_NONE,
    Passage,
    Question,
)
from ragents_server.caller import Caller
from ragents_server.errors import InvalidRequest
from ragents_server.rag.retrieval import Found, Retriever
from ragents_server.signals import span

Kind: TypeAlias = answer_pb2.Rewriting.ValueType

REWRITINGS: dict[str, Kind] = {
    "none": REWRITING_NONE,
    "contextual": REWRITING_CONTEXTUAL,
    "expand": REWRITING_EXPAND,
    "decompose": REWRITING_DECOMPOSE,
    "hyde": REWRITING_HYDE,
}
_NAMES = {kind: name for name, kind in REWRITINGS.items()}


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A question made over: `text` stands alone, `searches` are what is searched for, `text` itself first."""

    text: str
    searches: tuple[str, ...]
    kept: bool = True  # False: a fallback model's, not to be remembered under the first one's name

    @classmethod
    def of(cls, text: str, *further: str, kept: bool = True) -> "Rewritten":
        """The question, and what else is searched for."""
        return cls(text, (text, *further), kept)


class Strategy(Protocol):
    """One way to rewrite; keeps nothing, so that what it says of a question and its history may be kept outside."""

    async def __call__(self, question: Question) -> Rewritten:
        """The question made over. Raises ModelUnavailable, ModelQuota and ContextTooLong where a model is asked."""
        ...


class Rewriting:
    """Rewrites, then retrieves; plays a Retriever around another one."""

    def __init__(self, retriever: Retriever, strategies: Mapping[Kind, Strategy], default: Kind) -> None:
        self._retriever = retriever
        self._strategies = dict(strategies)
        self._default = default

    async def __call__(self, question: Question, caller: Caller) -> Found:
        """What was found for the rewritten question; InvalidRequest where its way of rewriting is not configured."""
        kind = question.rewriting or self._default
        strategy = self._strategies.get(kind)
        if strategy is None:
            raise _not_configured(kind)
        with span("rewrite", strategy=_NAMES[kind]) as told:
            rewritten = await strategy(question)
            told.set(changed=rewritten.searches != (question.text,), searches=len(rewritten.searches))
            told.show(input=question.text, output=list(rewritten.searches))
        # One after the other: beside a model's call it is no time, and the call's facts are those of its first search.
        founds = [await self._retriever(_asked(question, text), caller) for text in rewritten.searches]
        return merge(founds, question.top_k if question.HasField("top_k") else None)


def merge(founds: Sequence[Found], most: int | None = None) -> Found:
    """One out of several: each one's best first, then each one's second; `most`, or as many as the longest has.

    By rank and not by score, because scores of different searches do not compare: a hypothetical passage is closer to
    every passage than the question is, and would alone decide. By the best rank and not by a sum of ranks, because then
    a passage that fits all parts of a question a little would come before the ones that answer a part.
    """
    first, *others = founds
    # A reindex may have switched between two searches; then their vectors do not go together.
    founds = [first, *(found for found in others if found.embeddings.model == first.embeddings.model)]
    if len(founds) == 1:
        return first
    longest = max(len(found.passages) for found in founds)
    places = dict[tuple[str, str, int], tuple[Found, int]]()
    for rank in range(longest):
        for found in founds:
            if rank < len(found.passages):
                places.setdefault(_identity(found.passages[rank]), (found, rank))
    chosen = list(places.values())[: most or longest]
    return Found(
        question=first.question,
        vector=first.vector,
        passages=tuple(found.passages[at] for found, at in chosen),
        sentences=tuple(found.sentences[at] for found, at in chosen),
        sentence_vectors=tuple(found.sentence_vectors[at] for found, at in chosen),
        idf={term: weight for found in reversed(founds) for term, weight in found.idf.items()},
        embeddings=first.embeddings,
    )


def _identity(passage: Passage) -> tuple[str, str, int]:
    return passage.document.id, passage.version, passage.span.start


def _asked(question: Question, text: str) -> Question:
    """The question in other words, by itself."""
    asked = Question()
    asked.CopyFrom(question)
    asked.text = text
    asked.ClearField("history")
    asked.ClearField("rewriting")
    return asked


def _not_configured(kind: Kind) -> InvalidRequest:
    text = f"{_NAMES.get(kind, kind)} needs a chat model, and RAGENTS_CHAT_MODEL is not set on this server"
    return InvalidRequest(f"question.rewriting {text}", violations={"question.rewriting": text})
