"""Whether a passage supports what a model wrote, judged by their words alone, and which of its sentences does best.

A claim is supported by a passage when three things hold, the document's name and headings counting as the passage's:
its numbers all stand there; its names (words with a capital, but for the first) all do; and so do its terms, weighed
by their idf over the sentences of all retrieved passages, to `COVERAGE` at least. A term that stands in none of
them weighs most. This tells an invention from a report; it does not tell a fact from its denial.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ragents_client.v1.answer_pb2 import Passage
from ragents_server.index.terms import terms
from ragents_server.rag.links import links
from ragents_server.rag.retrieval import Found

COVERAGE = 0.45
"""On XQuAD (question and answer as the claim) 95 % of the right passages and 2 % of the nearest wrong ones reach it."""

_NUMBER = re.compile(r"\d+(?:[.,'\u00a0\u202f]\d+)*")
_SEPARATORS = re.compile(r"[,'\u00a0\u202f](?=\d{3}(?!\d))")  # of thousands
_BULLET = re.compile(r"\A\s*(?:[-*+•#>|]+|\(?\d{1,3}[.)])\s+")
_WORD = re.compile(r"[^\W\d_][\w'’-]*")


@dataclass(frozen=True, slots=True)
class _Sentence:
    start: int
    end: int
    terms: frozenset[str]
    cosine: float  # with the question, 0 while it has no vector


class Evidence:
    """The passages of one answer, numbered from 1, as evidence for what it says."""

    def __init__(self, found: Found) -> None:
        self._passages = [_Witness(passage, _sentences(found, i)) for i, passage in enumerate(found.passages)]
        every = [sentence.terms for witness in self._passages for sentence in witness.sentences]
        self._frequency = Counter(term for each in every for term in each)
        self._count = len(every)

    def __len__(self) -> int:
        return len(self._passages)

    def quote(self, claim: str, number: int) -> tuple[int, int] | None:
        """Characters of passage `number` that support `claim` best; None where it does not support it."""
        witness = self._passages[number - 1]
        said = _BULLET.sub("", claim, count=1)
        weights = {term: self._idf(term) for term in terms(said)}
        total = sum(weights.values())
        covered = sum(weight for term, weight in weights.items() if term in witness.terms)
        if not (weights or _NUMBER.search(said)) or covered < COVERAGE * total:
            return None
        if not (_numbers(said) <= witness.numbers and all(witness.knows(name) for name in _names(said))):
            return None
        best = max(witness.sentences, key=lambda one: (_sum(weights, one.terms), one.cosine), default=None)
        return (best.start, best.end) if best else None

    def links(self, number: int) -> frozenset[str]:
        """The links that stand in passage `number`."""
        return self._passages[number - 1].links

    def _idf(self, term: str) -> float:
        seen = self._frequency[term]
        return math.log(1 + (self._count - seen + 0.5) / (seen + 0.5))


def says_something(text: str) -> bool:
    """Whether there is anything to support: a term or a number."""
    return bool(terms(text)) or _NUMBER.search(text) is not None


class _Witness:
    """A passage with its words, those of its headings and its document's name."""

    def __init__(self, passage: Passage, sentences: Sequence[_Sentence]) -> None:
        whole = f"{passage.document.name}\n{passage.heading}\n{passage.text}"
        self.sentences = sentences
        self.terms = frozenset(terms(whole))
        self.numbers = _numbers(whole)
        self.links = links(passage.text)

    def knows(self, name: str) -> bool:
        """Whether a name's term stands here, or one that only goes on from it or stops before it (German, Germany)."""
        near = (term for term in self.terms if len(term) > 3 and len(name) > 3)
        return name in self.terms or any(term.startswith(name) or name.startswith(term) for term in near)


def _sentences(found: Found, index: int) -> list[_Sentence]:
    text, spans, vectors = found.passages[index].text, found.sentences[index], found.sentence_vectors[index]
    cosines = [0.0] * len(spans) if vectors is None else (vectors @ found.vector).tolist()
    return [
        _Sentence(start, end, frozenset(terms(text[start:end])), cosine)
        for (start, end), cosine in zip(spans, cosines, strict=True)
    ]


def _sum(weights: dict[str, float], covering: frozenset[str]) -> float:
    return sum(weight for term, weight in weights.items() if term in covering)


def _numbers(text: str) -> frozenset[str]:
    return frozenset(_SEPARATORS.sub("", number) for number in _NUMBER.findall(text))


def _names(claim: str) -> Iterator[str]:
    """The terms of words that begin with a capital; the first word of a claim begins with one anyway."""
    words = list(_WORD.finditer(claim))
    for word in words[1:]:
        if word[0][0].isupper():
            yield from terms(word[0])
