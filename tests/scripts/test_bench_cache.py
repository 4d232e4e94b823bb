"""`scripts/bench cache`: its short form runs; what its figures are compared with is what it is said to be."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from scripts.benchmarks import h2load
from scripts.benchmarks.bare import LOOPS, answering
from scripts.benchmarks.cores import pin
from scripts.benchmarks.errors import BenchError
from scripts.benchmarks.zipf import Request, clairvoyant_hits, layer_hits, stream

ROOT = Path(__file__).parents[2]
METHOD = "/made.Made/Made"
ENTRY, LEAST = 3_000, 2_000  # bytes; an answer takes something between in the layer's memory
needs_h2load = pytest.mark.skipif(shutil.which("h2load") is None, reason="h2load is not installed")
ALWAYS = {"redis_reads_decoded_gain_50_callers", "repeat_saves", "zipf_share_of_optimum"}
WITH_H2LOAD = {"cached_over_echo_default_loop", "cached_over_echo_same_loop", "generator_share_of_its_core"}


def test_the_short_form_prints_figures_that_parse() -> None:
    command = [sys.executable, "-m", "scripts.benchmarks", "cache", "--short", "--json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert ran.returncode == 0, ran.stderr
    figures = json.loads(ran.stdout)
    assert set(figures) >= ALWAYS
    assert set(figures) >= WITH_H2LOAD or "left out" in ran.stderr
    assert all(figure["value"] > 0 for figure in figures.values())
    assert all(figure["target"] is None and figure["ok"] for figure in figures.values())


@needs_h2load
@pytest.mark.parametrize("loop", LOOPS)
async def test_the_bare_server_answers_with_the_bytes_that_it_was_given(tmp_path: Path, loop: str) -> None:
    (tmp_path / "reply").write_bytes(os.urandom(700))
    (tmp_path / "body").write_bytes(h2load.framed(b"asked"))
    core = min(os.sched_getaffinity(0))
    async with answering(METHOD, tmp_path / "reply", loop=loop) as bare:
        found = await h2load.load(bare.address, METHOD, tmp_path / "body", calls=40, connections=4, core=core)
    assert found.bytes == 700
    assert found.rate > 0


@needs_h2load
async def test_a_call_that_fails_is_seen_by_its_length(tmp_path: Path) -> None:
    """The status of a refused call is no HTTP status, so h2load takes it for an answer."""
    (tmp_path / "reply").write_bytes(b"reply")
    (tmp_path / "body").write_bytes(h2load.framed(b"asked"))
    core = min(os.sched_getaffinity(0))
    async with answering(METHOD, tmp_path / "reply", loop="default") as bare:
        found = await h2load.load(bare.address, "/made.Made/No", tmp_path / "body", calls=4, connections=2, core=core)
    assert found.bytes < 0


@needs_h2load
async def test_a_server_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(h2load.framed(b"asked"))
    with pytest.raises(BenchError, match="h2load did not get 4 answers"):
        await h2load.load("127.0.0.1:1", METHOD, tmp_path / "body", calls=4, connections=2, core=0)


async def test_without_h2load_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match="nghttp2-client"):
        await h2load.ready()


def test_a_pinned_process_stays_on_its_core() -> None:
    core = max(os.sched_getaffinity(0))
    waiting = "import threading; threading.Thread(target=input).start(); print(flush=True)"
    with subprocess.Popen([sys.executable, "-c", waiting], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        pin(child.pid, core)
        threads = [int(thread.name) for thread in Path(f"/proc/{child.pid}/task").iterdir()]
        assert [os.sched_getaffinity(thread) for thread in threads] == [{core}] * len(threads)
        child.communicate(b"\n", timeout=30)


def test_the_stream_is_the_same_for_the_same_seed() -> None:
    assert stream(500, seed=7) == stream(500, seed=7)
    assert stream(500, seed=7) != stream(500, seed=8)


def test_the_clairvoyant_is_as_good_as_the_best_of_all_ways_to_keep_answers() -> None:
    random = Random(3)
    for _ in range(40):
        asked = [Request(random.randrange(5), float(at)) for at in range(9)]
        for entries in (1, 2, 3):
            assert clairvoyant_hits(asked, entries=entries, seconds=1e9) == _best(asked, entries, 1e9)


def test_the_clairvoyant_is_the_best_where_answers_grow_old_and_room_does_not_bind() -> None:
    random = Random(4)
    for _ in range(40):
        asked = [Request(random.randrange(3), float(at)) for at in range(9)]
        assert clairvoyant_hits(asked, entries=3, seconds=3.5) == _best(asked, 3, 3.5)


@pytest.mark.parametrize(("entries", "seconds"), [(10_000, 1e9), (10_000, 600.0), (100, 600.0)])
async def test_the_layer_never_beats_the_clairvoyant(entries: int, seconds: float) -> None:
    asked = stream(3_000)
    hits = await layer_hits(asked, size=entries * ENTRY, seconds=seconds)
    assert 0 < hits <= clairvoyant_hits(asked, entries=entries * ENTRY // LEAST, seconds=seconds)


async def test_an_answer_that_is_too_old_is_no_hit() -> None:
    asked = [Request(1, at) for at in (0.0, 5.0, 15.0, 24.0)]
    assert await layer_hits(asked, size=ENTRY, seconds=10) == 2
    assert clairvoyant_hits(asked, entries=1, seconds=10) == 2


async def test_room_for_one_answer_keeps_the_last() -> None:
    asked = [Request(question, float(at)) for at, question in enumerate((1, 1, 2, 2, 1))]
    assert await layer_hits(asked, size=ENTRY, seconds=100) == 2


def _best(asked: Sequence[Request], entries: int, seconds: float) -> int:
    """The hits of the best way, found by trying all: what is kept after each request, out of what is there then."""
    kept: dict[frozenset[tuple[int, float]], int] = {frozenset(): 0}  # question and when its answer was made: hits
    for request in asked:
        following: dict[frozenset[tuple[int, float]], int] = {}
        for before, hits in kept.items():
            made = dict(before)
            hit = request.question in made and request.at - made[request.question] < seconds
            made |= {} if hit else {request.question: request.at}
            for chosen in itertools.combinations(made.items(), min(entries, len(made))):
                state = frozenset(chosen)
                following[state] = max(hits + hit, following.get(state, 0))
        kept = following
    return max(kept.values())
