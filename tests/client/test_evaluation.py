"""`ragents eval` holds answers against what their asker expects."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ragents_client import ContextTooLong
from ragents_client.command.app import app
from ragents_client.command.evaluation import normal
from ragents_client.testing import ReceivedCall, scripted_server
from ragents_client.v1 import Answer, Citation, Document, Passage, Refusal

CITED = Citation(number=1, passage=Passage(document=Document(name="harbour.md")))
ANSWERS: dict[str, Any] = {
    "mole": Answer(text="Boats of 20 m use the Mole-2 [1].", citations=[CITED]),
    "moon": Answer(text="No passage says this.", refusal=Refusal(message="none")),
    "long": ContextTooLong("too much"),
}
HOLD = [
    {"question": "mole", "expected": "mole 2", "document": "harbour.md"},
    {"question": "mole", "expected": ["mole 7", "MOLE 2"]},
    {"question": "mole"},
    {"question": "moon", "refused": True},
]
FAIL = [
    {"question": "mole", "expected": "mole 3"},
    {"question": "mole", "document": "fees.md"},
    {"question": "mole", "refused": True},
    {"question": "moon"},
    {"question": "long"},
]


def answer(call: ReceivedCall) -> Any:
    return ANSWERS[call.request.question.text]


def evaluate(path: Path, lines: list[Any], *options: str) -> Result:
    file = path / "questions.jsonl"
    file.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines))
    with scripted_server({"Query": answer}) as server:
        return CliRunner().invoke(app, ["--server", server.address, *options, "eval", str(file)])


def test_all_hold(tmp_path: Path) -> None:
    result = evaluate(tmp_path, HOLD)
    assert result.exit_code == 0
    assert "all hold   100.0%  of 4" in result.stdout


@pytest.mark.parametrize("case", FAIL, ids=json.dumps)
def test_one_that_does_not_hold_is_shown(tmp_path: Path, case: dict[str, Any]) -> None:
    result = evaluate(tmp_path, [*HOLD, case])
    assert result.exit_code == 1
    assert result.stderr.startswith(case["question"])
    assert "all hold    80.0%  of 5" in result.stdout


def test_json_carries_ratios_and_each_case(tmp_path: Path) -> None:
    result = evaluate(tmp_path, [*HOLD, *FAIL], "--json")
    figures = json.loads(result.stdout)
    assert (result.exit_code, figures["questions"], figures["held"], figures["errors"]) == (1, 9, 4, 1)
    assert figures["ratios"] == {"answered": 0.8333, "refused": 0.5, "expected": 0.6667, "document": 0.5}
    assert [case["holds"] for case in figures["cases"]] == [True] * 4 + [False] * 5


@pytest.mark.parametrize("line", ["{", "[]", '{"expected": "x"}', '{"question": "x", "answer": "y"}', ""])
def test_a_wrong_line_is_wrong_usage(tmp_path: Path, line: str) -> None:
    result = evaluate(tmp_path, [line])
    assert result.exit_code == 2
    assert "questions.jsonl" in result.stderr


def test_no_server_ends_it_at_once(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text(json.dumps({"question": "mole"}))
    with scripted_server({}) as server:
        address = server.address
    assert CliRunner().invoke(app, ["--server", address, "eval", str(file)]).exit_code == 4


def test_only_words_are_compared() -> None:
    assert normal("The “Mole-2”  [1], Straße!") == " the mole 2 strasse "
    assert normal("mole 2") not in normal("mole 23")
