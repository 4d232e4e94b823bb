"""What the project began with claiming of caches, on streams with a name: reproduced, or shown to be out of reach.

The claims: 2000 → 400 ms on the mean, 5000 → 800 ms at the 95th percentile, 85 % of calls answered by a cache, twenty
times the users, 70 % cheaper. The model is the claims' own: 2 s on the mean, 5 s one time in twenty.

Two of them exclude each other. Where 85 % are hits, 15 % ask the model, and a third of these are slower than the 95th
percentile of all: that is the model's 67th percentile, some 2.1 s, whatever the cache does. `p95_bound` is it, for the
hits that there were. And slots that 15 % of the calls need serve 6.7 times the users, not twenty times: `users_bound`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from scripts.figures import Figure
from scripts.loading import page
from scripts.loading.errors import LoadError
from scripts.loading.figuring import answered, failed, hit_ratio, mean, quantile, saturated_rate
from scripts.loading.k6 import Callers
from scripts.loading.loads import load
from scripts.loading.page import Part
from scripts.loading.streams import apart, excite, repeats, zipf
from scripts.loading.topology import KEY, MEAN, SPREAD, Topology, loaded

CALLS, SHORT = 3000, 300
QUESTIONS, EXPONENT = 500, 1.0
HITS = 0.97  # of those that are possible, at least
COST = "ragents_model_cost_dollars_total"
FEW, MANY = 20, 100  # callers at once: fewer than slots, and more, of whom each finds room in the line
ABOUT = (
    "The same questions without caches and with them; the model takes 2 s on the mean and 5 s one time in twenty. "
    f"`zipf`: {CALLS} calls for {QUESTIONS} questions by Zipf's law with exponent {EXPONENT:g}; `excite`: what people "
    "asked a search engine in 1997, in their order"
)
NOTES = {
    "claims": f"{ABOUT}. Times are of {FEW} callers at once; users are what {MANY} get out of the same slots",
    "hits_mean": "of calls for which no model was asked, of which some wait for the answer that another call asked for",
    "users_bound": "what slots serve of which only the calls that need a model take one",
    "p95_bound": "the model's percentile that is the 95th of all calls at this hit ratio: no cache is below it",
    "cost": "of the model, at 2.5 and 10 dollars for a million tokens read and written, for a million questions",
}


@dataclass(frozen=True, slots=True)
class Costed:
    """A load, and its cost in dollars for a million questions."""

    part: Part
    cost: float


async def measured(*, short: bool, seed: int) -> list[Figure]:
    """All figures; `short`: a tenth of the calls, and one stream."""
    scale = SHORT / CALLS if short else 1
    calls = round(scale * CALLS)
    streams = {"zipf": zipf(calls, round(scale * QUESTIONS), EXPONENT, seed=seed)}
    if not short and (asked := excite(calls)):
        streams["excite"] = asked
    figures: list[Figure] = []
    async with loaded(delay=0.0, plain=False) as topology:
        # No question comes twice to who keeps nothing: one measurement stands for all streams.
        without = await _costed(topology, apart(streams["zipf"][: calls // 3], 0), "without caches", cached=False)
        parts = [without.part]
        for number, (name, stream) in enumerate(streams.items(), 1):
            cached = await _costed(topology, apart(stream, number), f"{name}, with caches", cached=True)
            figures += _figures(name, without, cached, repeats(stream))
            parts.append(cached.part)
        figures += await _users(topology, apart(streams["zipf"], len(streams) + 1))
    page.write("claims", ABOUT, figures, parts)
    return figures


async def _costed(topology: Topology, stream: Sequence[int], title: str, *, cached: bool) -> Costed:
    """The load of few callers, and what a million such questions would cost."""
    before = await topology.total(COST)
    part = await _load(topology, stream, FEW, title, cached=cached)
    spent = await topology.total(COST) - before
    if not spent > 0:
        raise LoadError("the model's cost was not counted")
    return Costed(part, 1e6 * spent / len(part.calls))


async def _load(topology: Topology, stream: Sequence[int], callers: int, title: str, *, cached: bool) -> Part:
    executor = {"executor": "shared-iterations", "vus": callers, "iterations": len(stream), "maxDuration": "1200s"}
    who = Callers(executor, KEY.token, cache="CACHE_MODE_USE" if cached else "CACHE_MODE_NONE")
    part = await load(topology, title.replace(", ", "-").replace(" ", "-"), {"all": who}, stream, title=title)
    if wrong := failed(part.calls):
        raise LoadError(f"calls failed: {dict(wrong)}")
    return part


def _figures(name: str, without: Costed, cached: Costed, possible: float) -> list[Figure]:
    before, after = ([one.seconds for one in answered(both.part.calls)] for both in (without, cached))
    hits = hit_ratio(cached.part.calls)
    return [
        Figure(f"{name}_repeats", possible),
        Figure.at_least(f"{name}_hit_ratio", hits, HITS * possible),
        Figure(f"{name}_mean_without", 1e3 * mean(before), "ms"),
        Figure(f"{name}_mean", 1e3 * mean(after), "ms"),
        Figure(f"{name}_hits_mean", 1e3 * mean([one.seconds for one in cached.part.calls if one.hit]), "ms"),
        Figure(f"{name}_p95_without", 1e3 * quantile(before, 0.95), "ms"),
        Figure(f"{name}_p95", 1e3 * quantile(after, 0.95), "ms"),
        Figure(f"{name}_p95_bound", 1e3 * bound(hits), "ms"),
        Figure(f"{name}_cost_without", without.cost, "$/million"),
        Figure(f"{name}_cost", cached.cost, "$/million"),
        Figure(f"{name}_cheaper", 100 * (1 - cached.cost / without.cost), "%"),
    ]


def bound(hits: float) -> float:
    """The model's quantile that is the 95th percentile of all calls, in seconds; 0 where hits are more than 95 %."""
    share = 1 - 0.05 / (1 - hits)
    return MEAN * math.exp(SPREAD * NormalDist().inv_cdf(share) - SPREAD**2 / 2) if share > 0 else 0.0


async def _users(topology: Topology, stream: Sequence[int]) -> list[Figure]:
    """How many more calls the same slots serve: each user asks as often either way."""
    full = await _load(topology, stream[: len(stream) // 3], MANY, "many users, without caches", cached=False)
    cached = await _load(topology, stream, MANY, "many users, with caches", cached=True)
    rates = [saturated_rate(part.calls) for part in (full, cached)]
    return [
        Figure("answers_without", rates[0], "answers/s"),
        Figure("answers", rates[1], "answers/s"),
        Figure("users", rates[1] / rates[0], "times"),
        Figure("users_bound", 1 / (1 - hit_ratio(cached.calls)), "times"),
    ]
