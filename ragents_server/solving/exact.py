"""The exact value of an expression, with sympy: bounded in digits, so that nobody waits for 10^(10^10)."""

import math
from fractions import Fraction
from typing import Any

from ragents_server.solving.solution import UnsolvedError
from ragents_server.solving.symbols import Exact, sympy
from ragents_server.solving.trees import Apply, Num, Tree, decimal, money, number_text, unit_of, written

MOST_BITS = 4000  # about 1,200 digits
RADICAND = 10**30  # beyond it a root would be looked for too long
FACTORIAL = 400
MOST_STEPS = 12


def value_of(tree: Tree) -> Exact:
    """The exact value of a tree without unknowns; UnsolvedError says what is not computed."""
    return _Evaluation().run(tree)


def worked_out(tree: Tree) -> tuple[Exact, tuple[str, ...]]:
    """The value with its steps, one an operation."""
    evaluation = _Evaluation()
    value = evaluation.run(tree)
    steps = evaluation.steps
    if len(steps) > MOST_STEPS:
        steps = [*steps[: MOST_STEPS - 1], f"… = {shown(value)}"]
    return value, tuple(steps)


def rational(value: Exact) -> Fraction | None:
    """Its value as a fraction; None where it is irrational."""
    return Fraction(int(value.p), int(value.q)) if value.is_Rational else None


def short(value: Exact) -> str:
    """The short result: "1250.5", "10/3", "2·√(2)"."""
    exact = rational(value)
    if exact is None:
        return _surd(value)
    return decimal(exact) or f"{exact.numerator}/{exact.denominator}"


def _surd(value: Exact) -> str:
    """An irrational value: "2·√(3)"."""
    return str(value).replace("sqrt(", "√(").replace("**", "^").replace("*", "·")


def shown(value: Exact, unit: str = "") -> str:
    """The result for people, with about what it is where that does not meet the eye."""
    exact = rational(value)
    if exact is not None and decimal(exact) is not None:
        return number_text(exact, unit)
    near = float(value.evalf(15))
    about = f"{near:.7g}" if near and math.isfinite(near) else str(value.evalf(7))  # beyond what a float holds
    if exact is not None and unit and unit in "$€£":
        return f"{number_text(exact, unit)} (about {money(f'{float(exact):,.2f}', unit)})"
    text = number_text(exact) if exact is not None else _surd(value)
    return f"{text} (about {about}){f' {unit}' if unit else ''}"


class _Evaluation:
    """Works a tree out from the inside, and keeps what it did."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def run(self, tree: Tree) -> Exact:
        """The value."""
        if isinstance(tree, Num):
            return sympy().Rational(tree.value.numerator, tree.value.denominator)
        if not isinstance(tree, Apply):
            raise UnsolvedError("The unknown has no value.")
        values = [self.run(one) for one in tree.args]
        value = _bounded(_FUNCTIONS[tree.name](*values))
        if tree.name != "negate":
            units = [unit_of(one) for one in tree.args]
            settled = [_settled(one, each, unit) for one, each, unit in zip(tree.args, values, units, strict=True)]
            self.steps.append(f"{written(Apply(tree.name, tuple(settled)))} = {shown(value, unit_of(tree))}")
        return value


def _settled(tree: Tree, value: Exact, unit: str) -> Tree:
    """The argument as it stands in a step: its value, or its own words where it is a number already."""
    if isinstance(tree, Num):
        return tree
    exact = rational(value)
    return Num(exact, unit) if exact is not None else Num(Fraction(0), text=f"({_surd(value)})")


def _bounded(value: Any) -> Exact:
    found: Exact = value
    if found.has("zoo") or found.is_finite is False:  # pragma: no cover - divisions are checked before
        raise UnsolvedError("That has no finite value.")
    if found.is_Rational and max(int(found.p).bit_length(), int(found.q).bit_length()) > MOST_BITS:
        raise UnsolvedError(_TOO_LARGE)
    return found


_TOO_LARGE = "The result has more than a thousand digits, which is more than is computed here."


def _divide(a: Any, b: Any) -> Any:
    if b == 0:
        raise UnsolvedError("A division by zero has no value.")
    return a / b


def _modulo(a: Any, b: Any) -> Any:
    if b == 0:
        raise UnsolvedError("A division by zero has no remainder.")
    return a % b


def _power(base: Any, exponent: Any) -> Any:
    if not (base.is_Rational and exponent.is_Rational):
        raise UnsolvedError("Powers of irrational numbers are not computed here.")
    if base == 0 and exponent <= 0:
        raise UnsolvedError("Zero to the power of zero, or of less, has no value.")
    if exponent.q > 1:
        if base < 0:
            raise UnsolvedError("A root of a negative number is no real number.")
        return _power(_root(base, exponent.q), exponent.p) if exponent.q <= 12 and base.p < RADICAND else _no_root()
    bits = max(int(base.p).bit_length(), int(base.q).bit_length())
    if abs(base) != 1 and base != 0 and (abs(exponent) > MOST_BITS or bits * abs(int(exponent)) > 2 * MOST_BITS):
        raise UnsolvedError(_TOO_LARGE)
    return base**exponent


def _no_root() -> Any:
    raise UnsolvedError("Roots of this size are not computed here.")


def _root(radicand: Any, degree: Any) -> Any:
    if not radicand.is_Rational or radicand.p > RADICAND or radicand.q > RADICAND or degree > 12:
        return _no_root()
    if radicand < 0:
        if degree % 2 == 0:
            raise UnsolvedError("A root of a negative number is no real number.")
        return -_root(-radicand, degree)
    return sympy().root(radicand, degree)


def _factorial(one: Any) -> Any:
    if not one.is_Integer or one < 0:
        raise UnsolvedError("A factorial is of a whole number that is not negative.")
    if one > FACTORIAL:
        raise UnsolvedError(_TOO_LARGE)
    return sympy().factorial(one)


def _median(*values: Any) -> Any:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _product(*values: Any) -> Any:
    total = values[0]
    for one in values[1:]:
        total = _bounded(total * one)
    return total


_FUNCTIONS: dict[str, Any] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": _divide,
    "modulo": _modulo,
    "negate": lambda a: -a,
    "power": _power,
    "root": _root,
    "factorial": _factorial,
    "sum": lambda *values: sum(values[1:], values[0]),
    "product": _product,
    "mean": lambda *values: sum(values[1:], values[0]) / len(values),
    "median": _median,
}
