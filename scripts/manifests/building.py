"""Kustomize's output as objects: of an overlay as it is shipped, or with other components."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
K8S = ROOT / "k8s"
TOOLS = ROOT / ".venv-kubernetes/bin"
SECONDS = 30

Object = dict[str, Any]


class ManifestError(Exception):
    """Kustomize does not build it, or a tool that checks it is not there."""


@dataclass(frozen=True, slots=True)
class Built:
    """What would be applied; `trial`: an overlay for trying out, of which less is asked."""

    name: str
    objects: Sequence[Object]
    trial: bool = False

    def of_kind(self, *kinds: str) -> list[Object]:
        """All objects of these kinds."""
        return [one for one in self.objects if one["kind"] in kinds]

    def the(self, kind: str, name: str) -> Object:
        """The one of this kind and name; ManifestError when it is not there."""
        for one in self.of_kind(kind):
            if one["metadata"]["name"] == name:
                return one
        raise ManifestError(f"{self.name}: there is no {kind} {name}")

    @property
    def pod(self) -> Object:
        """The template of the server's pods."""
        template: Object = self.the("Deployment", "ragents")["spec"]["template"]
        return template

    @property
    def container(self) -> Object:
        """The server's container."""
        found: list[Object] = [one for one in self.pod["spec"]["containers"] if one["name"] == "ragents"]
        if not found:
            raise ManifestError(f"{self.name}: the Deployment ragents has no container ragents")
        return found[0]


def tool(name: str) -> str:
    """The path of a program of locks/kubernetes.txt."""
    path = TOOLS / name
    if not path.exists():
        raise ManifestError(f"{name} is not there; run scripts/setup kubernetes")
    return str(path)


def text_of(folder: Path) -> str:
    """What `kubectl kustomize` makes of the folder, YAML."""
    built = subprocess.run(
        [tool("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if built.returncode or built.stderr:
        # Warnings too: kustomize tells of deprecated fields and of patches that match nothing there.
        raise ManifestError(f"{folder.name}: {built.stderr.strip()}")
    return built.stdout


def overlay(name: str, folder: Path = K8S) -> Built:
    """An overlay as it is shipped."""
    return parsed(name, text_of(folder / "overlays" / name))


def parsed(name: str, text: str) -> Built:
    """The objects of kustomize's output."""
    objects = [one for one in yaml.safe_load_all(text) if one is not None]
    return Built(name, objects, trial=name == "dev")


@contextmanager
def composed(name: str, components: Sequence[str], base: str = "base", folder: Path = K8S) -> Iterator[Path]:
    """A folder with a kustomization of `base` and these components, inside the block."""
    with TemporaryDirectory(prefix="ragents-k8s-") as place:
        made = Path(place).resolve() / name
        made.mkdir()
        named = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": "ragents",
            "resources": [relpath((folder / base).resolve(), made)],
            "components": [relpath((folder / "components" / one).resolve(), made) for one in components],
            "images": [{"name": one, "newTag": "0.1.0"} for one in ("ragents", "valkey")],
        }
        (made / "kustomization.yaml").write_text(yaml.safe_dump(named))
        yield made
