"""Every object against the schema that its version of Kubernetes has; nothing is downloaded."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from scripts.manifests.building import Built, tool

VERSIONS = ("1.34", "1.37")  # the oldest and the newest that the manifests are for
SECONDS = 60
# Kinds of operators' own, whose schemas come with the operator; the validator knows none and would pass them unread.
UNKNOWN = {
    ("postgresql.cnpg.io/v1", "Cluster"): "CloudNativePG",
    ("monitoring.coreos.com/v1", "PodMonitor"): "the Prometheus operator",
    ("monitoring.coreos.com/v1", "PrometheusRule"): "the Prometheus operator",
    ("keda.sh/v1alpha1", "ScaledObject"): "KEDA",
    ("gateway.networking.k8s.io/v1", "GRPCRoute"): "the Gateway API",
    ("networking.istio.io/v1", "VirtualService"): "Istio",
    ("networking.istio.io/v1", "DestinationRule"): "Istio",
    ("security.istio.io/v1", "PeerAuthentication"): "Istio",
    ("policy.linkerd.io/v1beta3", "Server"): "Linkerd",
    ("argoproj.io/v1alpha1", "Application"): "Argo CD",
}


def complaints(*builds: Built) -> Iterator[str]:
    """What the validator says of them, a line each; its warnings too, but for the kinds it cannot know."""
    with TemporaryDirectory() as folder:
        for built in builds:
            known = [one for one in built.objects if (one["apiVersion"], one["kind"]) not in UNKNOWN]
            (Path(folder) / f"{built.name}.yaml").write_text(yaml.safe_dump_all(known))
        for version in VERSIONS:
            yield from _validated(sorted(Path(folder).iterdir()), version)


def _validated(files: list[Path], version: str) -> Iterator[str]:
    found = subprocess.run(
        [tool("kubernetes-validate"), "--strict", "-k", version, *map(str, files)],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    lines = (found.stdout + found.stderr).splitlines()
    said = [re.sub(r"\S*/", "", line, count=1) for line in lines if line and not line.startswith("INFO ")]
    yield from (f"{version}: {line}" for line in said)
    if found.returncode and not said:
        yield f"{version}: exit status {found.returncode}"
    if not any(line.startswith("INFO ") for line in lines):
        yield f"{version}: the validator looked at nothing"
