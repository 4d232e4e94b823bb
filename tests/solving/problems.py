"""Problems with numbers and dates, whose answers are computed here with fractions and datetime alone."""

import calendar
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
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


def written(dice: Random, day: date) -> str:
    """A date in one of the ways that have one meaning."""
    month, th = f"{day:%B}", {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}.get(day.day, "th")
    ways = [day.isoformat(), f"{day.day} {month} {day.year}", f"{month} {day.day}, {day.year}"]
    ways += [
        f"{month} {day.day}{th}, {day.year}",
        f"{day.day}{th} of {month} {day.year}",
        f"{day.day}.{day.month}.{day.year}",
    ]
    return dice.choice([*ways, f"{day.day} {month[:3]} {day.year}"])


def some_day(dice: Random, first: date = date(1950, 1, 1), last: date = date(2060, 12, 31)) -> date:
    return first + timedelta(dice.randrange((last - first).days))


def moved(day: date, count: int, unit: str) -> date:
    """Months and years later, at most the last day of the month."""
    if unit in {"day", "week"}:
        return day + timedelta(count * (7 if unit == "week" else 1))
    months = day.year * 12 + day.month - 1 + count * (12 if unit == "year" else 1)
    year, month = months // 12, months % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def span(dice: Random) -> tuple[str, int, str]:
    unit, count = dice.choice(["day", "week", "month", "year"]), dice.randint(1, 40)
    return f"{number(dice, count)} {unit}{'s' if count > 1 else ''}", count, unit


def between(work: Callable[[date, date], Fraction]) -> Callable[[Random], Problem]:
    def made(dice: Random) -> Problem:
        first = some_day(dice, date(1990, 1, 1), date(2029, 1, 1))
        second = first + timedelta(dice.randint(10, 900))
        return Problem({"first": written(dice, first), "second": written(dice, second)}, work(first, second))

    return made


def shifted(sign: int, anchor: date | None = None) -> Callable[[Random], Problem]:
    def made(dice: Random) -> Problem:
        text, count, unit = span(dice)
        first = anchor or some_day(dice)
        return Problem({"first": written(dice, first), "span": text}, moved(first, sign * count, unit))

    return made


def worked(first: date, second: date) -> Fraction:
    """Days from Monday to Friday, the first and the last one counted."""
    days = [first + timedelta(i) for i in range((second - first).days + 1)]
    return Fraction(sum(day.weekday() < 5 for day in days))


def weekday(dice: Random) -> Problem:
    day = some_day(dice)
    return Problem({"first": written(dice, day)}, f"{day:%A}", ("yes" if day.weekday() == 0 else "no",))


def leap(dice: Random) -> Problem:
    year = dice.choice([1900, 2000, dice.randint(1800, 2100)])
    return Problem({"year": str(year)}, "yes" if calendar.isleap(year) else "no")


def age(dice: Random) -> Problem:
    born = some_day(dice, date(1930, 1, 1), date(2020, 1, 1))
    years = TODAY.year - born.year - ((TODAY.month, TODAY.day) < (born.month, born.day))
    return Problem({"birth": written(dice, born)}, Fraction(years))


def distance(key: str, sign: int) -> Callable[[Random], Problem]:
    def made(dice: Random) -> Problem:
        days = dice.randint(5, 2000)
        return Problem({key: written(dice, TODAY + timedelta(sign * days))}, Fraction(days))

    return made


DATE: dict[str, Callable[[Random], Problem]] = {
    "days_between": between(lambda a, b: Fraction((b - a).days)),
    "weeks_between": between(lambda a, b: Fraction((b - a).days // 7)),
    "working_days": between(worked),
    "plus": shifted(1),
    "minus": shifted(-1),
    "weekday": weekday,
    "leap": leap,
    "age": age,
    "until": distance("later", 1),
    "ago": distance("birth", -1),
    "from_today": shifted(1, TODAY),
    "before_today": shifted(-1, TODAY),
}


def compared(is_right: Callable[[Fraction, Fraction], bool]) -> Callable[[Random], Problem]:
    def made(dice: Random) -> Problem:
        a, b = quantity(dice), quantity(dice)
        return Problem({"a": a[0], "b": b[0]}, "yes" if is_right(a[1], b[1]) else "no")

    return made


def quantity(dice: Random) -> tuple[str, Fraction]:
    if dice.random() < 0.4:
        top, bottom = dice.randint(1, 30), dice.randint(2, 30)
        return f"{top}/{bottom}", Fraction(top, bottom)
    value = amount(dice, 3)
    return plain(value), value


def which_larger(dice: Random) -> Problem:
    a, b = quantity(dice), quantity(dice)
    while a[1] == b[1]:
        b = quantity(dice)
    return Problem({"a": a[0], "b": b[0]}, max(a[1], b[1]))


def cheaper(dice: Random) -> Problem:
    n1, n2, p1, p2 = dice.randint(2, 9), dice.randint(10, 30), amount(dice, 30), amount(dice, 60)
    while p1 / n1 == p2 / n2 or p1.denominator == 1 or p2.denominator == 1:
        p1, p2 = amount(dice, 30), amount(dice, 60)
    first = p1 / n1 < p2 / n2
    slots = {"n1": str(n1), "p1": plain(p1), "n2": str(n2), "p2": plain(p2)}
    return Problem(slots, "first" if first else "second", ("yes" if first else "no",))


def earlier(dice: Random) -> Problem:
    a, b = some_day(dice), some_day(dice)
    return Problem({"first": written(dice, a), "second": written(dice, b)}, min(a, b))


def is_before(dice: Random) -> Problem:
    a, b = some_day(dice), some_day(dice)
    return Problem({"first": written(dice, a), "second": written(dice, b)}, "yes" if a < b else "no")


COMPARISON: dict[str, Callable[[Random], Problem]] = {
    "is_larger": compared(lambda a, b: a > b),
    "is_smaller": compared(lambda a, b: a < b),
    "which_larger": which_larger,
    "largest": of_list(max),
    "smallest": of_list(min),
    "cheaper": cheaper,
    "earlier": earlier,
    "is_before": is_before,
}
