"""Facts of all pods: Pod Security `restricted`, no API token, secrets as files, and what is named is there."""

from collections.abc import Iterator

import yaml

from scripts.manifests.building import K8S, Built, Object

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
# Made in the cluster, by whom the component's comment says.
MADE = {"ragents-postgres-app", "ragents-tls"}


def workloads(built: Built) -> list[Object]:
    """All that makes pods."""
    return built.of_kind("Deployment", "StatefulSet", "Job", "DaemonSet")


def complaints(built: Built) -> Iterator[str]:
    """What does not fit, a line each."""
    for one in workloads(built):
        name, pod = one["metadata"]["name"], one["spec"]["template"]["spec"]
        yield from (f"{name}: {line}" for line in _pod(pod))
        yield from (f"{name}: {line}" for container in _containers(pod) for line in _container(container))
        yield from (f"{name}: {line}" for line in _references(built, pod))
    yield from _namespace(built)
    yield from _selectors(built)


def _containers(pod: Object) -> list[Object]:
    return [*pod.get("initContainers", ()), *pod["containers"]]


def _pod(pod: Object) -> Iterator[str]:
    context = pod.get("securityContext", {})
    if not context.get("runAsNonRoot") or context.get("runAsUser", 0) == 0:
        yield "may run as root"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"
    if pod.get("automountServiceAccountToken", True):
        yield "has a token of the Kubernetes API"
    if pod.get("enableServiceLinks", True):
        yield "gets the variables of Services, which the server refuses as unknown settings"
    for volume in pod.get("volumes", ()):
        if kinds := set(volume) - {"name"} - VOLUMES:
            yield f"the volume {volume['name']} is a {min(kinds)}, which `restricted` forbids"
    yield from (f"has {key}" for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key))


def _container(container: Object) -> Iterator[str]:
    context, name = container.get("securityContext", {}), container["name"]
    if context.get("allowPrivilegeEscalation", True):
        yield f"{name} may gain privileges"
    if context.get("capabilities", {}).get("drop") != ["ALL"]:
        yield f"{name} keeps capabilities"
    if not context.get("readOnlyRootFilesystem"):
        yield f"{name} may write into its image"
    if "memory" not in container.get("resources", {}).get("limits", {}):
        yield f"{name} has no limit of memory"
    named = [*container.get("env", ()), *container.get("envFrom", ())]
    if any("secretRef" in one or "secretKeyRef" in one.get("valueFrom", {}) for one in named):
        yield f"{name} has a secret in a variable"


def _references(built: Built, pod: Object) -> Iterator[str]:
    """Secrets, ConfigMaps and the service account that the pod names."""
    there = {(one["kind"], one["metadata"]["name"]) for one in (*built.objects, *examples())}
    volumes = pod.get("volumes", ())
    sources = [source for volume in volumes for source in volume.get("projected", {}).get("sources", [volume])]
    named = [
        ("Secret", one["secret"].get("secretName") or one["secret"].get("name")) for one in sources if "secret" in one
    ]
    named += [("ConfigMap", one["configMap"]["name"]) for one in sources if "configMap" in one]
    named += [
        ("ConfigMap", source["configMapRef"]["name"])
        for container in _containers(pod)
        for source in container.get("envFrom", ())
        if "configMapRef" in source
    ]
    named += [("ServiceAccount", pod["serviceAccountName"])] if "serviceAccountName" in pod else []
    for kind, name in named:
        if (kind, name) not in there and name not in MADE:
            yield f"there is no {kind} {name}"


def examples() -> list[Object]:
    """The Secrets of secrets.example.yaml."""
    return [one for one in yaml.safe_load_all((K8S / "secrets.example.yaml").read_text()) if one is not None]


def _namespace(built: Built) -> Iterator[str]:
    for one in built.of_kind("Namespace"):
        if one["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"the namespace {one['metadata']['name']} does not enforce `restricted`"
    names = {one["metadata"]["name"] for one in built.of_kind("Namespace")}
    places = {one["metadata"].get("namespace", "default") for one in built.objects if one["kind"] != "Namespace"}
    if names != places:
        yield f"objects are in {', '.join(sorted(places))}, but the namespace is {', '.join(sorted(names))}"
    denied = [one for one in built.of_kind("NetworkPolicy") if one["spec"]["podSelector"] == {}]
    if not any(
        set(one["spec"]["policyTypes"]) == {"Ingress", "Egress"} and "egress" not in one["spec"] for one in denied
    ):
        yield "no NetworkPolicy denies what is not named"


def _selectors(built: Built) -> Iterator[str]:
    """A selector that meets no pod does nothing, in silence."""
    pods = [(one["spec"]["template"]["metadata"]["labels"]) for one in workloads(built)]
    pods += [one["spec"].get("inheritedMetadata", {}).get("labels", {}) for one in built.of_kind("Cluster")]
    for one in built.of_kind("Service", "PodDisruptionBudget", "NetworkPolicy", "PodMonitor", *WORKLOADS):
        spec, name = one["spec"], f"{one['kind']} {one['metadata']['name']}"
        selector = spec.get("podSelector", spec.get("selector", {}))
        wanted = selector.get("matchLabels", {} if one["kind"] == "NetworkPolicy" else selector)
        if not any(wanted.items() <= labels.items() for labels in pods):
            yield f"{name} selects {wanted}, which no pod has"
        yield from _targets(built, one, wanted)


WORKLOADS = ("Deployment", "StatefulSet")


def _targets(built: Built, one: Object, wanted: dict[str, str]) -> Iterator[str]:
    """A Service's ports that a pod it selects does not have by name."""
    if one["kind"] != "Service":
        return
    for workload in workloads(built):
        template = workload["spec"]["template"]
        if not wanted.items() <= template["metadata"]["labels"].items():
            continue
        names = {port["name"] for container in template["spec"]["containers"] for port in container["ports"]}
        for port in one["spec"]["ports"]:
            if port["targetPort"] not in names:
                yield f"Service {one['metadata']['name']} leads to port {port['targetPort']}, which there is not"
