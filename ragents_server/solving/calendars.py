"""Dates and spans of time as they are written, taken out of a text and replaced by marks.

    2024-03-05   5 March 2024   March 5th, 2024   the 5th of March   5.3.2024 (day first)   today   Christmas
    45 days   3 weeks and 2 days   a year   10 working days

`5/3/2024` has two readings, unless another date of the text or a number above 12 decides. A date without a year is
of the next year it can be, or of the last, as the question goes.
"""

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, date, timedelta

from ragents_server.solving.solution import OutsideError, UnsolvedError

MONTHS = {name.lower(): at for at, name in enumerate(calendar.month_name) if name}
_NAMES = MONTHS | {name[:3]: at for name, at in MONTHS.items()} | {"sept": 9}
WEEKDAYS = tuple(name.lower() for name in calendar.day_name)
MOST_DAYS = 3_000_000

_M = rf"(?P<m>{'|'.join(sorted(_NAMES, key=len, reverse=True))})\.?"
_D = r"(?P<d>\d{1,2})(?: ?(?:st|nd|rd|th))?"
_Y = r"(?P<y>\d{4})"
_W = rf"(?:(?:{'|'.join(WEEKDAYS)}),? (?:the )?)?"
_DATED = tuple(
    re.compile(rf"(?<![\w.,/-]){_W}{pattern}(?![\w/-]|\.\d)")
    for pattern in (
        r"(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})",
        r"(?P<y>\d{4})/(?P<m>\d{1,2})/(?P<d>\d{1,2})",
        r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})",
        rf"(?:the )?{_D},? (?:day )?(?:of )?{_M},? {_Y}",
        rf"{_M} (?:the )?{_D},? (?:of )?{_Y}",
    )
)
_SLASHED = re.compile(r"(?<![\w.,/-])(?P<a>\d{1,2})/(?P<b>\d{1,2})/(?P<y>\d{4})(?![\w/-])")
_YEARLESS = tuple(
    re.compile(rf"(?<![\w.,/-]){_W}{pattern}(?![\w/-]|\.\d)")
    for pattern in (rf"(?:the )?{_D} (?:of )?{_M}", rf"{_M} (?:the )?{_D}")
)
_FEASTS = {"christmas eve": (12, 24), "christmas day": (12, 25), "christmas": (12, 25), "new year's eve": (12, 31)}
_FEASTS |= {"new year's day": (1, 1), "new year's": (1, 1), "new year": (1, 1), "halloween": (10, 31)}
_FEAST = re.compile(rf"\b(?:{'|'.join(_FEASTS)})\b(?:(?: of| in|,)? (?P<y>\d{{4}}))?")
_NEAR = {"the day after tomorrow": 2, "the day before yesterday": -2, "tomorrow": 1, "yesterday": -1, "today's date": 0}
_NEAR |= {"today": 0, "right now": 0, "now": 0}
_NEARBY = re.compile(rf"\b(?:{'|'.join(_NEAR)})\b")
_UNIT = r"(?:(?:working|business|work|week)[ -]?days?|days?|weeks?|fortnights?|months?|years?)"
_ONE_SPAN = rf"(?:\d+|an?) (?:full |whole |calendar )?{_UNIT}"
_SPAN = re.compile(rf"(?<![\w.,/-]){_ONE_SPAN}(?:(?:,? and |, ){_ONE_SPAN})*\b")
_PIECE = re.compile(rf"(\d+|an?) (?:full |whole |calendar )?({_UNIT})")


class AmbiguousDateError(Exception):
    """A date has two readings: the text with the day first, with the month first, and the first such date twice."""

    def __init__(self, texts: tuple[str, str], readings: tuple[date, date], written: str) -> None:
        super().__init__(written)
        self.texts, self.readings, self.written = texts, readings, written


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time."""

    months: int = 0
    days: int = 0
    working: int = 0
    text: str = ""

    def after(self, day: date, sign: int = 1) -> date:
        """The day that is so much later, or earlier with `sign` -1; at most the last one of its month."""
        try:
            months = day.year * 12 + day.month - 1 + sign * self.months
            year, month = divmod(months, 12)
            last = calendar.monthrange(year, month + 1)[1]
            found = date(year, month + 1, min(day.day, last)) + timedelta(sign * self.days)
            return _worked(found, sign * self.working)
        except (ValueError, OverflowError, calendar.IllegalMonthError):
            raise UnsolvedError("The date is outside the years 1 to 9999.") from None


@dataclass(slots=True)
class Masked:
    """A text in which `@d` stands for each date and `@s` for each span, in order."""

    text: str
    dates: list[date] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    yearless: bool = False  # some date was given without its year


def written(day: date) -> str:
    """For people: "Tuesday, 5 March 2024"."""
    return f"{calendar.day_name[day.weekday()]}, {day.day} {calendar.month_name[day.month]} {day.year}"


def masked(text: str, today: date, *, past: bool = False) -> Masked:
    """The plain text without its dates and spans; `past`: a date without a year has been."""
    text = _settled(text)
    found: list[tuple[int, int, date]] = []
    for pattern in _DATED:
        found += [(one.start(), one.end(), _date(one["y"], one["m"], one["d"])) for one in pattern.finditer(text)]
    full = len(found)
    taken = [(start, end) for start, end, _ in found]

    def is_free(one: re.Match[str]) -> bool:
        return all(one.end() <= start or one.start() >= end for start, end in taken)

    def add(pattern: re.Pattern[str], made: Callable[[re.Match[str]], date]) -> None:
        found.extend((one.start(), one.end(), made(one)) for one in pattern.finditer(text) if is_free(one))
        taken[:] = [(start, end) for start, end, _ in found]

    for pattern in _YEARLESS:
        add(pattern, lambda one: _near(today, (_NAMES.get(one["m"], 0), int(one["d"])), past=past))
    add(_FEAST, lambda one: _feast(one, today, past=past))
    without_year = len(found) > full
    add(_NEARBY, lambda one: Span(days=_NEAR[one.group()]).after(today))
    found.sort()
    out, at = "", 0
    for start, end, _ in found:
        out += text[at:start] + "@d"
        at = end
    result = Masked(out + text[at:], [day for _, _, day in found], yearless=without_year)
    result.spans = [_span(one.group()) for one in _SPAN.finditer(result.text)]
    result.text = _SPAN.sub("@s", result.text)
    return result


def _settled(text: str) -> str:
    """The text with its dates with slashes as ISO dates; AmbiguousDateError where nothing decides."""
    found = list(_SLASHED.finditer(text))
    orders = {int(one["a"]) > 12 for one in found if (int(one["a"]) > 12) != (int(one["b"]) > 12)}
    if len(orders) > 1:
        raise OutsideError
    open_ones = [one for one in found if one["a"] != one["b"]]

    def iso(day: str, month: str) -> str:
        return _SLASHED.sub(lambda one: _date(one["y"], one[month], one[day]).isoformat(), text)

    if not orders and open_ones:
        one = open_ones[0]
        readings = _date(one["y"], one["b"], one["a"]), _date(one["y"], one["a"], one["b"])
        raise AmbiguousDateError((iso("a", "b"), iso("b", "a")), readings, one.group())
    return iso("a", "b") if not orders or orders.pop() else iso("b", "a")


def _date(year: str, month: str, day: str) -> date:
    number = int(month) if month.isdecimal() else _NAMES[month]
    try:
        return date(int(year), number, int(day))
    except ValueError:
        raise OutsideError from None


def _near(today: date, month_and_day: tuple[int, int], *, past: bool) -> date:
    """The next such day from today on, or the last one before it."""
    month, day = month_and_day
    years = range(today.year, today.year - 9, -1) if past else range(today.year, today.year + 9)
    for year in (one for one in years if MINYEAR <= one <= MAXYEAR):
        if day <= calendar.monthrange(year, month)[1] and (
            date(year, month, day) <= today if past else date(year, month, day) >= today
        ):
            return date(year, month, day)
    raise OutsideError


def _feast(one: re.Match[str], today: date, *, past: bool) -> date:
    name = one.group().removesuffix(one["y"] or "").removesuffix(" of ").removesuffix(" in ").strip(" ,")
    month_and_day = _FEASTS[name]
    if one["y"]:
        return _date(one["y"], str(month_and_day[0]), str(month_and_day[1]))
    return _near(today, month_and_day, past=past)


def _span(text: str) -> Span:
    months = days = working = 0
    for count, unit in _PIECE.findall(text):
        number = min(int(count[:12]), 10**9) if count.isdecimal() else 1  # what is too late is told when it is added
        if unit.startswith(("working", "business", "work", "weekd", "week d", "week-")):
            working += number
        else:
            months += number * {"m": 1, "y": 12}.get(unit[0], 0)
            days += number * {"d": 1, "w": 7, "f": 14}.get(unit[0], 0)
    return Span(months, days, working, re.sub(r"\b(?:full|whole|calendar) ", "", text))


def _worked(day: date, count: int) -> date:
    """So many days from Monday to Friday later."""
    if abs(count) > 100_000:
        raise UnsolvedError("That many working days are not counted here.")
    step, left = (1 if count > 0 else -1), abs(count)
    while left:
        day += timedelta(step)
        left -= day.weekday() < 5
    return day


def working_days(first: date, last: date) -> int:
    """The days from Monday to Friday, first and last included."""
    weeks, rest = divmod((last - first).days + 1, 7)
    return weeks * 5 + sum((first.weekday() + at) % 7 < 5 for at in range(rest))


def months_between(first: date, last: date) -> tuple[int, int]:
    """Whole months, and the days that are left."""
    months = (last.year - first.year) * 12 + last.month - first.month
    if Span(months).after(first) > last:
        months -= 1
    return months, (last - Span(months).after(first)).days
