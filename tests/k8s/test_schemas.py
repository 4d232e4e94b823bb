"""The validators that look at k8s/: what they let through in silence is not let through here."""

from copy import deepcopy

import pytest

from scripts.manifests import policies, schemas
from scripts.manifests.building import Built, overlay


@pytest.fixture(scope="module")
def dev() -> Built:
    return overlay("dev")


def test_the_manifests_follow_the_schemas_of_the_oldest_and_the_newest_kubernetes(dev: Built) -> None:
    assert list(schemas.complaints(dev)) == []


def test_a_misspelt_field_is_told(dev: Built) -> None:
    broken = deepcopy(dev)
    broken.pod["spec"]["terminationGracePeriod"] = 30
    assert any("terminationGracePeriod" in line for line in schemas.complaints(broken))


def test_a_kind_that_nobody_knows_is_told(dev: Built) -> None:
    wrong = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodScaler", "metadata": {"name": "x"}}
    found = list(schemas.complaints(Built("dev", [*dev.objects, wrong])))
    assert any("HorizontalPodScaler" in line for line in found)


def test_a_validator_that_looked_at_nothing_is_no_success() -> None:
    assert any("looked at nothing" in line for line in schemas.complaints(Built("empty", [])))


def test_the_policies_find_a_container_that_may_gain_privileges(dev: Built) -> None:
    broken = deepcopy(dev)
    broken.container["securityContext"]["allowPrivilegeEscalation"] = True
    assert any(line.startswith("CKV_K8S_20 ") for line in policies.complaints(broken))
