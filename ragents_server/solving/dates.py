"""Questions about the calendar: distances, sums of dates and spans, weekdays, leap years, ages.

    "how many days are there from D to D"   "how many weeks / working days / months lie between D and D"
    "which date is 3 weeks after D"   "what day was 45 days before D"   "D plus 2 months"   "what is the date in 9 days"
    "which day of the week is D"   "is D a Monday"   "is 2028 a leap year"   "how many days does February 2028 have"
    "how old is somebody born on D [on D]"   "how many days until D"   "how long ago was D"

A date `D` is one of `calendars`. Between dates and spans only the words of the question may stand, in any order.
"""

import calendar
import re
from datetime import date
from functools import partial

from ragents_server.solving.calendars import (
    MONTHS,
    WEEKDAYS,
    AmbiguousDateError,
    Masked,
    Span,
    masked,
    months_between,
    written,
)
from ragents_server.solving.distances import apart, told
from ragents_server.solving.solution import Ambiguous, OutsideError, Solution, UnsolvedError
from ragents_server.solving.vocabulary import closed_class

LONGEST = 300

_SMALL = (
    "a an the is are was were be been will would does do did has have had it there that this of in on at to from and "
    "if when then i you we somebody someone one am he she they them their his her me my our please exactly what "
    "which how many much"
)
_WORDS = re.compile(r"@[ds]|[a-z]+(?:'[a-z]+)?|\d+|[^\s\w]")
_MARKS = closed_class("@d @s , . ? ! : ; + - = ( )")


def _vocabulary(words: str) -> frozenset[str]:
    return frozenset(f"{_SMALL} {words}".split()) | _MARKS


_UNITS = r"(?P<unit>(?:working|business|work|week)[ -]?days|calendar days|days|weeks|months|years)"
_COUNT = re.compile(
    rf"(?:^|\b(?:how many|number of|count (?:up )?(?:the |all )?|apart .{{0,30}}\bin)\b)(?: ?the)? ?(?:more |"
    rf"full |whole |complete |entire "
    rf")?{_UNITS}\b"
)
_BETWEEN = _vocabulary(
    "number count up all far been workdays between until till through lie lies fall falls pass passed passes elapse "
    "elapsed separate separates separating "
    "apart time difference full whole complete entire long distance days weeks months years working business work "
    "weekdays weekday calendar starting ending start end inclusive gap span interval duration lay day week month "
    "year difference passing"
)
_SHIFT = _vocabulary(
    "date day days after before from later earlier plus minus add adding added subtract subtracting subtracted back go "
    "going forward get gets come comes fall falls end ends ended finish finishes due something begins begin "
    "starts start started lasts last "
    "takes take past following prior until weekday week now get land lands reach deadline give today's until "
    "expire expires result ago ahead exact hence than over run runs ran continue continues"
)
_WEEKDAY = _vocabulary(
    "tell day days week weekday weekdays falls fall fell name land lands or not date kind " + " ".join(WEEKDAYS)
)
_OLD = _vocabulary(
    "old age born birthday birth date years person today's whose who be turn turns now since his her someone with"
)
_NOW = _vocabulary(
    "number been more days weeks months years working business work workdays weekdays left until till before since "
    "ago passed elapsed gone by pass remain remaining remains go "
    "long time full whole still away off count counting day now ago's past stand wait"
)
_LEAP = re.compile(
    r"(?:(?:is|was|will)?(?: ?the)?(?: year)? ?([1-9]\d{3}),?:?(?: be)? (?:a )?leap(?:(?: |-)?year)?"
    r"|(?:does|did|will)(?: the)?(?: year)? ([1-9]\d{3}) (?:have|has) (?:an? |the )?(?:leap day|february (?:the "
    r")?29(?:th)?|29(?:th)?(?: of)? february|366 days|29 days in february)"
    r"|(?:are|is) there (?:an? |the )?(?:leap day|february (?:the )?29(?:th)?|29(?:th)?(?: of)? february) in "
    r"([1-9]\d{3}))(?: or not)?[ ?.!]*"
)
_YEAR_DAYS = re.compile(
    r"how many days (?:does|did|do|are|were|will) ?(?:there )?(?:in )?(?:the )?(?:year )?([1-9]\d{3})(?: have| "
    r"had)?[ ?.!]*"
)
_MONTH_DAYS = re.compile(
    rf"how many days (?:does|did|do|are|were|will) ?(?:there )?(?:in )?({'|'.join(MONTHS)})(?: of)?,? (?:in "
    rf")?([1-9]\d{{3}})(?: have| had)?[ ?.!]*"
)
_BACK = closed_class("before earlier minus subtract subtracting subtracted back ago prior")
_FORTH = closed_class(
    "after later plus add adding added from lasts last takes take following forward in past ahead hence + until"
)


_ORDERS = closed_class("add subtract go count take")
_BARE = re.compile(r"@d ?(?:\+|-|plus|minus) ?@s ?=?[ ?.]*|@s (?:after|before|from) @d[ ?.]*")


def solve_dates(text: str, today: date) -> Solution | Ambiguous:
    """The plain text's date, distance or weekday; OutsideError, UnsolvedError."""
    if len(text) > LONGEST:
        raise OutsideError
    if found := _LEAP.fullmatch(text):
        return _leap(int(next(filter(None, found.groups()))))
    if found := _YEAR_DAYS.fullmatch(text):
        year = int(found.group(1))
        days = 365 + calendar.isleap(year)
        return told(str(days), f"The year {year} has {days} days.", _leap_step(year))
    if found := _MONTH_DAYS.fullmatch(text):
        return _month(MONTHS[found.group(1)], int(found.group(2)))
    past = re.search(r"\b(?:ago|since|was|were|passed|old|born)\b", text) is not None
    try:
        asked = masked(text, today, past=past)
    except AmbiguousDateError as error:
        # Only where the question is one of the calendar's, whatever the date.
        solve_dates(error.texts[0], today)
        return _which_first(error)
    words = _WORDS.findall(asked.text)
    if "".join(words) != re.sub(r"\s", "", asked.text):
        raise OutsideError
    for form in (_between, partial(_age, today), partial(_shift, today), _weekday, partial(_distance, today)):
        if (found_one := form(asked, words)) is not None:
            return found_one
    raise OutsideError


def _which_first(error: AmbiguousDateError) -> Ambiguous:
    day, month = (f"{one.day} {calendar.month_name[one.month]} {one.year}" for one in error.readings)
    return Ambiguous(f"Which day is {error.written}?", (day, month), error.texts)


def _leap_step(year: int) -> str:
    if year % 100:
        return f"{year} is {'' if year % 4 == 0 else 'not '}divisible by 4"
    return f"{year} is a century and {'' if year % 400 == 0 else 'not '}divisible by 400"


def _leap(year: int) -> Solution:
    is_leap = calendar.isleap(year)
    text = f"{'Yes' if is_leap else 'No'}, {year} is {'a' if is_leap else 'no'} leap year."
    return told("yes" if is_leap else "no", text, _leap_step(year))


def _month(month: int, year: int) -> Solution:
    days = calendar.monthrange(year, month)[1]
    return told(str(days), f"{calendar.month_name[month]} {year} has {days} days.", _leap_step(year))


def _between(asked: Masked, words: list[str]) -> Solution | None:
    """A distance between two dates."""
    found = _COUNT.search(asked.text)
    how_long = re.search(r"\bhow (?:long|much time)\b|\btime difference\b", asked.text)
    if len(asked.dates) != 2 or asked.spans or not (found or how_long) or not set(words) <= _BETWEEN:
        return None
    if "born" in words or "old" in words:
        return None
    first, last = sorted(asked.dates)
    return apart(first, last, found["unit"] if found else "")


def _shift(today: date, asked: Masked, words: list[str]) -> Solution | None:
    """A date and a span make a date."""
    if len(asked.spans) != 1 or len(asked.dates) > 1 or not set(words) <= _SHIFT:
        return None
    direction = [word for word in words if word in _BACK or word in _FORTH]
    is_back = any(word in _BACK for word in direction) or "-" in words
    is_asked = (
        {"what", "which", "when", "date", "weekday"} & set(words) or words[0] in _ORDERS or _BARE.fullmatch(asked.text)
    )
    if (not direction and "+" not in words and "-" not in words) or not is_asked or "many" in words:
        return None
    if not asked.dates and not re.search(
        r"\b(?:in|within) @s|@s (?:ago|hence|ahead|earlier|later|back)|back @s", asked.text
    ):
        return None
    start, span = asked.dates[0] if asked.dates else today, asked.spans[0]
    end = span.after(start, -1 if is_back else 1)
    if "weekday" in words or re.search(r"\bday of the week\b", asked.text):
        return told(
            calendar.day_name[end.weekday()],
            f"{_placed(span, start, is_back)} is {written(end)}.",
            *_shift_steps(span, start, end, is_back),
        )
    return told(
        end.isoformat(), f"{_placed(span, start, is_back)} is {written(end)}.", *_shift_steps(span, start, end, is_back)
    )


def _placed(span: Span, start: date, is_back: bool) -> str:
    return f"{span.text.capitalize()} {'before' if is_back else 'after'} {written(start)}"


def _shift_steps(span: Span, start: date, end: date, is_back: bool) -> tuple[str, ...]:
    sign = "-" if is_back else "+"
    middle = Span(span.months).after(start, -1 if is_back else 1)
    if span.months and (span.days or span.working):
        return (
            f"{start.isoformat()} {sign} {span.months} months = {middle.isoformat()}",
            f"{middle.isoformat()} {sign} the days = {end.isoformat()}",
        )
    return (f"{start.isoformat()} {sign} {span.text} = {end.isoformat()}",)


def _weekday(asked: Masked, words: list[str]) -> Solution | None:
    """The weekday of a date, or whether it is a certain one."""
    if len(asked.dates) != 1 or asked.spans or not set(words) <= _WEEKDAY or asked.yearless:
        return None
    day, name = asked.dates[0], calendar.day_name[asked.dates[0].weekday()]
    guessed = [one for one in WEEKDAYS if one in words]
    if len(guessed) == 1 and words[0] in {"is", "was", "will", "does", "did", "be"}:
        is_so = guessed[0] == name.lower()
        return told(
            "yes" if is_so else "no", f"{'Yes' if is_so else 'No'}, {day.isoformat()} is a {name}.", f"{written(day)}"
        )
    if guessed or not re.search(r"day of the week|week ?day|\b(?:what|which) day\b", asked.text):
        return None
    return told(
        name,
        f"{day.day} {calendar.month_name[day.month]} {day.year} is a {name}.",
        f"{day.isoformat()} is day {day.toordinal():,} of the calendar, and day 1 was a Monday",
    )


def _age(today: date, asked: Masked, words: list[str]) -> Solution | None:
    """How old somebody is who was born on a date."""
    if not asked.dates or len(asked.dates) > 2 or asked.spans or not set(words) <= _OLD:
        return None
    if not ({"old", "age"} & set(words)) or not ({"born", "birthday", "birth"} & set(words)):
        return None
    born, *others = asked.dates if len(asked.dates) == 1 else sorted(asked.dates)
    then = others[0] if others else today
    if born > then:
        raise UnsolvedError(f"Somebody born on {written(born)} is not born yet on {written(then)}.")
    years = months_between(born, then)[0] // 12
    when = f"on {written(then)}"
    return told(
        str(years),
        f"Born on {written(born)}, one is {years} years old {when}.",
        f"{then.year} - {born.year} = {then.year - born.year}",
        f"the birthday of {then.year} {'has been' if years == then.year - born.year else 'is still to come'}",
    )


def _distance(today: date, asked: Masked, words: list[str]) -> Solution | None:
    """How far a date is from today."""
    if len(asked.dates) != 1 or asked.spans or not set(words) <= _NOW:
        return None
    found = _COUNT.search(asked.text) or re.search(r"\bhow (?:long|much time)()\b", asked.text)
    near = {"until", "till", "to", "before", "since", "ago", "away", "off", "from"} & set(words)
    if not found or not near:
        return None
    day = asked.dates[0]
    unit = found["unit"] if "unit" in found.re.groupindex else ""
    if unit == "years" and "since" in words and not asked.yearless:
        unit = "years"
    solution = apart(min(day, today), max(day, today), unit)
    wrong = ({"until", "till", "before"} & set(words) and day < today) or (
        {"since", "ago"} & set(words) and day > today
    )
    if wrong:
        side = "in the past" if day < today else "in the future"
        return told(
            f"-{solution.value}",
            f"{written(day)} is {side}: {solution.text[0].lower()}{solution.text[1:]}",
            *solution.steps,
        )
    return solution
