"""What an HPA says: its bounds, metrics and behaviour, read from the manifests; and the policy it is compared with."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor
from typing import Literal

import yaml

from scripts.manifests.building import K8S, Built, Object
from scripts.manifests.quantities import quantity

TOLERANCE = 0.1  # of the controller, where the HPA sets none


@dataclass(frozen=True, slots=True)
class Policy:
    """So many pods, or percent of the pods there were, within `period` seconds."""

    kind: Literal["Pods", "Percent"]
    value: float
    period: float


@dataclass(frozen=True, slots=True)
class Rules:
    """How fast one may go in one direction; `window` in seconds."""

    window: float
    policies: tuple[Policy, ...]
    select: Literal["Max", "Min", "Disabled"] = "Max"
    tolerance: float = TOLERANCE


@dataclass(frozen=True, slots=True)
class Metric:
    """`target`: the value a pod should have; with a `request` of the pod, percent of it."""

    name: str
    target: float
    request: float | None = None

    def ratio(self, values: Sequence[float]) -> float:
        """How far above its target it is: 1 is on it. Percents are whole ones, as in the controller."""
        if self.request is None:
            return sum(values) / len(values) / self.target
        return floor(sum(values) * 100 / (self.request * len(values))) / self.target

    @property
    def busy(self) -> float:
        """What a pod is taken to have, when others are below their target and it says nothing."""
        return self.target if self.request is None else self.request * max(100.0, self.target) / 100


# The controller's own, where an HPA has no behaviour.
DEFAULT_UP = Rules(0, (Policy("Pods", 4, 15), Policy("Percent", 100, 15)))
DEFAULT_DOWN = Rules(300, (Policy("Percent", 100, 15),))


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """One HPA."""

    least: int
    most: int
    metrics: tuple[Metric, ...]
    up: Rules = DEFAULT_UP
    down: Rules = DEFAULT_DOWN

    def under(self, other: "Autoscaler") -> "Autoscaler":
        """Its metrics and bounds with the other's behaviour."""
        return replace(self, up=other.up, down=other.down)


# The policy that the user of the project began with.
PERIOD = 60.0
USERS = Autoscaler(
    3,
    20,
    (Metric("cpu", 70, 2.0), Metric("memory", 80, 4 * 2.0**30), Metric("grpc_server_started_per_second", 100)),
    Rules(60, (Policy("Percent", 50, PERIOD), Policy("Pods", 2, PERIOD))),
    Rules(60, (Policy("Percent", 10, PERIOD), Policy("Pods", 1, PERIOD))),
)


def shipped(built: Built) -> Autoscaler:
    """The HPA `ragents` of a build."""
    spec = built.the("HorizontalPodAutoscaler", "ragents")["spec"]
    requests = built.container["resources"]["requests"]
    behaviour = spec.get("behavior", {})
    return Autoscaler(
        spec["minReplicas"],
        spec["maxReplicas"],
        tuple(_metric(one, requests) for one in spec["metrics"]),
        _rules(behaviour.get("scaleUp", {}), DEFAULT_UP),
        _rules(behaviour.get("scaleDown", {}), DEFAULT_DOWN),
    )


def commented(built: Built, text: str | None = None) -> Metric:
    """The metric that stands in the base's HPA as a comment."""
    text = (K8S / "base/hpa.yaml").read_text() if text is None else text
    lines = re.findall(r"^    # (- type: .*|  .*)$", text, re.MULTILINE)
    (one,) = yaml.safe_load("\n".join(lines))
    return _metric(one, built.container["resources"]["requests"])


def _metric(one: Object, requests: Object) -> Metric:
    if one["type"] == "Pods":
        return Metric(one["pods"]["metric"]["name"], quantity(one["pods"]["target"]["averageValue"]))
    detail = one.get("containerResource") or one["resource"]
    return Metric(detail["name"], detail["target"]["averageUtilization"], quantity(requests[detail["name"]]))


def _rules(said: Object, default: Rules) -> Rules:
    policies = [Policy(one["type"], one["value"], one["periodSeconds"]) for one in said.get("policies", ())]
    return Rules(
        said.get("stabilizationWindowSeconds", default.window),
        tuple(policies) or default.policies,
        said.get("selectPolicy", "Max"),
        quantity(said["tolerance"]) if "tolerance" in said else TOLERANCE,
    )
