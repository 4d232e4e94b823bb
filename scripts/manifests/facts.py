"""All facts that objects must agree on, held against one build."""

from collections.abc import Iterator

from scripts.manifests import pod_facts, route_facts, scaling_facts, settings_facts
from scripts.manifests.building import Built, ManifestError

GROUPS = (settings_facts, scaling_facts, pod_facts, route_facts)


def complaints(built: Built) -> Iterator[str]:
    """What does not fit, a line each, begun with the build's name; none when all does."""
    for group in GROUPS:
        try:
            yield from (f"{built.name}: {line}" for line in group.complaints(built))
        except ManifestError as missing:
            yield str(missing)
