"""checkov's policies over a build; those that are skipped stand in k8s/checkov.yaml with their reasons."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from scripts.manifests.building import K8S, Built, tool

SECONDS = 120


def complaints(*builds: Built) -> Iterator[str]:
    """Failed checks, a line each; also where hardly any was made, so that a broken run cannot pass."""
    with TemporaryDirectory() as folder:
        for built in builds:
            (Path(folder) / f"{built.name}.yaml").write_text(yaml.safe_dump_all(built.objects))
        yield from _checked(Path(folder), least=40 * len(builds))


def _checked(folder: Path, least: int) -> Iterator[str]:
    command = [
        *(tool("checkov"), "--directory", str(folder), "--config-file", str(K8S / "checkov.yaml")),
        *("--framework", "kubernetes", "--skip-download", "--output", "json", "--quiet"),
    ]
    # Nothing may leave the machine, nor be looked for elsewhere.
    alone = {"CHECKOV_RUN_SCA_PACKAGE_SCAN_V2": "false", "NO_PROXY": "*", "LOG_LEVEL": "ERROR"}
    found = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=False, env=os.environ | alone
    )
    try:
        told = json.loads(found.stdout)
    except json.JSONDecodeError:
        yield f"checkov: {(found.stderr or found.stdout).strip()[-500:]}"
        return
    for check in told["results"]["failed_checks"]:
        yield f"{check['check_id']} {check['resource']} in {Path(check['file_path']).name}: {check['check_name']}"
    if told["summary"]["passed"] < least:
        yield f"checkov made {told['summary']['passed']} checks only"
