"""How far two dates are apart, in a unit or in words."""

from datetime import date

from ragents_server.solving.calendars import months_between, working_days, written
from ragents_server.solving.solution import Solution


def told(value: str, text: str, *steps: str) -> Solution:
    """A solution of the calendar's."""
    return Solution("date", value, text, steps)


def apart(first: date, last: date, unit: str) -> Solution:
    """How far two dates are apart, in a unit or in all."""
    between = f"From {written(first)} to {written(last)}"
    days = (last - first).days
    step = f"{last.isoformat()} - {first.isoformat()} = {days:,} day{'' if days == 1 else 's'}"
    if unit in {"days", "calendar days", ""}:
        text = f"{between} it is {days:,} day{'' if days == 1 else 's'}"
        return told(str(days), f"{text}{'' if unit else _in_words(first, last)}.", step)
    if unit == "weeks":
        weeks, rest = divmod(days, 7)
        text = f"{between} it is {weeks:,} week{'' if weeks == 1 else 's'}"
        text += f" and {rest} day{'' if rest == 1 else 's'}" if rest else ""
        return told(str(weeks), f"{text}.", step, f"{days:,} days = {weeks:,} × 7 + {rest}")
    if unit in {"months", "years"}:
        months, rest = months_between(first, last)
        count = months if unit == "months" else months // 12
        return told(str(count), f"{between} it is {count} whole {unit}{_in_words(first, last)}.", step)
    count = working_days(first, last)
    return told(
        str(count),
        f"{between} there are {count:,} working days, Monday to Friday, both days counted and no holidays left out.",
        f"{days + 1:,} days with both ends, {days + 1 - count:,} of them Saturdays and Sundays",
    )


def _in_words(first: date, last: date) -> str:
    months, days = months_between(first, last)
    parts = [(months // 12, "year"), (months % 12, "month"), (days, "day")]
    said = [f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count]
    return f" ({', '.join(said)})" if len(said) > 1 or months else ""
