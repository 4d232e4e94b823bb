"""`scripts/bench limits`: its short form runs, and a limiter that refuses is seen."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.benchmarks.errors import BenchError
from scripts.benchmarks.limits import _round

ROOT = Path(__file__).parents[2]


def test_the_short_form_prints_figures_that_parse() -> None:
    command = [sys.executable, "-m", "scripts.benchmarks", "limits", "--short", "--json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    figures = json.loads(ran.stdout)
    assert {"decision_ours", "decision_over_limits", "decision_over_pyrate", "in_process"} <= set(figures)
    assert all(figure["value"] > 0 for figure in figures.values())


async def test_a_limiter_that_refuses_is_no_figure() -> None:
    async def refuses(user: int) -> bool:
        return False

    with pytest.raises(BenchError):
        await _round(refuses, 1)
