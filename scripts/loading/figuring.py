"""Figures of calls: how many, how fast, how many of them the caches answered, how many were sent away."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from scripts.figures import Figure
from scripts.loading.errors import LoadError
from scripts.loading.k6 import OK, REFUSED, Call


def quantile(seconds: Iterable[float], share: float) -> float:
    """The smallest value that so large a share does not exceed; nan of none."""
    ranked = sorted(seconds)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else math.nan


def mean(values: Sequence[float]) -> float:
    """nan of none."""
    return sum(values) / len(values) if values else math.nan


def answered(calls: Iterable[Call]) -> list[Call]:
    """Those that were answered."""
    return [call for call in calls if call.ended == OK]


def hit_ratio(calls: Iterable[Call]) -> float:
    """Of the answered ones, the share for which no model was asked."""
    found = answered(calls)
    return sum(call.hit for call in found) / len(found) if found else math.nan


def shed(calls: Sequence[Call]) -> float:
    """The share that was sent away."""
    return sum(call.ended == REFUSED for call in calls) / len(calls) if calls else math.nan


def failed(calls: Iterable[Call]) -> Counter[str]:
    """The calls that were neither answered nor sent away, by status."""
    return Counter(call.ended for call in calls if call.ended not in {OK, REFUSED})


def rate(calls: Sequence[Call]) -> float:
    """Answers a second."""
    return len(answered(calls)) / max(call.at for call in calls)


def saturated_rate(calls: Sequence[Call]) -> float:
    """Answers a second as long as callers began calls: after that slots stand idle, and do not tell what they can do.

    LoadError where one was not answered: who is sent away comes back at once, and calls that nobody served are used up.
    """
    if refused := len(calls) - len(answered(calls)):
        raise LoadError(f"{refused} of {len(calls)} calls were not answered: the rate is not that of the slots")
    last = max(call.at - call.seconds for call in calls)
    return sum(call.at <= last for call in calls) / last


def times(name: str, calls: Iterable[Call]) -> list[Figure]:
    """Mean and percentiles of the answered ones."""
    seconds = [call.seconds for call in answered(calls)]
    return [
        Figure(f"{name}_mean", 1e3 * mean(seconds), "ms"),
        *(Figure(f"{name}_p{share:g}", 1e3 * quantile(seconds, share / 100), "ms") for share in (50, 95, 99)),
    ]
