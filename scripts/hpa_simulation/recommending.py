"""How many pods one metric asks for: the replica calculator of Kubernetes' HPA controller.

https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details and
pkg/controller/podautoscaler/replica_calculator.go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from scripts.hpa_simulation.autoscaler import Autoscaler, Metric

INITIALIZATION = (
    300.0  # seconds in which a CPU reading of a pod that is not ready, or was not all the while, is ignored
)
INITIAL_READINESS = 30.0  # seconds after its start within which a pod that turned unready was never ready


class NoMetricError(Exception):
    """No pod has a value of it, so it asks for nothing."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A value, when it was taken, and of how many seconds it is the mean; times in seconds."""

    value: float
    at: float
    window: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A pod as the controller sees it. `turned`: when it became ready, or ceased to be."""

    name: str
    readings: Mapping[str, Reading] = field(default_factory=dict)
    pending: bool = False
    ready: bool = True
    started: float = 0.0
    turned: float = 0.0


@dataclass(frozen=True, slots=True)
class _Groups:
    values: list[float]  # of the pods that count
    unready: int
    missing: int


def wanted(metric: Metric, scaler: Autoscaler, current: int, pods: Sequence[Seen], now: float) -> int:
    """The number of pods that brings the metric to its target; NoMetricError when no pod has it.

    Pods that say nothing are taken as idle where more are asked for and as busy where fewer are; pods that are not
    ready as idle.
    """
    groups = _grouped(metric, pods, now)
    if not groups.values:
        raise NoMetricError(metric.name)
    ratio = metric.ratio(groups.values)
    more_with_unready = groups.unready > 0 and ratio > 1
    if not more_with_unready and not groups.missing:
        return current if _within(scaler, ratio) else ceil(ratio * len(groups.values))
    values = [*groups.values]
    if ratio < 1:
        values += [metric.busy] * groups.missing
    elif ratio > 1:
        values += [0.0] * groups.missing
    if more_with_unready:
        values += [0.0] * groups.unready
    anew = metric.ratio(values)
    if _within(scaler, anew) or (anew - 1) * (ratio - 1) < 0:
        return current  # what is not known could turn it around
    replicas = ceil(anew * len(values))
    return current if (replicas - current) * (anew - 1) < 0 else replicas


def most_wanted(scaler: Autoscaler, current: int, pods: Sequence[Seen], now: float) -> int:
    """The largest number that any metric asks for; with one away, none fewer than there are.

    NoMetricError when that leaves nothing to say.
    """
    found, away = [], 0
    for metric in scaler.metrics:
        try:
            found.append(wanted(metric, scaler, current, pods, now))
        except NoMetricError:
            away += 1
    if not found or (away and max(found) < current):
        raise NoMetricError(f"{away} of {len(scaler.metrics)} metrics are away")
    return max(found)


def _within(scaler: Autoscaler, ratio: float) -> bool:
    return 1 - scaler.down.tolerance <= ratio <= 1 + scaler.up.tolerance


def _grouped(metric: Metric, pods: Sequence[Seen], now: float) -> _Groups:
    values, unready, missing = [], 0, 0
    for pod in pods:
        reading = pod.readings.get(metric.name)
        if pod.pending:
            unready += 1
        elif reading is None:
            missing += 1
        elif metric.name == "cpu" and _is_warming(pod, reading, now):
            unready += 1
        else:
            values.append(reading.value)
    return _Groups(values, unready, missing)


def _is_warming(pod: Seen, reading: Reading, now: float) -> bool:
    """Whether the CPU that it takes may be that of its start."""
    if pod.started + INITIALIZATION > now:
        return not pod.ready or reading.at < pod.turned + reading.window
    return not pod.ready and pod.started + INITIAL_READINESS > pod.turned
