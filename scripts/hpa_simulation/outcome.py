"""What a scenario is given, and what it finds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.figures import Figure
from scripts.hpa_simulation.autoscaler import USERS, Autoscaler, Metric
from scripts.hpa_simulation.cluster import Course


@dataclass(frozen=True, slots=True)
class Asked:
    """The HPA as shipped, the metric that it leaves out, and how much is tried.

    `phases`: the controller's and Prometheus' clocks against the load's, seconds.
    """

    scaler: Autoscaler
    memory: Metric
    phases: Sequence[tuple[float, float]]
    seeds: Sequence[int]
    traffic: Path

    @property
    def users(self) -> Autoscaler:
        """The shipped metrics under the user's behaviour, so that the behaviour alone differs."""
        return self.scaler.under(USERS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Figures, and courses to be drawn, each with its label."""

    figures: Sequence[Figure]
    courses: Mapping[str, Course] = field(default_factory=dict)
    title: str = ""


def mean(values: Sequence[float]) -> float:
    """Their mean."""
    return sum(values) / len(values)
