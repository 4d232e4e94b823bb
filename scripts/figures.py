"""Figures with their targets, as the scripts that measure print and keep them: one form for all."""

import argparse
import json
import math
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "docs/figures"
SLACK = 1e-9  # sums of floats: .565 is not below .570 - .005


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number; `target` says in words what it must be, empty where it is only shown."""

    name: str
    value: float
    unit: str = ""
    target: str = ""
    ok: bool = True

    @classmethod
    def at_least(cls, name: str, value: float, least: float, unit: str = "") -> "Figure":
        """A figure that must not be smaller."""
        return cls(name, value, unit, f">= {number(least)}", value >= least - SLACK)

    @classmethod
    def at_most(cls, name: str, value: float, most: float, unit: str = "") -> "Figure":
        """A figure that must not be larger."""
        return cls(name, value, unit, f"<= {number(most)}", value <= most + SLACK)

    @classmethod
    def near(cls, name: str, value: float, wanted: float, by: float, unit: str = "") -> "Figure":
        """A figure that must not be further than `by` from what is wanted."""
        return cls(name, value, unit, f"{number(wanted)} ± {number(by)}", abs(value - wanted) <= by + SLACK)


def number(value: float) -> str:
    """A number as people read it: whole, or with up to four digits after the point."""
    if not math.isfinite(value) or value == round(value):
        return f"{value:.0f}"
    return f"{value:.4f}".rstrip("0").rstrip(".") if abs(value) < 10 else f"{value:.1f}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that all scripts with figures have."""
    parser.add_argument("--json", action="store_true", help="print {figure: {value, unit, target, ok}}")
    parser.add_argument("--short", action="store_true", help="the short form, for CI")
    parser.add_argument("--write", action="store_true", help="keep the figures in docs/figures/")


def report(figures: Sequence[Figure], *, as_json: bool) -> int:
    """Prints the figures on standard output; the exit status: 1 when a target is missed."""
    print(json.dumps(as_data(figures), indent=2, ensure_ascii=False) if as_json else table(figures))
    missed = [figure.name for figure in figures if not figure.ok]
    if missed:
        print(f"missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


def as_data(figures: Iterable[Figure]) -> dict[str, dict[str, Any]]:
    """The figures by name; a number that JSON does not know becomes null."""
    return {
        one.name: {
            "value": round(one.value, 6) if math.isfinite(one.value) else None,
            "unit": one.unit,
            "target": one.target or None,
            "ok": one.ok,
        }
        for one in figures
    }


def table(figures: Sequence[Figure]) -> str:
    """The figures for people, a line each, in columns."""
    head = ("figure", "value", "unit", "target", "")
    rows = [(one.name, number(one.value), one.unit, one.target, mark(one)) for one in figures]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(_line(row, widths) for row in (head, tuple("-" * width for width in widths), *rows))


def mark(figure: Figure) -> str:
    """Whether the target holds, in a word."""
    if not figure.target:
        return ""
    return "ok" if figure.ok else "MISSED"


def _line(row: tuple[str, ...], widths: Sequence[int]) -> str:
    cells = [
        cell.rjust(width) if at == 1 else cell.ljust(width)
        for at, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def write(name: str, figures: Sequence[Figure], command: str, folder: Path = FOLDER) -> Path:
    """Keeps the figures in `folder`/`name`.json, with how, where and when they were measured."""
    kept = {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "figures": as_data(figures),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def machine() -> dict[str, str | int]:
    """What the figures depend on, and nothing that names the machine."""
    return {
        "cpu": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
    }


def processor() -> str:
    """The processor's model, or its architecture where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())
