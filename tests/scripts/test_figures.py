"""The shared form of figures: what people, programs and the kept files see."""

import json
import math
from pathlib import Path

import pytest

from scripts.figures import Figure, as_data, number, report, table, write


def test_a_target_holds_at_its_very_border() -> None:
    assert Figure.at_least("x", 0.570 - 0.005, 0.565).ok
    assert Figure.at_most("x", 0.1 + 0.2, 0.3).ok
    assert Figure.near("x", 0.949, 0.944, 0.005).ok


@pytest.mark.parametrize(
    "figure",
    [Figure.at_least("x", 0.56, 0.565), Figure.at_most("x", 61, 60), Figure.near("x", 0.95, 0.944, 0.005)],
)
def test_a_target_is_missed_beyond_its_border(figure: Figure) -> None:
    assert not figure.ok


@pytest.mark.parametrize(
    "figure",
    [Figure.at_least("x", math.nan, 0.5), Figure.at_most("x", math.nan, 0.5), Figure.near("x", math.nan, 1, 1)],
)
def test_what_could_not_be_measured_misses_its_target(figure: Figure) -> None:
    assert not figure.ok
    assert as_data([figure])["x"]["value"] is None


def test_a_figure_without_a_target_is_only_shown() -> None:
    assert as_data([Figure("size", 240, "documents")]) == {
        "size": {"value": 240, "unit": "documents", "target": None, "ok": True}
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [(240.0, "240"), (0.5, "0.5"), (0.94399, "0.944"), (-0.02, "-0.02"), (1234.56, "1234.6"), (math.nan, "nan")],
)
def test_numbers_are_as_short_as_people_read_them(value: float, text: str) -> None:
    assert number(value) == text


def test_the_table_has_a_line_a_figure_and_marks_what_is_missed() -> None:
    lines = table([Figure.at_least("good", 1, 0.5), Figure.at_least("bad", 0, 0.5, "share"), Figure("shown", 3)])
    assert [line.split() for line in lines.splitlines()[2:]] == [
        ["good", "1", ">=", "0.5", "ok"],
        ["bad", "0", "share", ">=", "0.5", "MISSED"],
        ["shown", "3"],
    ]


def test_the_exit_status_and_a_line_tell_what_is_missed(capsys: pytest.CaptureFixture[str]) -> None:
    assert report([Figure.at_least("good", 1, 0.5)], as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["good"]["target"] == ">= 0.5"
    assert report([Figure.at_least("good", 1, 0.5), Figure.at_least("bad", 0, 0.5)], as_json=False) == 1
    assert capsys.readouterr().err == "missed: bad\n"


def test_kept_figures_say_how_when_and_on_what_they_were_measured(tmp_path: Path) -> None:
    path = write("eval", [Figure("size", 3)], "scripts/eval --write", tmp_path / "figures")
    kept = json.loads(path.read_text())
    assert path.name == "eval.json"
    assert kept["command"] == "scripts/eval --write"
    assert kept["figures"]["size"]["value"] == 3
    assert set(kept["machine"]) == {"cpu", "cores", "memory_gb", "python"}
    assert kept["date"].count("-") == 2
