"""Seeded questions from templates, each with what is right; and whether an answer is that."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from random import Random
from types import ModuleType

from ragents_server.solving import Ambiguous, Solution, solve
from ragents_server.solving.formulas import Backend
from tests.solving import days, problems, riddles
from tests.solving.problems import TODAY, Expected, Problem

KINDS = ("arithmetic", "date", "comparison", "puzzle")
# What a template asks beside what its kind of problem is after: then the problem's other answer is the right one.
OTHERWISE = {
    "race": "last",
    "assignment": "does {person}",
    "cheaper": "Is it",
    "weekday": "Monday",
    "knights": "What is",
}

CITIES = ("Oslo", "Bergen", "Graz", "Lyon", "Porto")
PEOPLE = ("Ann Lee", "Mr Novak", "Dora", "Emil Berg", "the director")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its right answer."""

    kind: str
    name: str
    text: str
    expected: Expected

    def answered_by(self, found: Solution | Ambiguous | None) -> bool:
        """Whether it is what was found."""
        return isinstance(found, Solution) and found.kind == self.kind and is_same(found.value, self.expected)

    def __str__(self) -> str:
        return f"[{self.kind} {self.name}] {self.text!r} -> {self.expected}"


def is_same(value: str, expected: Expected) -> bool:
    """Whether a short result is the expected one, however it is written."""
    match expected:
        case Fraction():
            try:
                return Fraction(value) == expected
            except ValueError:
                return False
        case date():
            return value == expected.isoformat()
        case _:
            return value.lower() == expected.lower() or set(value.split(" and ")) == set(expected.split(" and "))


def questions(dice: Random, templates: ModuleType, kind: str, each: int) -> Iterator[Asked]:
    """`each` questions of every template of a kind."""
    texts: dict[str, Sequence[str]] = getattr(templates, kind.upper())
    for name, wordings in texts.items():
        for wording in wordings:
            for _ in range(each):
                problem = _problem(dice, templates, kind, name)
                expected = problem.others[0] if OTHERWISE.get(name, "\0") in wording else problem.expected
                text = wording.format(**problem.slots)
                if name == "cheaper" and expected in {"first", "second"}:
                    expected = _offer(text, first=expected == "first")
                yield Asked(kind, name, _around(dice, templates, text), expected)


def _problem(dice: Random, templates: ModuleType, kind: str, name: str) -> Problem:
    if kind == "puzzle":
        return riddles.PUZZLE[name](dice, templates.PREMISES)
    made: Problem = getattr(problems if kind == "arithmetic" else days, kind.upper())[name](dice)
    return made


def _offer(text: str, *, first: bool) -> str:
    """What the cheaper offer is called: its words before the price."""
    offers = re.split(r" or ", re.sub(r"^.*?(?:, |: )", "", text.rstrip("?")), maxsplit=1)
    chosen = offers[0] if first else offers[1]
    return re.sub(r"(?: (?:at|for))? ?\$?[\d.]+ (?:for|at) .*$", "", chosen).strip() or re.sub(r" for.*$", "", chosen)


def _around(dice: Random, templates: ModuleType, text: str) -> str:
    before, behind = dice.choice(templates.BEFORE), dice.choice(templates.BEHIND)
    text = text[0].upper() + text[1:]
    if (
        before.endswith(" ")
        and not before.endswith((". ", ": ", "! ", "? "))
        and not re.match(r"(?:[A-Z][a-z]+ (?:is|has|came)|I )", text)
    ):
        text = text[0].lower() + text[1:] if re.split(r"\W", text)[0] not in riddles.PEOPLE else text
    return f"{before}{text}{behind}"


def documents(dice: Random, texts: Sequence[str], each: int) -> Iterator[str]:
    """Questions to documents, with their slots filled."""
    for text in texts:
        for _ in range(each):
            day = days.some_day(dice)
            slots = {
                "year": str(dice.randint(1950, 2030)),
                "year2": str(dice.randint(1950, 2030)),
                "p": str(dice.randint(1, 99)),
                "n": str(dice.randint(10, 5000)),
                "m": str(dice.randint(2, 40)),
                "k": str(dice.randint(1, 9)),
                "date": days.written(dice, day),
                "city": dice.choice(CITIES),
                "city2": dice.choice(CITIES),
                "person": dice.choice(PEOPLE),
                "person2": dice.choice(PEOPLE),
            }
            yield text.format(**slots)


def right(asked: Sequence[Asked], backend: Backend = "auto") -> tuple[list[Asked], list[tuple[Asked, object]]]:
    """Which are answered right, and which are not with what was found."""
    good, bad = list[Asked](), list[tuple[Asked, object]]()
    for one in asked:
        found = solve(one.text, today=TODAY, backend=backend)
        if one.answered_by(found):
            good.append(one)
        else:
            bad.append((one, found))
    return good, bad
