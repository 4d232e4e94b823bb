"""A recorded hour of a hosted model's traffic, its busiest minutes, faster than they were."""

from collections.abc import Sequence
from pathlib import Path

from scripts.figures import Figure
from scripts.hpa_simulation.loads import recorded
from scripts.loading import page
from scripts.loading.errors import LoadError
from scripts.loading.figuring import failed, hit_ratio, rate, shed, times
from scripts.loading.k6 import Callers
from scripts.loading.loads import load
from scripts.loading.streams import repeats, zipf
from scripts.loading.topology import KEY, loaded

TRACE = Path(__file__).parents[3] / "shared/data/traffic/azure_llm_conv_2023.csv"  # beside the checkout, never in it
FASTER = 4
MINUTES, SHORT = 8, 2  # of the trace
STEP = 4  # seconds of the trace whose calls come evenly
QUESTIONS, EXPONENT = 500, 1.0
VUS = 400
ABOUT = (
    f"The busiest {MINUTES} minutes of Azure's trace of LLM conversations, 2023 (CC BY 4.0), {FASTER} times as fast; "
    f"when calls come is the trace's, what they ask is ours: {QUESTIONS} questions by Zipf's law with exponent "
    f"{EXPONENT:g}, as the trace has no texts. The model takes 2 s on the mean and 5 s one time in twenty"
)
NOTES = {"replay": f"{ABOUT}. It needs the evaluation data beside the checkout"}


async def measured(*, short: bool, seed: int) -> list[Figure]:
    """The minutes; `short`: fewer. LoadError where the trace is not there."""
    if not TRACE.is_file():
        raise LoadError("the trace is not there: it is part of the evaluation data, which is not in the repository")
    rates = busiest(recorded(TRACE, FASTER, lambda _read, _written: 1.0).rates, 60 * (SHORT if short else MINUTES))
    executor = {
        "executor": "ramping-arrival-rate",
        "startRate": 1,
        "timeUnit": "1s",
        "preAllocatedVUs": VUS,
        "gracefulStop": "60s",
        "stages": stages(rates),
    }
    stream = zipf(round(sum(rates)) + VUS, QUESTIONS, EXPONENT, seed=seed)
    async with loaded(delay=0.0) as topology:
        callers = {"replay": Callers(executor, KEY.token)}
        part = await load(topology, "replay", callers, stream, title="a recorded trace")
    calls = part.calls
    figures = [
        Figure("replay_calls", len(calls), "calls"),
        Figure("replay_rate", rate(calls), "answers/s"),
        Figure("replay_highest_rate", max(rates), "calls/s"),
        Figure.at_most("replay_failed", failed(calls).total(), 0, "calls"),
        Figure.at_most("replay_shed", shed(calls), 0.01),
        Figure("replay_hit_ratio", hit_ratio(calls)),
        Figure.at_least("replay_share_of_possible_hits", hit_ratio(calls) / repeats(stream[: len(calls)]), 0.97),
        *times("replay", calls),
        *times("replay_hits", [call for call in calls if call.hit]),
    ]
    page.write("replay", ABOUT, figures, [part])
    return figures


def busiest(rates: Sequence[float], seconds: int) -> Sequence[float]:
    """The part of this length with most calls."""
    best = max(range(len(rates) - seconds), key=lambda at: sum(rates[at : at + seconds]))
    return rates[best : best + seconds]


def stages(rates: Sequence[float]) -> list[dict[str, object]]:
    """k6's: jump to the rate of some seconds, and keep it for as long as they last when they go by faster."""
    found: list[dict[str, object]] = []
    for first in range(0, len(rates), STEP):
        group = rates[first : first + STEP]
        target = round(sum(group) / len(group))
        found += [
            {"target": target, "duration": "0s"},
            {"target": target, "duration": f"{1000 * len(group) // FASTER}ms"},
        ]
    return found
