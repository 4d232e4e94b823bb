"""Facts of the HPA and of what takes pods away: it asks for metrics that are exported, and enough pods stay."""

import re
from collections.abc import Iterator
from math import ceil, floor
from typing import Any

import yaml

from ragents_server.telemetry.catalogue import BY_NAME
from scripts.manifests.building import K8S, Built, Object
from scripts.manifests.quantities import share
from scripts.manifests.settings_facts import settings_of

LEAST = 2  # pods that must stay when one is evicted
ADAPTER = K8S / "adapter/config.yaml"


def adapted(text: str | None = None) -> dict[str, Object]:
    """The metrics that the adapter serves by its rules, each with its rule."""
    rules: list[Object] = yaml.safe_load(ADAPTER.read_text() if text is None else text)["rules"]
    return {rule.get("name", {}).get("as") or series_of(rule): rule for rule in rules}


def series_of(rule: Object) -> str:
    """The series that a rule of the adapter reads."""
    return re.split(r"[{]", rule["seriesQuery"])[0]


def complaints(built: Built) -> Iterator[str]:
    """What does not fit, a line each."""
    if built.of_kind("ScaledObject"):
        return  # KEDA makes the HPA
    hpa = built.the("HorizontalPodAutoscaler", "ragents")["spec"]
    least, most = hpa["minReplicas"], hpa["maxReplicas"]
    if least > most:
        yield f"the HPA's minReplicas is {least}, its maxReplicas {most}"
    target = built.the(hpa["scaleTargetRef"]["kind"], hpa["scaleTargetRef"]["name"])["spec"]
    if "replicas" in target:
        yield "the Deployment has replicas, which each apply would set back beside the HPA"
    yield from (line for metric in hpa["metrics"] for line in _metric(built, metric))
    yield from _evictions(built, least)
    yield from _connections(built, most, target)


def _metric(built: Built, metric: Object) -> Iterator[str]:
    if metric["type"] == "Pods":
        name = metric["pods"]["metric"]["name"]
        rule = adapted().get(name)
        if rule is None:
            yield f"the HPA asks for {name}, which no rule of the adapter serves"
        elif series_of(rule) not in BY_NAME:
            yield f"the HPA's {name} is made of {series_of(rule)}, which the server does not export"
        elif ("rate(" in rule["metricsQuery"]) != (BY_NAME[series_of(rule)].kind == "counter"):
            yield f"the HPA's {name}: a counter wants a rate, a gauge none"
        return
    detail: dict[str, Any] = metric.get("containerResource") or metric.get("resource") or {}
    containers = built.pod["spec"]["containers"]
    measured = [one for one in containers if detail.get("container") in (None, one["name"])]
    if not measured:
        yield f"the HPA looks at a container {detail.get('container')}, which there is not"
    for one in measured:
        if detail["name"] not in one.get("resources", {}).get("requests", {}):
            yield f"the HPA's {detail['name']} is a share of a request that {one['name']} does not make"


def _evictions(built: Built, least: int) -> Iterator[str]:
    budget = built.the("PodDisruptionBudget", "ragents")["spec"]
    if "minAvailable" in budget:
        yield "the PDB has minAvailable, which lets all others be evicted at once"
    elif not built.trial and least - share(budget["maxUnavailable"], least) < LEAST:
        yield f"the PDB leaves fewer than {LEAST} of {least} pods"


def _connections(built: Built, most: int, target: Object) -> Iterator[str]:
    """All pods there may be, and those a rollout adds, against what the database takes."""
    clusters = [one for one in built.of_kind("Cluster") if one["apiVersion"].startswith("postgresql.cnpg.io")]
    if not clusters:
        return
    settings = settings_of(built)
    surge = ceil(share(target["strategy"]["rollingUpdate"]["maxSurge"], most))
    each = settings.database_connections + settings.processes  # a watch for each process
    allowed = floor(float(clusters[0]["spec"]["postgresql"]["parameters"]["max_connections"]))
    if (most + surge) * each > allowed:
        yield f"{most + surge} pods take {(most + surge) * each} connections, but max_connections is {allowed}"
