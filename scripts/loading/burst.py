"""Ten times the calls for a while, each question new: what is sent away, how fast, and how soon it is over."""

import math
from collections.abc import Sequence

from scripts.figures import Figure
from scripts.loading import page
from scripts.loading.figuring import answered, failed, quantile, shed
from scripts.loading.k6 import REFUSED, Call, Callers
from scripts.loading.loads import load
from scripts.loading.streams import distinct
from scripts.loading.topology import KEY, LINE, REPLICAS, SLOTS, loaded

USUAL, TIMES = 5, 10  # calls a second, and how often that
BEFORE, DURING, AFTER = 20, 30, 30  # seconds
DELAY, SPREAD = 2.0, 0.2  # of the model
CAPACITY = REPLICAS * SLOTS / DELAY  # calls a second
LONGEST_REFUSAL = 1.0  # seconds
OVER = 10.0  # seconds until times are as before
SLOWER = 1.5  # than before, at most, once it is over
VUS = 400
ABOUT = (
    f"{USUAL} calls a second, then {USUAL * TIMES} for {DURING} s, then {USUAL} again; each question is new, so that "
    f"all need the model, which takes {DELAY:g} s; {REPLICAS} replicas with {SLOTS} slots and a line of {LINE} each do "
    f"{CAPACITY:g} a second"
)
NOTES = {"burst": ABOUT}


async def measured(*, short: bool, seed: int) -> list[Figure]:
    """One burst; `short`: half as long. Nothing is drawn at random."""
    del seed
    before, during, after = (one // 2 if short else one for one in (BEFORE, DURING, AFTER))
    executor = {
        "executor": "ramping-arrival-rate",
        "startRate": USUAL,
        "timeUnit": "1s",
        "preAllocatedVUs": VUS,
        "gracefulStop": "60s",
        "stages": [
            {"target": USUAL, "duration": f"{before}s"},
            {"target": USUAL * TIMES, "duration": "0s"},
            {"target": USUAL * TIMES, "duration": f"{during}s"},
            {"target": USUAL, "duration": "0s"},
            {"target": USUAL, "duration": f"{after}s"},
        ],
    }
    callers = {"burst": Callers(executor, KEY.token, cache="CACHE_MODE_NONE")}
    async with loaded(delay=DELAY, spread=SPREAD) as topology:
        stream = distinct(USUAL * (before + after + TIMES * during) + VUS)
        part = await load(topology, "burst", callers, stream, title=f"{TIMES} times the calls for {during} s")
    figures = figured(part.calls, before, during)
    page.write("burst", ABOUT, figures, [part])
    return figures


def figured(calls: Sequence[Call], before: float, during: float) -> list[Figure]:
    """Of a burst from second `before` on, `during` seconds long."""
    burst = [call for call in calls if before <= call.at - call.seconds < before + during]
    meanwhile = [call for call in answered(calls) if before <= call.at < before + during]
    refusals = [call.seconds for call in calls if call.ended == REFUSED]
    usual = quantile([call.seconds for call in answered(calls) if call.at < before], 0.95)
    return [
        Figure("burst_calls", len(calls), "calls"),
        Figure.at_most("burst_failed", failed(calls).total(), 0, "calls"),
        Figure.at_least("burst_shed", shed(burst), 0.1),
        Figure.at_least("burst_answered_rate", len(meanwhile) / during, 0.85 * CAPACITY, "answers/s"),
        Figure.at_most("burst_refusal_p95", quantile(refusals, 0.95), LONGEST_REFUSAL, "s"),
        Figure("burst_usual_p95", usual, "s"),
        Figure("burst_p95", quantile([call.seconds for call in answered(burst)], 0.95), "s"),
        Figure.at_most("burst_over", _over(calls, before + during, SLOWER * usual), OVER, "s"),
    ]


def _over(calls: Sequence[Call], end: float, longest: float) -> float:
    """Seconds after the burst from which no call that begins is sent away or takes longer than that."""
    late = [call.at - call.seconds - end for call in calls if call.seconds > longest or call.ended == REFUSED]
    return max(0.0, max(late, default=-math.inf))
