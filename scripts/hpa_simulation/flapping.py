"""Loads that go up and down: how often the number of pods turns round, and what that costs."""

from collections.abc import Callable

from scripts.figures import Figure
from scripts.hpa_simulation import loads
from scripts.hpa_simulation.autoscaler import Autoscaler
from scripts.hpa_simulation.cluster import Course, run
from scripts.hpa_simulation.outcome import Asked, Outcome, mean

SECONDS = 2 * 3600
LOADS: dict[str, Callable[[int], loads.Load]] = {
    "noisy": lambda seed: loads.noisy(100, SECONDS, seed),
    "bursty": lambda seed: loads.bursty(50, 4, SECONDS, seed),
}

NOTES = {
    "noisy": "100 calls a second, off by some 30 % for a minute or so and by 20 % in each second; two hours a seed",
    "bursty": "50 calls a second, and four times as many for one to four minutes after two to eight; two hours a seed",
    "reversals": "times that the number of pods went down after it went up, or up after it went down, an hour. What it"
    " costs not to flap stands beside it as pods, on the mean",
}


def measured(asked: Asked) -> Outcome:
    """The figures of both loads under both behaviours, and the courses of one seed of bursts."""
    figures: list[Figure] = []
    for name, load in LOADS.items():
        ours, users = ([run(one, load(seed)) for seed in asked.seeds] for one in (asked.scaler, asked.users))
        figures += _figures(name, ours, users)
    seed = asked.seeds[0]
    drawn = {"shipped": asked.scaler, "the user's behaviour": asked.users}
    return Outcome(figures, {label: _first_hour(one, seed) for label, one in drawn.items()}, "Bursts")


def _figures(name: str, ours: list[Course], users: list[Course]) -> list[Figure]:
    hours = SECONDS / 3600
    turned, users_turned = (mean([one.reversals for one in courses]) / hours for courses in (ours, users))
    shed, users_shed = (100 * mean([one.shed_share for one in courses]) for courses in (ours, users))
    return [
        Figure.at_most(f"{name}_reversals", turned, users_turned, "an hour"),
        Figure(f"{name}_users_reversals", users_turned, "an hour"),
        Figure.at_most(f"{name}_shed", shed, users_shed, "%"),
        Figure(f"{name}_users_shed", users_shed, "%"),
        Figure(f"{name}_pods", mean([one.pods for one in ours]), "pods"),
        Figure(f"{name}_users_pods", mean([one.pods for one in users]), "pods"),
    ]


def _first_hour(scaler: Autoscaler, seed: int) -> Course:
    return run(scaler, loads.bursty(50, 4, 3600, seed))
