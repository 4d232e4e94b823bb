"""Components that no overlay has by itself: each fits over the base, and what would break a promise is told."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import yaml

from scripts.manifests import facts
from scripts.manifests.__main__ import COMPOSED
from scripts.manifests.building import K8S, Built, Object, composed, overlay, parsed, text_of
from scripts.manifests.pod_facts import examples


def built(name: str) -> Built:
    with composed(name, COMPOSED[name]) as folder:
        return parsed(name, text_of(folder))


@pytest.mark.parametrize("name", COMPOSED)
def test_a_component_agrees_with_the_server_and_with_the_base(name: str) -> None:
    assert list(facts.complaints(built(name))) == []


def test_every_component_is_in_some_build() -> None:
    used = {one for components in COMPOSED.values() for one in components}
    for name in ("dev", "staging", "prod"):
        listed = yaml.safe_load((K8S / "overlays" / name / "kustomization.yaml").read_text())["components"]
        used |= {one.removeprefix("../../components/") for one in listed}
    assert used == {one.name for one in (K8S / "components").iterdir()}


def _routes(one: Built) -> list[Object]:
    routes: list[Object] = one.the("VirtualService", "ragents")["spec"]["http"]
    return routes


def _keda(one: Built) -> Object:
    spec: Object = one.the("ScaledObject", "ragents")["spec"]
    return spec


BREAKS: dict[str, tuple[str, Callable[[Built], object]]] = {
    "may send /ragents.v1.AgentService/StreamRun twice": ("istio", lambda one: _routes(one).pop(0)),
    "sends again what a server has answered": (
        "istio",
        lambda one: _routes(one)[1]["retries"].update(retryOn="connect-failure,unavailable"),
    ),
    "cuts streams": ("istio", lambda one: _routes(one)[0].pop("timeout")),
    "because a model is away": (
        "istio",
        lambda one: one.the("DestinationRule", "ragents")["spec"]["trafficPolicy"]["outlierDetection"].pop(
            "consecutiveGatewayErrors"
        ),
    ),
    "the GRPCRoute leads to": (
        "gateway",
        lambda one: one.the("GRPCRoute", "ragents")["spec"]["rules"][0]["matches"].pop(),
    ),
    "KEDA's bounds": ("keda", lambda one: _keda(one).update(maxReplicaCount=30)),
    "KEDA's behaviour": (
        "keda",
        lambda one: _keda(one)["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleUp"].update(
            stabilizationWindowSeconds=60
        ),
    ),
    "KEDA does not look at the namespace": (
        "keda",
        lambda one: one.the("ScaledObject", "ragents")["metadata"].update(namespace="elsewhere"),
    ),
    "KEDA asks for": ("keda", lambda one: _keda(one)["triggers"][0]["metadata"].update(threshold="40")),
}


@pytest.mark.parametrize("complaint", BREAKS)
def test_what_breaks_a_promise_is_told(complaint: str) -> None:
    name, broken = BREAKS[complaint]
    one = deepcopy(built(name))
    broken(one)
    found = list(facts.complaints(one))
    assert any(complaint in line for line in found), found


def test_argo_cd_deploys_production_where_it_is() -> None:
    application = yaml.safe_load((K8S / "argocd/application.yaml").read_text())["spec"]
    assert (K8S.parent / application["source"]["path"] / "kustomization.yaml").is_file()
    (namespace,) = overlay("prod").of_kind("Namespace")
    assert application["destination"]["namespace"] == namespace["metadata"]["name"]


def test_the_example_secrets_hold_nothing() -> None:
    for secret in examples():
        assert all("REPLACE-ME" in value for value in secret["stringData"].values())
        assert "data" not in secret


def test_secrets_have_the_keys_that_are_mounted() -> None:
    keys = {(one["metadata"]["name"], key) for one in examples() for key in one["stringData"]}
    sources = overlay("prod").pod["spec"]["volumes"][0]["projected"]["sources"]
    mounted = {(one["secret"]["name"], item["key"]) for one in sources for item in one["secret"]["items"]}
    assert mounted - keys == {("ragents-postgres-app", "uri")}
