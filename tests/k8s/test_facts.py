"""The facts that k8s/ must agree on with the server and with itself; each is seen to fail where it is broken."""

from collections.abc import Callable
from copy import deepcopy

import pytest

from scripts.manifests import facts
from scripts.manifests.building import Built, Object, overlay
from scripts.manifests.settings_facts import environment_of, settings_of

OVERLAYS = ("dev", "staging", "prod")


@pytest.fixture(scope="module")
def prod() -> Built:
    return overlay("prod")


@pytest.fixture
def broken(prod: Built) -> Built:
    """A copy of production that a test may break."""
    return deepcopy(prod)


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_agrees_with_the_server_and_with_itself(name: str) -> None:
    assert list(facts.complaints(overlay(name))) == []


def test_trying_out_needs_no_kind_that_a_cluster_must_be_taught() -> None:
    groups = {one["apiVersion"].partition("/")[0] for one in overlay("dev").objects}
    assert groups <= {"v1", "apps", "autoscaling", "policy", "networking.k8s.io"}


def test_the_server_takes_the_settings_of_production(prod: Built) -> None:
    settings = settings_of(prod)
    assert settings.database is not None
    assert settings.cache is not None
    assert settings.limits is not None
    assert settings.chat_key is not None
    assert settings.profile == "production"


def _settings(built: Built) -> Object:
    name = built.container["envFrom"][0]["configMapRef"]["name"]
    data: Object = built.the("ConfigMap", name)["data"]
    return data


def _hpa(built: Built) -> Object:
    spec: Object = built.the("HorizontalPodAutoscaler", "ragents")["spec"]
    return spec


def _pod(built: Built) -> Object:
    spec: Object = built.pod["spec"]
    return spec


def _unset(place: Object, key: str) -> None:
    del place[key]


Break = Callable[[Built], object]
BREAKS: dict[str, Break] = {
    "there is no such setting": lambda built: _settings(built).update(RAGENTS_EXECUTION="5"),
    "RAGENTS_PROCESSES is 4, but the container requests 2 CPU": lambda built: _settings(built).update(
        RAGENTS_PROCESSES="4"
    ),
    "a thread for each core": lambda built: _settings(built).update(RAGENTS_EMBEDDING_THREADS="0"),
    "the port grpc is 50051, but the server listens on 0.0.0.0:50061": lambda built: _settings(built).update(
        RAGENTS_LISTEN="0.0.0.0:50061"
    ),
    "nothing outside of the pod reaches": lambda built: _settings(built).update(
        RAGENTS_METRICS_LISTEN="127.0.0.1:9464"
    ),
    "which is not mounted": lambda built: _settings(built).update(RAGENTS_CHAT_KEY_FILE="/run/secrets/ragents/key"),
    "the livenessProbe asks for liveness": lambda built: built.container["livenessProbe"]["grpc"].update(
        service="liveness"
    ),
    "the readinessProbe asks port 50051": lambda built: built.container["readinessProbe"]["grpc"].update(port=50051),
    "the startupProbe gives up": lambda built: built.container["startupProbe"].update(failureThreshold=10),
    "stopping may take": lambda built: _settings(built).update(RAGENTS_GRACE="70"),
    "minReplicas is 21": lambda built: _hpa(built).update(minReplicas=21),
    "has replicas": lambda built: built.the("Deployment", "ragents")["spec"].update(replicas=3),
    "no rule of the adapter serves": lambda built: _hpa(built)["metrics"][0]["pods"]["metric"].update(
        name="ragents_requests"
    ),
    "a container server": lambda built: _hpa(built)["metrics"][2]["containerResource"].update(container="server"),
    "a request that ragents does not make": lambda built: _hpa(built)["metrics"][2]["containerResource"].update(
        name="nvidia.com/gpu"
    ),
    "the PDB leaves fewer than 2": lambda built: built.the("PodDisruptionBudget", "ragents")["spec"].update(
        maxUnavailable=2
    ),
    "lets all others be evicted": lambda built: built.the("PodDisruptionBudget", "ragents")["spec"].update(
        minAvailable=2
    ),
    "max_connections is 200": lambda built: built.the("Cluster", "ragents-postgres")["spec"]["postgresql"][
        "parameters"
    ].update(max_connections="200"),
    "may run as root": lambda built: _pod(built)["securityContext"].update(runAsUser=0),
    "a token of the Kubernetes API": lambda built: _unset(_pod(built), "automountServiceAccountToken"),
    "the variables of Services": lambda built: _unset(_pod(built), "enableServiceLinks"),
    "which `restricted` forbids": lambda built: _pod(built)["volumes"].append({"name": "host", "hostPath": {}}),
    "keeps capabilities": lambda built: built.container["securityContext"].pop("capabilities"),
    "may write into its image": lambda built: built.container["securityContext"].pop("readOnlyRootFilesystem"),
    "a secret in a variable": lambda built: built.container["envFrom"].append({"secretRef": {"name": "ragents-chat"}}),
    "there is no Secret elsewhere": lambda built: _pod(built)["volumes"].append(
        {"name": "more", "secret": {"secretName": "elsewhere"}}
    ),
    "no NetworkPolicy denies": lambda built: built.the("NetworkPolicy", "default-deny")["spec"].update(
        policyTypes=["Ingress"]
    ),
    "Service ragents selects": lambda built: built.the("Service", "ragents")["spec"].update(
        selector={"app": "ragents"}
    ),
    "PodMonitor ragents selects": lambda built: built.the("PodMonitor", "ragents")["spec"]["selector"].update(
        matchLabels={"app": "ragents"}
    ),
    "leads to port http": lambda built: built.the("Service", "ragents")["spec"]["ports"][0].update(targetPort="http"),
    "objects are in elsewhere": lambda built: built.the("Service", "ragents")["metadata"].update(namespace="elsewhere"),
}


@pytest.mark.parametrize("complaint", BREAKS)
def test_what_does_not_fit_is_told(broken: Built, complaint: str) -> None:
    BREAKS[complaint](broken)
    found = list(facts.complaints(broken))
    assert any(complaint in line for line in found), found


def test_readiness_is_asked_before_new_calls_are_refused(broken: Built) -> None:
    broken.container["readinessProbe"]["periodSeconds"] = 30
    assert any("readiness is asked every 30 s" in line for line in facts.complaints(broken))


def test_probes_ask_a_plaintext_port_where_the_server_has_a_certificate(prod: Built) -> None:
    settings = settings_of(prod)
    assert settings.tls_cert is not None
    assert not settings.plaintext
    assert settings.health_listen is not None


def test_no_secret_stands_in_the_settings(prod: Built) -> None:
    for name in environment_of(prod):
        assert name.endswith("_FILE") or name.removeprefix("RAGENTS_").lower() not in secrets()


def secrets() -> set[str]:
    from ragents_server.settings import Settings, is_secret

    return {name for name, field in Settings.model_fields.items() if is_secret(field)}
