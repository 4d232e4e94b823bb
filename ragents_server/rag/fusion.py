"""One score out of two: what BM25 and cosine say of a passage together, and what may follow on the ranking."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ragents_server.index.search import Found

LEXICAL_WEIGHT = 0.4
DENSE_WEIGHT = 0.6  # fits all-MiniLM-L6-v2's cosines; a model with another scale wants another weight


@dataclass(frozen=True, slots=True)
class Ranked:
    """A passage by its id, with its fused score and both legs' own; `dense` is None while it has no vector."""

    passage: int
    fused: float
    lexical: float
    dense: float | None


class Reranker(Protocol):
    """A model that reads question and passage together."""

    async def __call__(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        """A score for each passage's text; larger is better."""
        ...


def fuse(found: Found, *, lexical_weight: float = LEXICAL_WEIGHT, dense_weight: float = DENSE_WEIGHT) -> list[Ranked]:
    """All hits, best first; passages with equal scores in the order of their ids.

    BM25 is divided by sqrt(U·top): U, the summed idf of all the question's words, is what a perfect passage could
    reach, top is what the best one did. So a question whose words are mostly unknown trusts the lexical leg less, which
    min-max scaling cannot express. A passage without a vector counts as the least similar of those that have one.
    """
    top = max((hit.lexical for hit in found.hits), default=0.0)
    scale = lexical_weight / math.sqrt(found.bound * top) if top > 0 else 0.0
    least = min((hit.dense for hit in found.hits if hit.dense is not None), default=0.0)
    ranked = [
        Ranked(
            hit.passage,
            scale * hit.lexical + dense_weight * (least if hit.dense is None else hit.dense),
            hit.lexical,
            hit.dense,
        )
        for hit in found.hits
    ]
    return sorted(ranked, key=_rank)


def _rank(one: Ranked) -> tuple[float, int]:
    return (-one.fused, one.passage)


def diversify(
    ranked: Sequence[Ranked], vectors: Mapping[int, NDArray[np.float32]], number: int, relevance: float
) -> list[Ranked]:
    """The `number` passages of maximal marginal relevance (Carbonell and Goldstein 1998), in the order they are chosen.

    Each next one has the largest relevance·score - (1 - relevance)·(cosine to the closest chosen one). `vectors` are
    unit vectors by passage id; a passage without one is like no other. With relevance 1 the order stays as it is.
    """
    left, chosen = list(ranked), list[Ranked]()
    closest = dict.fromkeys((one.passage for one in ranked), 0.0)
    while left and len(chosen) < number:
        best = max(left, key=lambda one: relevance * one.fused - (1 - relevance) * closest[one.passage])
        left.remove(best)
        chosen.append(best)
        for one in left:
            closest[one.passage] = max(closest[one.passage], _cosine(vectors, one.passage, best.passage))
    return chosen


def _cosine(vectors: Mapping[int, NDArray[np.float32]], one: int, other: int) -> float:
    if one not in vectors or other not in vectors:
        return 0.0
    return float(vectors[one] @ vectors[other])
