"""Problems with numbers and dates, whose answers are computed here with fractions and datetime alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from random import Random

TODAY = date(2026, 11, 25)

Expected = Fraction | date | str


@dataclass(frozen=True, slots=True)
class Problem:
    """What fills the slots of a template, and the answers that are right."""

    slots: Mapping[str, str]
    expected: Expected
    others: tuple[Expected, ...] = field(default=())  # that are right as well


ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
]
TENS = {20: "twenty", 30: "thirty", 40: "forty", 50: "fifty", 60: "sixty", 70: "seventy", 80: "eighty", 90: "ninety"}


def spoken(number: int) -> str:
    """An integer below a million in words."""
    if number < 16:
        return ONES[number]
    if number < 20:
        return {16: "sixteen", 17: "seventeen", 18: "eighteen", 19: "nineteen"}[number]
    if number < 100:
        return TENS[number // 10 * 10] + (f"-{ONES[number % 10]}" if number % 10 else "")
    if number < 1000:
        rest = f" and {spoken(number % 100)}" if number % 100 else ""
        return f"{ONES[number // 100]} hundred{rest}"
    rest = number % 1000
    return f"{spoken(number // 1000)} thousand" + (f" {'and ' if rest < 100 else ''}{spoken(rest)}" if rest else "")


def plain(value: Fraction) -> str:
    """A number with finitely many decimals."""
    if value.denominator == 1:
        return str(value.numerator)
    digits = next(k for k in range(1, 30) if 10**k % value.denominator == 0)
    shifted = abs(value) * 10**digits
    text = f"{int(shifted):0{digits + 1}d}"
    return f"{'-' if value < 0 else ''}{text[:-digits]}.{text[-digits:]}"


def number(dice: Random, value: Fraction | int) -> str:
    """One of the ways to write it."""
    value = Fraction(value)
    if value.denominator == 1 and 0 <= value < 10**6:
        whole = int(value)
        return dice.choice([str(whole), str(whole), f"{whole:,}", spoken(whole)])
    return plain(value)


def whole(dice: Random, least: int, most: int) -> Fraction:
    return Fraction(dice.randint(least, most))


def amount(dice: Random, most: int = 500) -> Fraction:
    """A number with up to two decimals."""
    return Fraction(dice.randint(1, most * 100), 100) if dice.random() < 0.4 else whole(dice, 1, most)


def expression(dice: Random, depth: int = 2) -> tuple[str, Fraction]:
    """A sum or product of random depth, in one of several notations."""
    if depth == 0:
        value = amount(dice, 60)
        return plain(value), value
    (left, a), (right, b) = expression(dice, dice.randrange(depth)), expression(dice, dice.randrange(depth))
    sign = dice.choice("+-*/") if b else "+"
    left, right = (one if one.replace(".", "").isdigit() else f"({one})" for one in (left, right))
    written = dice.choice({"+": "+", "-": "-−", "*": "*×·", "/": "/÷"}[sign])
    value = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else a}[sign]
    return f"{left} {written} {right}", value


def numbers(dice: Random) -> tuple[str, list[Fraction]]:
    values = [amount(dice, 900) for _ in range(dice.randint(3, 5))]
    *before, last = [plain(value) for value in values]
    return dice.choice(
        [f"{', '.join(before)} and {last}", ", ".join([*before, last]), f"{', '.join(before)}, and {last}"]
    ), values


def two(work: Callable[[Fraction, Fraction], Fraction], most: int = 900) -> Callable[[Random], Problem]:
    def made(dice: Random) -> Problem:
        b, a = sorted((amount(dice, most), amount(dice, most)))
        return Problem({"a": number(dice, a), "b": number(dice, b)}, work(a, b))

    return made


def quotient(dice: Random) -> Problem:
    b, times = whole(dice, 2, 12), whole(dice, 2, 30)
    return Problem({"a": number(dice, b * times), "b": number(dice, b)}, times)


def percent(work: Callable[[Fraction, Fraction], Fraction]) -> Callable[[Random], Problem]:
    def made(dice: Random) -> Problem:
        p, n = whole(dice, 1, 95), whole(dice, 10, 2000)
        return Problem({"p": str(p), "n": number(dice, n)}, work(p / 100, n))

    return made


def percent_change(dice: Random) -> Problem:
    a, p = whole(dice, 1, 40) * 20, whole(dice, 1, 19) * 5
    return Problem({"a": str(a), "b": plain(a * (1 + p / 100))}, p)


def share(dice: Random) -> Problem:
    b, p = whole(dice, 1, 40) * 20, whole(dice, 1, 19) * 5
    return Problem({"a": plain(b * p / 100), "b": str(b)}, p)


def fraction_of(dice: Random) -> Problem:
    words = {
        "half": (1, 2),
        "a third": (1, 3),
        "two thirds": (2, 3),
        "three quarters": (3, 4),
        "a quarter": (1, 4),
        "2/5": (2, 5),
    }
    spoken_as, (top, bottom) = dice.choice(list(words.items()))
    n = whole(dice, 1, 60) * 60
    return Problem({"fraction": spoken_as, "n": number(dice, n)}, n * top / bottom)


def of_list(work: Callable[[list[Fraction]], Fraction]) -> Callable[[Random], Problem]:
    def made(dice: Random) -> Problem:
        written, values = numbers(dice)
        return Problem({"list": written}, work(values))

    return made


def power(dice: Random) -> Problem:
    a, e = whole(dice, 2, 12), dice.randint(4, 9)
    return Problem({"a": str(a), "e": str(e)}, a**e)


def root(dice: Random) -> Problem:
    value = whole(dice, 2, 60)
    return Problem({"n": str(value * value)}, value)


def remainder(dice: Random) -> Problem:
    a, b = whole(dice, 20, 900), whole(dice, 3, 17)
    return Problem({"a": str(a), "b": str(b)}, a % b)


def linear(dice: Random) -> Problem:
    x, a, b = whole(dice, -9, 30), whole(dice, 2, 9), whole(dice, 1, 40)
    return Problem({"equation": dice.choice([f"{a}x + {b} = {a * x + b}", f"{a}*x - {b} = {a * x - b}"])}, x)


def number_riddle(dice: Random) -> Problem:
    x, a, b = whole(dice, 1, 30), whole(dice, 2, 9), whole(dice, 1, 40)
    return Problem({"a": number(dice, a), "b": number(dice, b), "c": str(a * x + b)}, x)


def twice_more(dice: Random) -> Problem:
    v, d, k = whole(dice, 1, 30), whole(dice, 1, 40), whole(dice, 2, 6)
    return Problem({"v": str(v), "d": number(dice, d), "k": number(dice, k)}, k * v + d)


def price(dice: Random) -> Problem:
    n, p = whole(dice, 2, 40), amount(dice, 30)
    return Problem({"n": number(dice, n), "p": dice.choice(["", "$", "€"]) + plain(p)}, n * p)


def written_expression(dice: Random) -> Problem:
    text, value = expression(dice)
    return Problem({"expression": text}, value)


ARITHMETIC: dict[str, Callable[[Random], Problem]] = {
    "expression": written_expression,
    "sum": two(lambda a, b: a + b),
    "difference": two(lambda a, b: a - b),
    "product": two(lambda a, b: a * b, 90),
    "quotient": quotient,
    "percent_of": percent(lambda p, n: p * n),
    "percent_off": percent(lambda p, n: n - p * n),
    "percent_more": percent(lambda p, n: n + p * n),
    "percent_change": percent_change,
    "share": share,
    "fraction_of": fraction_of,
    "average": of_list(lambda values: sum(values, Fraction()) / len(values)),
    "total": of_list(lambda values: sum(values, Fraction())),
    "power": power,
    "root": root,
    "remainder": remainder,
    "linear": linear,
    "number_riddle": number_riddle,
    "twice_more": twice_more,
    "price": price,
}
