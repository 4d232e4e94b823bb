"""Loads: calls a second over time, and how long one takes. Random ones are drawn from a seed."""

import csv
import random
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import exp
from pathlib import Path

SERVICE = 2.0  # seconds: what a hosted model takes for an answer


@dataclass(frozen=True, slots=True)
class Load:
    """`rates[t]` calls begin in second t; `services[t]` seconds each of them takes once it has a slot."""

    name: str
    rates: Sequence[float]
    services: Sequence[float]

    @property
    def calls(self) -> float:
        """All of them."""
        return sum(self.rates)


def _steady_service(name: str, rates: Sequence[float]) -> Load:
    return Load(name, rates, [SERVICE] * len(rates))


def spike(before: float, times: float, seconds: int, at: int) -> Load:
    """`before` calls a second, and from second `at` on `times` as many."""
    return _steady_service("spike", [before * (times if second >= at else 1) for second in range(seconds)])


def steady(rate: float, seconds: int) -> Load:
    """The same all the time."""
    return _steady_service("steady", [rate] * seconds)


def noisy(rate: float, seconds: int, seed: int) -> Load:
    """Around `rate`, off by some 30 % for a minute or so, and by some 20 % in each second."""
    draw, slow, rates = random.Random(seed), 0.0, []
    for _second in range(seconds):
        slow += -slow / 60 + draw.gauss(0, 0.3 * (2 / 60) ** 0.5)
        rates.append(rate * exp(slow + draw.gauss(0, 0.2)))
    return _steady_service("noisy", rates)


def bursty(rate: float, times: float, seconds: int, seed: int) -> Load:
    """`rate`, and `times` as much for one to four minutes after two to eight minutes, again and again."""
    draw = random.Random(seed)
    rates: list[float] = []
    while len(rates) < seconds:
        rates += [rate] * draw.randint(120, 480)
        rates += [rate * times] * draw.randint(60, 240)
    return _steady_service("bursty", rates[:seconds])


def recorded(path: Path, times: float, seconds_of: Callable[[int, int], float]) -> Load:
    """A trace of LLM requests: each counts `times`, and takes what `seconds_of` its tokens read and written says."""
    with path.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    moments = [datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp() for row in rows]
    took = [seconds_of(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in rows]
    length = int(moments[-1] - moments[0]) + 1
    borders = [bisect_left(moments, moments[0] + second) for second in range(length + 1)]
    rates, services, last = [], [], SERVICE
    for begin, end in pairwise(borders):
        rates.append((end - begin) * times)
        last = sum(took[begin:end]) / (end - begin) if end > begin else last
        services.append(last)
    return Load("recorded", rates, services)
