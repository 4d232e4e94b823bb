"""Facts of the settings in the manifests: the server takes them; its ports, probes and files are those of the pod."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

from ragents_server.errors import ConfigurationError
from ragents_server.interceptors.serving import UNWIND
from ragents_server.processes.parent import CLOSING
from ragents_server.server import FLUSH, LIVENESS, PROBES
from ragents_server.settings import PREFIX, Settings, read_settings
from scripts.manifests.building import Built, ManifestError, Object
from scripts.manifests.quantities import cpus

START = 300  # seconds that a server may take to start
PLACEHOLDER = "redis://placeholder"  # a secret's value, where only its file's path counts


def environment_of(built: Built) -> dict[str, str]:
    """The variables that the server's container gets, by its ConfigMaps and by itself."""
    found: dict[str, str] = {}
    for source in built.container.get("envFrom", ()):
        if "configMapRef" in source:
            found |= built.the("ConfigMap", source["configMapRef"]["name"])["data"]
    return found | {one["name"]: one["value"] for one in built.container.get("env", ()) if "value" in one}


def settings_of(built: Built) -> Settings:
    """The settings as the server reads them, secrets as placeholders; ManifestError when it refuses them."""
    with TemporaryDirectory() as folder, environment(environment_of(built), Path(folder)):
        try:
            return read_settings()
        except ConfigurationError as refused:
            raise ManifestError(f"{built.name}: the server refuses its settings: {refused}") from None


def complaints(built: Built) -> Iterator[str]:
    """What does not fit, a line each."""
    settings = settings_of(built)
    yield from _ports(built, settings)
    yield from _probes(built, settings)
    yield from _files(built)
    yield from _stopping(built, settings)
    processes, requested = settings.processes, cpus(built.container["resources"]["requests"]["cpu"])
    if processes > ceil(requested):
        yield f"RAGENTS_PROCESSES is {processes}, but the container requests {requested:g} CPU"
    if not settings.embedding_threads:
        yield "RAGENTS_EMBEDDING_THREADS is not set: it would be a thread for each core of the node"


def _ports(built: Built, settings: Settings) -> Iterator[str]:
    ports = {one["name"]: one["containerPort"] for one in built.container["ports"]}
    wanted = {"grpc": settings.listen, "health": settings.health_listen, "metrics": settings.metrics_listen}
    for name, address in wanted.items():
        if address is None or port_of(address) != ports.get(name):
            yield f"the port {name} is {ports.get(name)}, but the server listens on {address}"
        elif not address.startswith(("0.0.0.0:", "[::]:")):
            yield f"nothing outside of the pod reaches {address}"


def _probes(built: Built, settings: Settings) -> Iterator[str]:
    wanted = {"startupProbe": "ragents-startup", "livenessProbe": LIVENESS, "readinessProbe": "ragents-readiness"}
    for kind, name in wanted.items():
        probe: Object = built.container.get(kind, {})
        asked = probe.get("grpc", {})
        if asked.get("service") != name or name not in (LIVENESS, *PROBES):
            yield f"the {kind} asks for {asked.get('service')}, not for {name}, which the server registers"
        if settings.health_listen is None or asked.get("port") != port_of(settings.health_listen):
            yield f"the {kind} asks port {asked.get('port')}, but health is served on {settings.health_listen}"
    startup = built.container.get("startupProbe", {})
    if startup.get("periodSeconds", 10) * startup.get("failureThreshold", 3) < START:
        yield f"the startupProbe gives up before {START} s"


def _files(built: Built) -> Iterator[str]:
    mounted = set(mounted_files(built))
    for name, path in environment_of(built).items():
        if path.startswith("/") and path not in mounted:
            yield f"{name} is {path}, which is not mounted"


def mounted_files(built: Built) -> Iterator[str]:
    """The paths in the container that come from Secrets and ConfigMaps."""
    volumes = {one["name"]: one for one in built.pod["spec"]["volumes"]}
    for mount in built.container["volumeMounts"]:
        volume = volumes[mount["name"]]
        sources = volume.get("projected", {}).get("sources", [volume])
        for source in (one.get("secret") or one.get("configMap") for one in sources):
            if source is None:
                continue
            paths = [item["path"] for item in source["items"]] if "items" in source else ["tls.crt", "tls.key"]
            yield from (f"{mount['mountPath']}/{path}" for path in paths)


def _stopping(built: Built, settings: Settings) -> Iterator[str]:
    """preStop, lame duck, grace and closing, one after the other, against the kubelet's SIGKILL."""
    slept = built.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    took = slept + settings.lame_duck + settings.grace + UNWIND + FLUSH + CLOSING
    given = built.pod["spec"].get("terminationGracePeriodSeconds", 30)
    if took >= given:
        yield f"stopping may take {took:g} s, but terminationGracePeriodSeconds is {given}"
    period, told = built.container.get("readinessProbe", {}).get("periodSeconds", 10), slept + settings.lame_duck
    if told < period:
        yield f"new calls are refused {told:g} s after the order to stop, but readiness is asked every {period} s"


def port_of(address: str) -> int:
    """The number of HOST:NUMBER."""
    return int(address.rpartition(":")[2])


@contextmanager
def environment(variables: dict[str, str], folder: Path) -> Iterator[None]:
    """These RAGENTS_ variables alone, inside the block; files of secrets are in `folder`."""
    kept = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    secret = folder / "secret"
    if any(name.endswith("_FILE") for name in variables):
        secret.write_text(PLACEHOLDER)
    os.environ |= {name: str(secret) if name.endswith("_FILE") else value for name, value in variables.items()}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= kept
