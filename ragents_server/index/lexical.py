"""BM25 as the index stores it: the key of a term and the weights of a passage.

A passage's score is the inner product of its stored weights tf/(tf + k1(1 - b + b·length/pivot)) with the query's
idf = ln(1 + (N - df + .5)/(df + .5)): Robertson's BM25 in Lucene's form, with the mean length replaced by a pivot that
is fixed for a time, so that a new passage does not change the weights of all others.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pgvector import SparseVector

from ragents_server.index.terms import terms

K1, B = 1.5, 0.75
KEYS = 999_999_999
DIMENSIONS = 1_000_000_000  # as in the schema
MAX_DISTINCT = 16_000  # the most elements of a sparsevec


@dataclass(frozen=True, slots=True)
class PassageTerms:
    """The terms of one passage: `length` counts repetitions; `keys` rise, and each has its frequency."""

    length: int
    keys: tuple[int, ...]
    frequencies: tuple[int, ...]


class Keys:
    """The keys of one collection's terms, 1 to KEYS; other collections have other keys for the same term."""

    def __init__(self, tenant: str, collection: str) -> None:
        scope = f"{len(tenant)}:{tenant}{len(collection)}:{collection}:"
        self._scope = hashlib.blake2b(scope.encode(), digest_size=8)

    def key(self, term: str) -> int:
        """Two terms of one collection share a key about once in a thousand million pairs."""
        digest = self._scope.copy()
        digest.update(term.encode())
        return 1 + int.from_bytes(digest.digest(), "big") % KEYS

    def analyze(self, texts: Sequence[str]) -> list[PassageTerms]:
        """The terms of each text; takes CPU time, so call it beside the event loop."""
        return [self._passage(terms(text)) for text in texts]

    def _passage(self, found: list[str]) -> PassageTerms:
        counts: Counter[int] = Counter()
        for term, frequency in Counter(found).most_common(MAX_DISTINCT):
            counts[self.key(term)] += frequency
        keys = tuple(sorted(counts))
        return PassageTerms(len(found), keys, tuple(counts[key] for key in keys))


def weights(passage: PassageTerms, pivot: float) -> SparseVector:
    """The stored half of BM25."""
    return _sparse([key - 1 for key in passage.keys], np.array(passage.frequencies, float), passage.length, pivot)


def _sparse(indices: Sequence[int], frequencies: NDArray[np.float64], length: int, pivot: float) -> SparseVector:
    values = frequencies / (frequencies + _norm(length, pivot))
    return SparseVector(dict(zip(indices, values.tolist(), strict=True)), DIMENSIONS)


def _norm(length: int, pivot: float) -> float:
    return K1 * (1 - B + B * length / pivot)


def fitting_pivot(passages: Sequence[PassageTerms]) -> float:
    """The mean length of a collection's first passages."""
    return max(1.0, sum(passage.length for passage in passages) / max(1, len(passages)))


def term_changes(collection: int, passages: Sequence[PassageTerms]) -> Iterator[tuple[int, int, int]]:
    """Rows of term_changes that add these passages."""
    counts = Counter(key for passage in passages for key in passage.keys)
    return ((collection, key, number) for key, number in counts.items())


def reweighed(stored: SparseVector, length: int, old: float, new: float) -> SparseVector:
    """w = tf/(tf + norm), so tf = w·norm/(1 - w); rounding takes the storage's error out again."""
    values = np.array(stored.values(), float)
    frequencies = np.rint(values * _norm(length, old) / (1 - values))
    return _sparse(stored.indices(), frequencies, length, new)
