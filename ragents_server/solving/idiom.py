"""What an idiom is: a pattern of a whole text, and the expression that its numbers make."""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

from ragents_server.solving.expressions import parse
from ragents_server.solving.trees import Apply, Num, Tree, changed

_NUMERIC = r"[\d.,$€£()+\-*/^%! ]*\d[\d.,$€£()+\-*/^%! ]*"
AMOUNT = r"[$€£]? ?\d+(?:\.\d+)? ?(?:dollars?|euros?|pounds?|usd|eur)?"
_NOUN = r"(?:(?!and\b|or\b|at\b|for\b|if\b)[a-z][a-z-]*)"
THEN = (
    r"(?:[.;,?]? ?(?:and |so |then )?(?:(?:how much|what) (?:is|are|was|will|would|does|do|must|should) ?"
    r"(?:the|its|it|i|you|we|one|that)? ?(?:new |final |reduced |sale |total |increased )?"
    r"(?:price|cost|rent|fee|amount|value|it|salary|pay|bill|total|be|have to pay|need to pay)? ?"
    r"(?:be|is|cost|now|then|after that|afterwards|to pay|in the end|come to)* ?(?:then|now|afterwards)?))"
)


def per(left: str, right: str) -> Tree:
    """A quotient."""
    return Apply("divide", (parse(left), parse(right)))


def percent(part: str, whole: str) -> Tree:
    """A part of a whole in percent."""
    return Apply("multiply", (per(part, whole), Num(Fraction(100))))


def growth(before: str, after: str) -> Tree:
    """What a value grew by, in percent of what it was."""
    old, new = parse(before), parse(after)
    share = Apply("divide", (Apply("subtract", (new, old)), old))
    return Apply("multiply", (share, Num(Fraction(100))))


def more(a: str, b: str) -> Tree:
    """A difference."""
    return Apply("subtract", (parse(a), parse(b)))


def changed_by(base: str, by: str, name: str) -> Tree:
    """A value more or less so much, or so many percent of it; `name` is "add" or "subtract"."""
    return changed(name, parse(base), parse(by))


def times(count: str, each: str) -> Tree:
    """A price so many times."""
    return Apply("multiply", (Num(Fraction(count)), parse(each)))


UP = r"(?:increased|raised|goes up|rises|grows|went up|rose|grew|is raised|is increased|increases|up)"
DOWN = (
    r"(?:reduced|lowered|discounted|marked down|cut|decreased|goes down|falls|drops|fell|dropped|sinks|shrinks|"
    r"cheaper|down)"
)
Idiom: TypeAlias = tuple[re.Pattern[str], Callable[..., Tree], str]  # with the unit of its value


def idiom(pattern: str, tree: Callable[..., Tree], unit: str = "") -> Idiom:
    """NUM, PRICE and NOUN in the pattern stand for what their names say; `tree` gets the texts of NUM and PRICE."""
    pattern = pattern.replace("NUM", f"({_NUMERIC})").replace("PRICE", f"({AMOUNT})").replace("NOUN", _NOUN)
    return re.compile(rf"(?:{pattern})[ ?.=!]*", re.DOTALL), tree, unit
