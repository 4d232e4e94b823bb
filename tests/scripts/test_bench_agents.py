"""`scripts/bench agents`: its short form runs; both sides save the same conversation, and a lost turn is seen."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from scripts.benchmarks import talk
from scripts.benchmarks.errors import BenchError
from scripts.benchmarks.keepers import Official, Ours, sides
from scripts.benchmarks.putting import recorded, replayed
from scripts.benchmarks.turning import talked

ROOT = Path(__file__).parents[2]
TARGETS = {"savers_30_threads", "turns_30_threads", "growth_cpu_ours", "growth_wall_ours", "wal"}
SHOWN = {
    "cold_read_ours",
    "cold_read_official",
    "warm_read_ours",
    "run_1_caller_p50",
    "run_16_callers",
    "tokens_of_logical",
}

Both = tuple[Ours, Official]


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    async with sides() as opened:
        yield opened


def test_the_short_form_prints_figures_that_parse() -> None:
    command = [sys.executable, "-m", "scripts.benchmarks", "agents", "--short", "--json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert ran.returncode == 0, ran.stderr
    figures = json.loads(ran.stdout)
    assert set(figures) >= TARGETS | SHOWN
    assert all(figure["value"] > 0 for figure in figures.values())
    assert all(figure["target"] is None and figure["ok"] for figure in figures.values())


async def test_a_recorded_turn_is_what_langgraph_saves() -> None:
    saved = await recorded(3)
    assert [(len(turn.puts), len(turn.writes)) for turn in saved] == [(3, 2)] * 3
    parents = [put[0] for turn in saved for put in turn.puts]
    checkpoints = [put[1]["id"] for turn in saved for put in turn.puts]
    assert parents == [None, *checkpoints[:-1]], "each follows the one before"
    messages = [put[1]["channel_values"].get("messages", []) for turn in saved for put in turn.puts]
    assert [len(one) for one in messages] == [0, 1, 2, 2, 3, 4, 4, 5, 6]


async def test_both_savers_hold_what_was_put(both: Both) -> None:
    saved = await recorded(4)
    read = []
    for side in both:
        await replayed(side.saver, saved, "replayed")
        config: Any = {"configurable": {"thread_id": "replayed", "checkpoint_ns": ""}}
        async with side.another() as saver:
            found = await saver.aget_tuple(config)
        assert found is not None
        read.append(found.checkpoint)
    last = saved[-1].puts[-1][1]
    for name in ("id", "channel_values", "channel_versions"):
        assert read[0][name] == read[1][name] == last[name]


async def test_both_sides_have_the_same_conversation(both: Both) -> None:
    told = []
    for side in both:
        await talked(side, ["one", "two"], range(1, 6))
        async with side.another() as saver:
            found = await saver.aget_tuple(side.config("one"))
        assert found is not None
        told.append([(one.type, one.content) for one in found.checkpoint["channel_values"]["messages"]])
    assert told[0] == told[1]
    assert told[0][-2:] == [("human", talk.asked(5)), ("ai", talk.answered(8))]


async def test_a_turn_that_is_lost_is_seen(both: Both) -> None:
    for side in both:
        await talked(side, ["one"], range(1, 3))
        with pytest.raises(BenchError):
            await side.turn("one", 4)


def test_texts_are_the_same_in_each_process() -> None:
    command = [sys.executable, "-c", "from scripts.benchmarks import talk; print(talk.asked(3), talk.answered(70))"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == f"{talk.asked(3)} {talk.answered(70)}\n"
