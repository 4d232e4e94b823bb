"""Arithmetic: an expression in signs or words with a question around it, or one of the idioms of everyday sums.

    "how much is 12.5 × 4?"   "what is 15 % of 80"   "add 3 to 5 and double it"   "(2 + 3)^2 ="
    "what percent of 80 is 12"   "by how many percent does it grow from 80 to 92"   "how much more is 9 than 4"
    "how many times does 6 go into 42"   "7 tickets at 12.50 each"   "a coat costs 80 and is reduced by 15 %. …"

All of the text must be read: one word that is neither of the question nor of the expression, and it is outside.
"""

import re

from ragents_server.solving.expressions import parse
from ragents_server.solving.idiom import AMOUNT
from ragents_server.solving.idioms import idiomatic
from ragents_server.solving.solution import Ambiguous, OutsideError, Solution
from ragents_server.solving.trees import Tree, operations, unit_of, variables, written
from ragents_server.solving.vocabulary import closed_class

LONGEST = 300

_LEADING = closed_class(
    "what whats is are was were be would will the how much many does do did i we you one they get have make makes for "
    "calculate compute evaluate work out find give determine solve result value answer to an a exact of number equals "
    "amount must pay if when can come from show simplify express tell which then"
)
_TRAILING = closed_class(
    "come comes to equal equals is are how much many what make makes give gives be amount amounts left the total "
    "result "
    "answer then altogether together in all exactly as number decimal remains remain does do it so = get i you we up "
    "value there each one pay have must will would was fraction of"
)
_POLAR = closed_class("is are was were does do did would will can could has have")
_DATE = re.compile(r"\b\d{4}-\d\d?-\d\d?\b|\b\d\d?\.\d\d?\.\d{4}\b")
_UNCLEAR = re.compile(rf"(?:(?:what|how much) (?:is|are) )?(\d+(?:\.\d+)?) ?% (?:on )?({AMOUNT})[ ?.]*")
# "9/11", "24/7", "4x4", "50-50": names and not sums, unless somebody says to calculate.
_NAME = re.compile(r"\d+ ?(?:[-/x]|-/)\d+")


def solve_arithmetic(text: str) -> Solution | Ambiguous:
    """The plain text's result; OutsideError, UnsolvedError."""
    if len(text) > LONGEST or not re.search(r"\d", text) or _DATE.search(text):
        raise OutsideError
    if unclear := _UNCLEAR.fullmatch(text):
        return _share_of_what(*unclear.groups())
    tree, unit = idiomatic(text) or (_framed(text), "")
    if not operations(tree) or variables(tree):
        raise OutsideError
    return _solution(tree, unit)


def _share_of_what(share: str, amount: str) -> Ambiguous:
    options = (f"{share}% of {amount}", f"{amount} plus {share}%", f"{amount} minus {share}%")
    return Ambiguous(
        f"{share} % of what? {amount} can be the whole, or what it is added to or taken off.", options, options
    )


def _framed(text: str) -> Tree:
    """The expression inside a question; the words of the question may stand before it and behind it."""
    words = text.rstrip(" ?.!:" if re.search(r"\d ?!$", text) is None else " ?.:").split(" ")
    core = " ".join(word for word in words if word not in {"what", "is", "the", "are", "a", "an"})
    if len(words) == 1 or _NAME.fullmatch(core):
        _refuse_names(words)
    if words[0] in _POLAR:
        raise OutsideError
    first = next((at for at, word in enumerate(words) if word.strip(",:;") not in _LEADING), 0)
    behind = next((at for at, word in enumerate(reversed(words)) if word.strip(",:;?") not in _TRAILING), 0)
    for start in range(first, -1, -1):
        for end in range(len(words) - behind, len(words) + 1):
            try:
                return parse(" ".join(words[start:end]).rstrip(",:;?= "))
            except OutsideError:
                continue
    raise OutsideError


def _refuse_names(words: list[str]) -> None:
    """A bare "2020-2021" or a phone number is no sum; "3+4" and "12*5" are."""
    core = words[-1] if len(words) == 1 else ""
    if not (re.search(r"[+*^√!]|\d\(|\)", core) and re.search(r"\d", core)) and not core.endswith("="):
        raise OutsideError


def _solution(tree: Tree, unit: str) -> Solution:
    from ragents_server.solving.exact import short, shown, worked_out

    measured = unit or unit_of(tree)
    value, steps = worked_out(tree)
    result = shown(value, measured)
    asked = written(tree) if not unit else f"{written(tree)} %"
    plain = f"The result is {result}." if len(asked) > 120 else f"{written(tree)} = {result}."
    return Solution("arithmetic", short(value), plain if not unit else f"It is {result.replace(' %', '')} %.", steps)
