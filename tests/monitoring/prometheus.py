"""Debian's promtool and prometheus, the machine's own or those that scripts/setup unpacked."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "k8s/components/monitoring"
SECONDS = 60


def program(name: str) -> Path:
    """Where it is; skips the test where it is not."""
    unpacked = ROOT / ".venv/prometheus/usr/bin" / name
    found = shutil.which(name) or (unpacked if unpacked.exists() else None)
    if found is None:
        pytest.skip("there is no Prometheus")
    return Path(found)


def promtool(*words: str | Path) -> tuple[bool, str]:
    """Whether promtool is content, and what it says."""
    command = [program("promtool"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    return done.returncode == 0, done.stdout + done.stderr
