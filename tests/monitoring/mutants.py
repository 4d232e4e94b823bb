"""Broken rules: what a slip of the pen makes of a rule, one slip in each."""

import re
from collections.abc import Callable, Iterator

from tests.monitoring.rules import NAME, Rule

FLIPPED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "!="}
OTHER = {"and": "or", "or": "and", "sum": "max", "max": "min", "avg": "max", "rate": "irate", "/": "*"}
Change = Callable[[re.Match[str]], str]


def mutants(rule: Rule) -> Iterator[tuple[str, Rule]]:
    """What was done, and the rule that it makes."""
    for what, expr in _expressions(rule.expr):
        yield what, rule.with_(expr=expr)
    if "for" in rule.content:
        number, unit = re.fullmatch(r"(\d+)([mh])", rule.content["for"]).groups()  # type: ignore[union-attr]
        yield "it fires at once", rule.with_(**{"for": None})
        yield "it fires ten times later", rule.with_(**{"for": f"{int(number) * 10}{unit}"})
    if "labels" in rule.content:
        yield "no severity", rule.with_(labels=None)


def _expressions(expr: str) -> Iterator[tuple[str, str]]:
    yield from _each(expr, NAME, lambda found: found[0] + "_x", "another metric")
    yield from _each(expr, r"(?<=[<>=] )[\d.]*[1-9]\d*", lambda found: f"{float(found[0]) * 10:g}", "tenfold")
    yield from _each(expr, r"(?<=[<>=] )[\d.]*[1-9]\d*", lambda found: f"{float(found[0]) / 10:g}", "a tenth")
    yield from _each(expr, r"(?<= )(?:[<>]=?|==)(?= )", lambda found: FLIPPED[found[0]], "flipped")
    yield from _each(expr, r"\b\w+[!=]~?\"[^\"]*\",? *", lambda _: "", "matcher dropped")
    yield from _each(expr, r"\|\w+|(?<=\")\w+\|", lambda _: "", "alternative dropped")
    yield from _each(expr, r"(?<=by \()(\w+), |, \w+(?=[\w, ]*\) \()", lambda _: "", "label dropped")
    yield from _each(expr, r"\b(?:and|or|sum|max|avg)\b| / ", lambda found: _other(found[0]), "another operator")
    yield from _each(expr, r"\brate(?=\()", lambda _: "delta", "no counter")
    yield from _each(expr, r"\b0(?= \*)", lambda _: "1", "one for none")
    yield from _each(expr, r"\b0.95\b", lambda _: "0.5", "the median")
    yield from _each(expr, r"(?<=\[)\d+(?=[mhd]\])", lambda found: f"{int(found[0]) * 6}", "a longer window")


def _other(word: str) -> str:
    return word.replace(word.strip(), OTHER[word.strip()])


def _each(expr: str, pattern: str | re.Pattern[str], change: Change, what: str) -> Iterator[tuple[str, str]]:
    """The expression with one place of the pattern changed, for each place."""
    for found in re.finditer(pattern, expr):
        yield (
            f"{what}: {found[0].strip()} at {found.start()}",
            expr[: found.start()] + change(found) + expr[found.end() :],
        )
