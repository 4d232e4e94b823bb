"""Problems with dates, and comparisons, whose answers are computed here with datetime and fractions alone."""

import calendar
from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction
from random import Random

from tests.solving.problems import TODAY, Problem, amount, number, of_list, plain


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
