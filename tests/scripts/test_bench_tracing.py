"""`scripts/bench tracing` in its short form."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_short_form_measures_ours_beside_the_peers_and_what_callers_notice() -> None:
    command = [sys.executable, "-m", "scripts.benchmarks", "tracing", "--short", "--json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert ran.stdout, ran.stderr
    figures = json.loads(ran.stdout)
    wanted = {"cpu_3_spans", "cpu_further_span", "p99_off", "p99_on_over_off", "p99_blackholed_over_off"}
    assert {f"tracing_{name}" for name in wanted} <= figures.keys()
    assert figures["tracing_memory_blackholed"]["ok"]
    assert all(figure["value"] > 0 for name, figure in figures.items() if name.startswith("tracing_cpu_3"))
