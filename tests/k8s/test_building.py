"""Builds of k8s/: what kustomize does not take is told, and a tool that is not there too."""

from pathlib import Path

import pytest

from scripts.manifests import building
from scripts.manifests.building import ManifestError, composed, overlay, parsed, text_of
from scripts.manifests.quantities import quantity, share


def test_a_build_has_no_two_objects_of_one_name() -> None:
    objects = [(one["kind"], one["metadata"]["name"]) for one in overlay("prod").objects]
    assert len(objects) == len(set(objects))


def test_a_component_is_laid_over_the_base() -> None:
    with composed("with-redis", ["redis"]) as folder:
        built = parsed("with-redis", text_of(folder))
    assert {one["metadata"]["name"] for one in built.of_kind("StatefulSet")} == {"redis-cache", "redis-state"}


def test_what_kustomize_does_not_take_is_told(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [absent.yaml]")
    with pytest.raises(ManifestError, match=r"absent\.yaml"):
        text_of(tmp_path)


def test_a_warning_of_kustomize_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("commonLabels: {a: b}")
    with pytest.raises(ManifestError, match="commonLabels"):
        text_of(tmp_path)


def test_a_tool_that_is_absent_names_what_brings_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(building, "TOOLS", tmp_path)
    with pytest.raises(ManifestError, match="run scripts/setup kubernetes"):
        overlay("dev")


@pytest.mark.parametrize(
    ("text", "value"), [("250m", 0.25), ("2", 2), ("4Gi", 4 * 2**30), ("1M", 1e6), ("1.5k", 1500), (3, 3)]
)
def test_quantities_are_numbers(text: str, value: float) -> None:
    assert quantity(text) == value


@pytest.mark.parametrize("text", ["", "Gi", "1Q", "-1"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        quantity(text)


def test_percents_are_of_the_whole() -> None:
    assert share("25%", 20) == 5
    assert share(1, 20) == 1
