"""`ragents eval`: the user's own questions with what their answers should say."""

import json
import re
import statistics
import sys
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import track

from ragents_client.calls.questions import Asked
from ragents_client.client import Client
from ragents_client.command.asking import Collections, options_of
from ragents_client.command.connection import connection
from ragents_client.command.exits import Exit
from ragents_client.command.screen import complain, err, patience, print_json, say
from ragents_client.errors import RagentsError, Unreachable
from ragents_client.v1 import Answer

KEYS = {"question", "expected", "document", "refused"}
Questions = Annotated[
    Path,
    typer.Argument(
        exists=True,
        dir_okay=False,
        show_default=False,
        help="JSON lines {question, expected, document, refused}: `expected` is a text, or several of which one must "
        "stand in the answer; `document` must be cited; `refused`: whether the documents do not answer it.",
    ),
]


@dataclass(frozen=True, slots=True)
class Case:
    """A question and what is expected of its answer."""

    question: str
    expected: tuple[str, ...] = ()
    document: str = ""
    refused: bool | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one question went: each check that applies, and whether it holds."""

    question: str
    answer: str
    refused: bool
    seconds: float
    checks: dict[str, bool] = field(default_factory=dict)
    error: str = ""

    @property
    def holds(self) -> bool:
        """Whether the call succeeded and all checks hold."""
        return not self.error and all(self.checks.values())


def read_cases(path: Path) -> Iterator[Case]:
    """The questions of a file; a wrong line is a usage error that names it."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            try:
                yield case_of(json.loads(line))
            except (ValueError, TypeError, KeyError) as wrong:
                raise typer.BadParameter(f"{path}, line {number}: {wrong}") from None


def case_of(given: Any) -> Case:
    """One line of the file."""
    if not isinstance(given, dict) or not isinstance(given.get("question"), str):
        raise TypeError("an object with a `question` is expected")
    if unknown := set(given) - KEYS:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(KEYS))}")
    expected = given.get("expected") or ()
    texts = (expected,) if isinstance(expected, str) else tuple(str(one) for one in expected)
    return Case(given["question"], texts, given.get("document") or "", given.get("refused"))


def normal(text: str) -> str:
    """The words alone: no case, no punctuation, no citation markers, one space between."""
    plain = re.sub(r"\[\d+\]", " ", unicodedata.normalize("NFKC", text).casefold())
    words = " ".join(re.findall(r"\w+", plain))
    return f" {words} "


def checks_of(case: Case, answer: Answer) -> dict[str, bool]:
    """What is expected, and whether the answer does it."""
    refused = answer.HasField("refusal")
    checks = {"refused" if case.refused else "answered": refused == bool(case.refused)}
    if case.expected:
        checks["expected"] = not refused and any(normal(text) in normal(answer.text) for text in case.expected)
    if case.document:
        checks["document"] = any(one.passage.document.name == case.document for one in answer.citations)
    return checks


def judge(rag: Client, case: Case, options: Asked) -> Verdict:
    """Asks one question; a failed call is a verdict too, but for a server that is not there."""
    started = time.monotonic()
    try:
        answer = rag.query(case.question, **options)
    except Unreachable:
        raise
    except RagentsError as error:
        return Verdict(case.question, "", False, time.monotonic() - started, error=str(error))
    seconds = round(time.monotonic() - started, 4)
    return Verdict(case.question, answer.text, answer.HasField("refusal"), seconds, checks_of(case, answer))


def ratios(verdicts: list[Verdict]) -> dict[str, float]:
    """The share of each check that holds, 0 to 1, where it applies."""
    kinds = ("answered", "refused", "expected", "document")
    held = {kind: [one.checks[kind] for one in verdicts if kind in one.checks] for kind in kinds}
    return {kind: round(sum(values) / len(values), 4) for kind, values in held.items() if values}


def report(verdicts: list[Verdict]) -> dict[str, Any]:
    """All figures, for JSON."""
    return {
        "questions": len(verdicts),
        "held": sum(one.holds for one in verdicts),
        "errors": sum(bool(one.error) for one in verdicts),
        "ratios": ratios(verdicts),
        "median_seconds": round(statistics.median(one.seconds for one in verdicts), 4),
        "cases": [{**asdict(one), "holds": one.holds} for one in verdicts],
    }


def show(verdicts: list[Verdict]) -> None:
    """What failed, then the figures."""
    for one in (one for one in verdicts if not one.holds):
        failed = one.error or ", ".join(f"not {check}" for check, holds in one.checks.items() if not holds)
        complain(f"{one.question}\n    {failed}: {one.answer}".rstrip(": "))
    figures = report(verdicts)
    for kind, ratio in figures["ratios"].items():
        applied = sum(kind in one.checks for one in verdicts)
        say(f"{kind:<10}{ratio:>7.1%}  of {applied}")
    say(f"{'all hold':<10}{figures['held'] / len(verdicts):>7.1%}  of {len(verdicts)}")
    say(f"median    {figures['median_seconds'] * 1000:>6.0f} ms")


def evaluate(context: typer.Context, questions: Questions, collection: Collections = None) -> None:
    """Ask your own questions and check the answers; 0 when all hold, else 1."""
    settings, options = connection(context), options_of(collection, None, None)
    cases = list(read_cases(questions))
    if not cases:
        raise typer.BadParameter(f"{questions} has no questions")
    with settings.open() as rag, patience(settings.server) as first:
        verdicts = []
        for case in track(cases, "asking", console=err(), transient=True, disable=not sys.stderr.isatty()):
            verdicts.append(judge(rag, case, options))
            first()
    print_json(report(verdicts)) if settings.json else show(verdicts)
    raise typer.Exit(Exit.DONE if all(one.holds for one in verdicts) else Exit.FAILED)
