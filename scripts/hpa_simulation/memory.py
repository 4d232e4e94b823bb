"""What the user's memory target would do: one day's steady load and a quiet night, with it and without."""

from dataclasses import replace

from scripts.figures import Figure
from scripts.hpa_simulation import loads
from scripts.hpa_simulation.autoscaler import Autoscaler
from scripts.hpa_simulation.cluster import Course, World, run
from scripts.hpa_simulation.outcome import Asked, Outcome
from scripts.hpa_simulation.pods import GIB, Size

DAY, NIGHT = 30.0, 5.0  # calls a second; three pods suffice for either
HOURS = 8
SIZE = Size(memory_idle=1.2 * GIB, memory_kept=2.8 * GIB, memory_calls=10_000)

NOTES = {
    "memory": f"{DAY:g} calls a second for {HOURS} hours, then {NIGHT:g}; three pods suffice for both. A pod begins"
    " with 1.2 GiB and comes to 4 GiB, its request, as it serves: caches fill and stay full, Python gives back little",
    "memory_users": "the shipped HPA with the user's memory target of 80 %, which stands in it as a comment",
}


def measured(asked: Asked) -> Outcome:
    """The pods at the end of the night, and the courses."""
    with_memory = replace(asked.scaler, metrics=(*asked.scaler.metrics, asked.memory))
    ours, users = _course(asked.scaler), _course(with_memory)
    return Outcome(
        [
            Figure.at_most("memory_night", ours.desired[-1], asked.scaler.least, "pods"),
            Figure("memory_users_night", users.desired[-1], "pods"),
            Figure("memory_users_most", max(users.desired), "pods"),
            Figure("memory_users_pods", users.pods, "pods"),
        ],
        {"shipped": ours, "with memory 80 %": users},
        "A target for memory",
    )


def _course(scaler: Autoscaler) -> Course:
    day, night = loads.steady(DAY, HOURS * 3600), loads.steady(NIGHT, HOURS * 3600)
    load = loads.Load("day and night", [*day.rates, *night.rates], [*day.services, *night.services])
    return run(scaler, load, World(size=SIZE))
