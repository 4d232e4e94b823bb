"""Facts of meshes and gateways: they lead to what the server serves, send nothing twice, and cut no stream."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from ragents_client.v1 import agent_service_pb2
from ragents_server.server import SERVICES
from scripts.manifests.building import K8S, Built, Object
from scripts.manifests.scaling_facts import adapted, series_of

HEALTH = "grpc.health.v1.Health"
AGENTS = agent_service_pb2.DESCRIPTOR.services_by_name["AgentService"]
# Whatever makes or follows a run: sent twice by a proxy it would run twice.
RUNS = {f"/{AGENTS.full_name}/{one.name}" for one in AGENTS.methods if one.name in ("Run", "StreamRun", "AttachRun")}
SAFE = {"connect-failure", "refused-stream"}  # the call never reached a server


def complaints(built: Built) -> Iterator[str]:
    """What does not fit, a line each."""
    for one in built.of_kind("GRPCRoute"):
        rules = one["spec"]["rules"]
        led = {match["method"]["service"] for rule in rules for match in rule["matches"]}
        if led != {*SERVICES, HEALTH}:
            yield f"the GRPCRoute leads to {', '.join(sorted(led))}"
    for one in built.of_kind("VirtualService"):
        yield from _retries(one["spec"]["http"])
    for one in built.of_kind("DestinationRule"):
        ejecting = one["spec"]["trafficPolicy"]["outlierDetection"]
        if ejecting.get("consecutiveGatewayErrors") != 0 or ejecting.get("consecutive5xxErrors") != 0:
            yield "a server is left alone because a model is away"
    for one in built.of_kind("ScaledObject"):
        yield from _keda(built, one["spec"])


def _retries(routes: list[Object]) -> Iterator[str]:
    for run in sorted(RUNS):
        route = next((one for one in routes if _matches(one, run)), {})
        if route.get("retries", {}).get("attempts") != 0:
            yield f"the mesh may send {run} twice"
    for route in routes:
        if route.get("timeout") != "0s":
            yield f"the route {route['name']} cuts streams"
        retries = route.get("retries", {})
        if retries.get("attempts") != 0 and not set(retries.get("retryOn", "unavailable").split(",")) <= SAFE:
            yield f"the route {route['name']} sends again what a server has answered"


def _matches(route: Object, path: str) -> bool:
    return "match" not in route or any(re.fullmatch(one["uri"]["regex"], path) for one in route["match"])


def _keda(built: Built, spec: Object, base: Path = K8S / "base/hpa.yaml") -> Iterator[str]:
    """KEDA's HPA against the base's: the same bounds, behaviour, metrics and targets."""
    if built.of_kind("HorizontalPodAutoscaler"):
        yield "there is an HPA beside KEDA's"
    hpa: Object = yaml.safe_load(base.read_text())["spec"]
    if (spec["minReplicaCount"], spec["maxReplicaCount"]) != (hpa["minReplicas"], hpa["maxReplicas"]):
        yield "KEDA's bounds are not those of the HPA"
    if spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] != hpa["behavior"]:
        yield "KEDA's behaviour is not that of the HPA"
    place = built.the("ScaledObject", "ragents")["metadata"]["namespace"]
    for trigger in spec["triggers"]:
        if "query" in trigger["metadata"] and f'{{namespace="{place}"}}' not in trigger["metadata"]["query"]:
            yield f"KEDA does not look at the namespace {place}: {trigger['metadata']['query']}"
    wanted = {}
    for metric in hpa["metrics"]:
        if metric["type"] == "Pods":
            name = series_of(adapted()[metric["pods"]["metric"]["name"]])
            wanted[name] = metric["pods"]["target"]["averageValue"]
        else:
            wanted["cpu"] = str(metric["containerResource"]["target"]["averageUtilization"])
    asked = {}
    for trigger in spec["triggers"]:
        told = trigger["metadata"]
        series = re.search(r"(\w+)\{", told.get("query", ""))
        asked[series[1] if series else trigger["type"]] = told.get("threshold") or told["value"]
    if asked != wanted:
        yield f"KEDA asks for {asked}, the HPA for {wanted}"
