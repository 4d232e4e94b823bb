"""Periods as questions name them, and the conditions that say before, in and after them.

    2021   March 2021   2021-03   Q1 2021   5 March 2021   2021-03-05   last year   this year

A field holds years as numbers, or dates of ISO 8601 as strings; strings compare by their bytes, so that "2021-03" lies
before "2021-03-05", and "2021-03-05~" behind every time of that day.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta

from google.protobuf.struct_pb2 import Value

from ragents_client.v1.answer_pb2 import Condition, Range
from ragents_server.index.fields import Field

_MONTHS = {name.lower(): at for at, name in enumerate(calendar.month_name) if name}
_MONTHS |= {name.lower(): at for at, name in enumerate(calendar.month_abbr) if name} | {"sept": 9}
_M = rf"(?:{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
PERIOD = (
    rf"(?:\d{{4}}-\d\d-\d\d|\d{{4}}-\d\d|\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_M},? \d{{4}}|{_M} \d{{1,2}}(?:st|nd|"
    rf"rd|th)?,? \d{{4}}"
    rf"|{_M} \d{{4}}|[Qq][1-4][ /]\d{{4}}|(?:the year )?\d{{4}}|(?:last|this) year)(?![\w%-])"
)


@dataclass(frozen=True, slots=True)
class Period:
    """From the first to the last day; `start` and `end` as strings of the period's own precision."""

    first: date
    last: date
    start: str
    text: str

    @property
    def whole_years(self) -> bool:
        """Whether it begins and ends with a year."""
        return (self.first.month, self.first.day) == (1, 1) and (self.last.month, self.last.day) == (12, 31)


def period_of(text: str, today: date) -> Period | None:
    """What a phrase that `PERIOD` matches means; None for a day that does not exist."""
    words = re.sub(r"\b(\d{1,2})(?:st|nd|rd|th)\b", r"\1", text.lower().replace(",", " ").replace(".", " "))
    words = re.sub(r"\b(?:the year|of)\b", " ", words)
    try:
        return _period(words.split(), today, text)
    except (ValueError, KeyError):
        return None


def _period(words: list[str], today: date, text: str) -> Period:
    if words[-1] == "year":
        year = today.year - (words[0] == "last")
        return _years(year, text)
    if len(words) == 1 and "-" in words[0]:
        at, rest = int(words[0][:4]), [int(one) for one in words[0].split("-")[1:]]
        return _day(date(at, *rest), text) if len(rest) == 2 else _month(at, rest[0], text)
    if words[0].startswith("q"):
        quarter, year = int(words[0][1]), int(re.sub(r"\D", "", words[-1])[-4:])
        first = date(year, 3 * quarter - 2, 1)
        return Period(first, _month_end(year, 3 * quarter), f"{first:%Y-%m}", text)
    if len(words) == 1:
        return _years(int(words[0]), text)
    if len(words) == 2:
        return _month(int(words[1]), _MONTHS[words[0]], text)
    day, month = (words[1], words[0]) if words[0] in _MONTHS else (words[0], words[1])
    return _day(date(int(words[2]), _MONTHS[month], int(day)), text)


def _years(year: int, text: str) -> Period:
    return Period(date(year, 1, 1), date(year, 12, 31), f"{year:04}", text)


def _month(year: int, month: int, text: str) -> Period:
    return Period(date(year, month, 1), _month_end(year, month), f"{year:04}-{month:02}", text)


def _day(day: date, text: str) -> Period:
    return Period(day, day, day.isoformat(), text)


def _month_end(year: int, month: int) -> date:
    return date(year, month, calendar.monthrange(year, month)[1])


@dataclass(frozen=True, slots=True)
class Time:
    """A test of time: "more" is after, "less" before, "at_least" since, "at_most" until, else "between" or "in"."""

    operator: str
    first: Period
    last: Period | None = None

    def condition(self, field: Field) -> Condition:
        """The test of a field that `fits`."""
        match self.operator:
            case "more":
                return after(field, self.first)
            case "less":
                return before(field, self.first)
            case "at_least":
                return since(field, self.first)
            case "at_most":
                return until(field, self.first)
            case "between":
                return within(field, self.first, self.last)
            case _:
                return within(field, self.first)

    @property
    def words(self) -> str:
        """For people, and as `stated` reads it again."""
        if self.operator == "between" and self.last:
            return f"between {self.first.text} and {self.last.text}"
        word = {"more": "after", "less": "before", "at_least": "since", "at_most": "until"}.get(self.operator, "in")
        return f"{word} {self.first.text}"


def fits(field: Field, *periods: Period) -> bool:
    """Whether the field can be compared with these periods."""
    if field.kind == "number":
        return "year" in field.name.lower() and all(period.whole_years for period in periods)
    return field.dates


def within(field: Field, first: Period, last: Period | None = None) -> Condition:
    """The field lies in the period, or from one to the other."""
    return _range(field, _start(field, first), _end(field, last or first))


def after(field: Field, period: Period) -> Condition:
    """The field lies behind the period."""
    if field.kind == "number":
        return _range(field, period.last.year + 1, None)
    behind = period.last + timedelta(1)
    return _range(field, behind.isoformat()[: len(period.start)], None)


def before(field: Field, period: Period) -> Condition:
    """The field lies before the period."""
    if field.kind == "number":
        return _range(field, None, period.first.year - 1)
    return _range(field, None, f"{(period.first - timedelta(1)).isoformat()}~")


def since(field: Field, period: Period) -> Condition:
    """The field lies in the period or behind it."""
    return _range(field, _start(field, period), None)


def until(field: Field, period: Period) -> Condition:
    """The field lies in the period or before it."""
    return _range(field, None, _end(field, period))


def _start(field: Field, period: Period) -> int | str:
    return period.first.year if field.kind == "number" else period.start


def _end(field: Field, period: Period) -> int | str:
    return period.last.year if field.kind == "number" else f"{period.last.isoformat()}~"


def _range(field: Field, at_least: int | str | None, at_most: int | str | None) -> Condition:
    bounds = Range()
    for bound, given in ((bounds.at_least, at_least), (bounds.at_most, at_most)):
        if isinstance(given, str):
            bound.CopyFrom(Value(string_value=given))
        elif given is not None:
            bound.CopyFrom(Value(number_value=given))
    return Condition(field=field.name, range=bounds)
