"""`scripts/bench`: its short form runs and its figures can be read; made texts are what they are said to be."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ragents_server.models.minilm_tokens import MAX_TOKENS, count_tokens
from scripts.benchmarks import __main__ as bench
from scripts.benchmarks.processes import cpu_seconds, memory_mb
from scripts.benchmarks.texts import Author

ROOT = Path(__file__).parents[2]
KEYS = {"value", "unit", "target", "ok"}


def test_the_short_form_prints_figures_that_parse() -> None:
    command = [sys.executable, "-m", "scripts.benchmarks", "main", "--short", "--json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert ran.returncode == 0, ran.stderr
    figures = json.loads(ran.stdout)
    assert {"cold_start_to_answer", "query_2k_p50", "echo_2k_cpu", "ingestion", "memory_2k"} <= set(figures)
    assert all(set(figure) == KEYS for figure in figures.values())
    assert all(figure["value"] > 0 for figure in figures.values())
    assert all(figure["target"] is None and figure["ok"] for figure in figures.values())


def test_an_unknown_bench_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        bench.main(["nothing"])
    assert ended.value.code == 2
    assert "main" in capsys.readouterr().err


def test_made_texts_are_the_same_for_the_same_seed() -> None:
    first, second = Author(seed=7), Author(seed=7)
    assert [first.passage() for _ in range(3)] == [second.passage() for _ in range(3)]
    assert first.passage() != Author(seed=8).passage()


def test_a_made_passage_is_as_long_as_the_model_reads() -> None:
    author = Author()
    for made in (author.passage() for _ in range(50)):
        assert 950 <= len(made.text) <= 1050
        assert count_tokens(made.text) <= MAX_TOKENS


def test_the_spans_of_a_made_passage_are_its_sentences() -> None:
    made = Author().passage()
    sentences = [made.text[start:end] for start, end in made.sentences]
    assert " ".join(sentences) == made.text
    assert all(one.endswith(".") and one[0].isupper() for one in sentences)


def test_no_question_comes_twice() -> None:
    author = Author()
    passages = [author.passage() for _ in range(5)]
    questions = [author.question(passages) for _ in range(200)]
    assert len(set(questions)) == 200


def test_what_children_cost_is_counted() -> None:
    mine = os.getpid()
    cpu, memory = cpu_seconds(mine), memory_mb(mine)
    held = "data = bytearray(100_000_000); sum(range(3_000_000)); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", held], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert memory_mb(mine) > memory + 90
        assert cpu_seconds(mine) > cpu
        child.communicate(b"\n", timeout=30)
    assert cpu_seconds(mine) > cpu  # though it is gone


def test_questions_run_out_of_no_passage() -> None:
    """A single passage has many questions before its sentences are asked up."""
    author = Author()
    made = author.passage()
    assert len(set(itertools.islice((author.question([made]) for _ in itertools.count()), 50))) == 50
