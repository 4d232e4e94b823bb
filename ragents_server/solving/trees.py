"""Expressions as trees: how they are written, and what unit they are of."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from ragents_server.solving.solution import OutsideError


@dataclass(frozen=True, slots=True)
class Num:
    """A number, with the unit it is of: "$", "km", or ""."""

    value: Fraction
    unit: str = ""
    text: str = ""  # as it was given, where that says more: "15 %"


@dataclass(frozen=True, slots=True)
class Var:
    """An unknown."""

    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """A function of `exact.py` with its arguments."""

    name: str
    args: "tuple[Tree, ...]"


Tree: TypeAlias = Num | Var | Apply

MONEY = {"$": "$", "€": "€", "£": "£", "dollar": "$", "euro": "€", "pound": "£", "usd": "$", "eur": "€", "gbp": "£"}

_SIGNS = {"add": " + ", "subtract": " - ", "multiply": " × ", "divide": " / ", "modulo": " mod "}
_LEVELS = {"add": 1, "subtract": 1, "multiply": 2, "divide": 2, "modulo": 2, "negate": 3, "power": 4}
_NAMES = {"root": "√", "mean": "average", "sum": "sum", "product": "product", "median": "median", "factorial": "!"}


def written(tree: Tree) -> str:
    """As people write it."""
    match tree:
        case Num():
            return tree.text or number_text(tree.value, tree.unit)
        case Var():
            return tree.name
        case Apply("negate", (one,)):
            return f"-{_inside(one, 3)}"
        case Apply("power", (base, exponent)):
            return f"{_inside(base, 5)}^{_inside(exponent, 5)}"
        case Apply("root", (radicand, Num(value=degree))):
            return f"{'√' if degree == 2 else '∛' if degree == 3 else f'root {degree} of '}{_inside(radicand, 5)}"
        case Apply("factorial", (one,)):
            return f"{_inside(one, 5)}!"
        case Apply(name, (left, right)) if name in _SIGNS:
            level = _LEVELS[name]
            return f"{_inside(left, level)}{_SIGNS[name]}{_inside(right, level + (name != 'add'))}"
        case Apply(name, args):
            return f"{_NAMES.get(name, name)}({', '.join(map(written, args))})"


def _inside(tree: Tree, level: int) -> str:
    """In parentheses where it binds less."""
    text = written(tree)
    if isinstance(tree, Apply) and tree.name in _LEVELS:
        return f"({text})" if _LEVELS[tree.name] < level else text
    if isinstance(tree, Num) and level > 2 and not text.replace(".", "").replace(",", "").isdigit():
        return f"({text})"
    return text


def number_text(value: Fraction, unit: str = "") -> str:
    """A rational number as people read it, with separators: "1,250.5", "10/3", "$12.50", "3 km"."""
    text = decimal(value)
    if text is None:
        text = f"{value.numerator}/{value.denominator}"
    else:
        whole, dot, rest = text.partition(".")
        sign = "-" if whole.startswith("-") else ""
        text = f"{sign}{int(whole.lstrip('-')):,}{dot}{rest}"
    if unit in MONEY.values() and unit:
        return money(text, unit)
    return f"{text} {unit}" if unit else text


def money(text: str, unit: str) -> str:
    """An amount with its sign; one decimal becomes two."""
    if "." in text and len(text.partition(".")[2]) == 1:
        text += "0"
    return f"-{unit}{text[1:]}" if text.startswith("-") else f"{unit}{text}"


def decimal(value: Fraction, most: int = 15) -> str | None:
    """Its decimals where there are finitely many, and not more than `most`."""
    twos, rest = 0, value.denominator
    while rest % 2 == 0:
        twos, rest = twos + 1, rest // 2
    fives = 0
    while rest % 5 == 0:
        fives, rest = fives + 1, rest // 5
    places = max(twos, fives)
    if rest != 1 or places > most:
        return None
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"


def unit_of(tree: Tree) -> str:
    """The unit of its value; OutsideError where units do not go together."""
    match tree:
        case Num():
            return tree.unit
        case Var():
            return ""
        case Apply("multiply" | "product" | "modulo", args):
            units = [unit for unit in map(unit_of, args) if unit]
            if len(units) > 1:
                raise OutsideError
            return units[0] if units else ""
        case Apply("divide", (left, right)):
            above, below = unit_of(left), unit_of(right)
            if below and above != below:
                raise OutsideError
            return "" if below else above
        case Apply("power" | "root" | "factorial", (base, *_)):
            if unit_of(base):
                raise OutsideError
            return ""
        case Apply(_, args):
            units = sorted({unit for unit in map(unit_of, args) if unit})
            if len(units) > 1:
                raise OutsideError
            return units[0] if units else ""


def variables(tree: Tree) -> set[str]:
    """The names of the unknowns in it."""
    match tree:
        case Var(name):
            return {name}
        case Apply(_, args):
            return {name for one in args for name in variables(one)}
        case _:
            return set()


def operations(tree: Tree) -> int:
    """How many functions are applied in it."""
    return 1 + sum(map(operations, tree.args)) if isinstance(tree, Apply) else 0


def changed(name: str, left: Tree, right: Tree) -> Tree:
    """A sum or difference; a percentage as its right side is one of the left side: 80 + 15 % is 92."""
    if is_percentage(right) and not is_percentage(left):
        return Apply(name, (left, Apply("multiply", (right, left))))
    return Apply(name, (left, right))


def is_percentage(tree: Tree) -> bool:
    """Whether it was written with a percent sign."""
    return isinstance(tree, Num) and tree.text.endswith("%")
