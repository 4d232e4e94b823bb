"""`scripts/check_k8s`: every overlay, every component, the image and the compose file, against facts and tools."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack

from scripts.manifests import facts, image_facts, pod_facts, policies, schemas
from scripts.manifests.building import K8S, Built, ManifestError, composed, overlay, parsed, text_of
from scripts.manifests.pod_facts import examples

OVERLAYS = ("dev", "staging", "prod")
# Components that no overlay has by itself, over the base or beside those that they go with.
COMPOSED: dict[str, tuple[str, ...]] = {
    "keda": ("monitoring", "keda"),
    "gateway": ("gateway",),
    "istio": ("redis", "postgres", "istio"),
    "linkerd": ("redis", "postgres", "linkerd"),
}


def builds() -> Iterator[Built]:
    """All there is to check."""
    yield from map(overlay, OVERLAYS)
    for name, components in COMPOSED.items():
        with ExitStack() as folders:
            yield parsed(name, text_of(folders.enter_context(composed(name, components))))


def main() -> int:
    """1 when anything does not fit, 2 when it could not be checked."""
    try:
        built = list(builds())
        found = [line for one in built for line in facts.complaints(one)]
        drill = parsed("drill", text_of(K8S / "drill"))
        others = [Built("secrets", examples()), parsed("adapter", text_of(K8S / "adapter")), drill]
        found += [f"drill: {line}" for line in pod_facts.complaints(drill)]
        found += image_facts.complaints(built[-1], drill)
        found += schemas.complaints(*built, *others)
        found += policies.complaints(*built, drill)
    except ManifestError as failed:
        print(f"scripts/check_k8s: {failed}", file=sys.stderr)
        return 2
    print("\n".join(found), file=sys.stderr)
    objects = sum(len(one.objects) for one in built)
    print(f"k8s: {len(built)} builds with {objects} objects, {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
