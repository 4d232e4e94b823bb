"""Rankings of documents: how good one is, and how scores of two kinds make one."""

import math
from collections.abc import Iterable, Mapping, Sequence

CUT = 10


def ndcg(ranking: Sequence[str], gains: Mapping[str, int], cut: int = CUT) -> float:
    """nDCG with linear gains, as trec_eval has it; 0 to 1."""
    ideal = _discounted(sorted((gain for gain in gains.values() if gain > 0), reverse=True)[:cut])
    return _discounted(max(0, gains.get(name, 0)) for name in ranking[:cut]) / ideal if ideal else 0.0


def _discounted(gains: Iterable[int]) -> float:
    return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))


def mean(values: Sequence[float]) -> float:
    """The mean; not a number for nothing."""
    return sum(values) / len(values) if values else math.nan


def best(scores: Iterable[tuple[str, float]]) -> list[str]:
    """Documents by their best passage; equal ones stay in the order they came."""
    highest: dict[str, float] = {}
    for name, score in scores:
        highest[name] = max(score, highest.get(name, -math.inf))
    return sorted(highest, key=lambda name: -highest[name])
