"""Constraints that name a field: "where department is legal", "with year after 2020", "whose status is not draft".

    [in documents] where|with|whose|having FIELD [is|=|:] VALUE [or VALUE] [and FIELD …]
    … FIELD after|before|since|until|over|under|at least|at most X     … FIELD between X and Y
    … FIELD is not VALUE     with a FIELD | without a FIELD            FIELD: VALUE

A value is one of those that the field is known to have, in any case; else what is quoted, or what stands up to the next
comma or "and", as it is written.
"""

import math
import re
from collections.abc import Iterator, Sequence
from datetime import date

from google.protobuf.struct_pb2 import Value

from ragents_client.v1.answer_pb2 import AnyOf, Condition, Range
from ragents_server.agents.logic import periods
from ragents_server.agents.logic.constraint import DOCUMENT, THE, Constraint, UnclearError, by_name, pattern_of, spoken
from ragents_server.index.fields import Field
from ragents_server.solving import Ambiguous

MOST_OPTIONS = 8

_LEAD = (
    rf"(?:(?:(?:in|from|among|of|for|within|across|only|to) )?(?:only )?{THE}(?:{DOCUMENT} )?(?:only )?"
    r"(?:where|with|whose|having|for which|in which|that have|which have)(?: the| its| a| an)? )"
)
_OPERATORS = (
    ("between", r"(?:is |lies |are )?(?:between|from) "),
    ("not", r"(?:is not|isn't|are not|is n't|!=|<>|other than|is other than|not|is anything but) "),
    (
        "at_least",
        (
            r"(?:is |are )?(?:since|from|at least|not before|no less than|no earlier than|on or after|starting (?:in|"
            r"from|with)|>=) ?"
        ),
    ),
    ("at_most", r"(?:is |are )?(?:until|up to|at most|no later than|not after|no more than|on or before|<=|through) ?"),
    (
        "more",
        (
            r"(?:is |are )?(?:after|over|above|greater than|more than|larger than|higher than|later than|exceeding|"
            r"exceeds|beyond|>) ?"
        ),
    ),
    ("less", r"(?:is |are )?(?:before|under|below|less than|smaller than|lower than|earlier than|fewer than|<) ?"),
    ("equals", r"(?:is equal to|equals|is set to|is in|is|are|being|==|=|:|in|of) ?"),
)
_NUMBER = r"-?\d+(?:[.,]\d+)*"
_BOOLS = {"true": True, "yes": True, "false": False, "no": False}
_STOP = re.compile(r"[,;.?!:]|\s+(?:and|or|but|what|who|which|how|when|where|why)\b|$", re.IGNORECASE)


class Stated:
    """Reads the tests of fields in one question."""

    def __init__(self, text: str, fields: Sequence[Field], today: date) -> None:
        self._text = text
        self._fields = fields
        self._today = today
        names = [name for field in fields for name in (field.name, spoken(field.name), f"{spoken(field.name)}s")]
        self._field = rf"(?P<field>{pattern_of(names)})"

    def constraints(self) -> Iterator[Constraint]:
        """All of them; raises UnclearError."""
        first = re.compile(
            rf"\b{_LEAD}{self._field}\b ?|(?:^|(?<=[,;] )|(?<=\bonly )){self._field.replace('field', 'bare')} "
            rf"?(?=[:=])",
            re.IGNORECASE,
        )
        further = re.compile(
            rf",? (?:and|but|or)? ?(?:with |where |whose |a |the |its )*{self._field}\b ?", re.IGNORECASE
        )
        at = 0
        while found := first.search(self._text, at):
            at = found.end()
            made = self._test(found.start(), found.end(), found["field"] or found["bare"])
            while made is not None:
                yield made
                at = made.end
                chained = further.match(self._text, at)
                made = self._test(at, chained.end(), chained["field"]) if chained else None
        yield from self._presence()

    def _presence(self) -> Iterator[Constraint]:
        """ "without a department", "that have no department"."""
        absent = (
            rf"\b(?:{THE}{DOCUMENT} )?(?:without|that have no|which have no|with no|lacking) (?:an? |any |the "
            rf")?{self._field}\b"
        )
        for found in re.finditer(absent, self._text, re.IGNORECASE):
            for field in by_name(self._fields, found["field"])[:1]:
                condition = Condition(field=field.name, exists=False)
                yield Constraint(found.start(), found.end(), (condition,), f"no {spoken(field.name)}")

    def _test(self, start: int, at: int, named: str) -> Constraint | None:
        """The test behind a field's name."""
        fields = by_name(self._fields, named)
        for operator, pattern in _OPERATORS:
            found = re.compile(pattern, re.IGNORECASE).match(self._text, at)
            if found is None:
                continue
            for field in fields:
                made = self._operated(operator, field, start, found.end())
                if made is not None:
                    return made
        return next((made for field in fields if (made := self._known(field, start, at)) is not None), None)

    def _operated(self, operator: str, field: Field, start: int, at: int) -> Constraint | None:
        if operator in {"between", "at_least", "at_most", "more", "less"}:
            return self._ordered(operator, field, start, at)
        if operator == "not":
            return self._excluded(field, start, at)
        return self._known(field, start, at) or self._literal(field, start, at)

    def _known(self, field: Field, start: int, at: int) -> Constraint | None:
        """One or several values that the field is known to have; a number, a period, yes or no."""
        values, end = self._values(field, at)
        if values:
            shown = " or ".join(values)
            return Constraint(start, end, (_one_of(field, values),), f"{spoken(field.name)} = {shown}")
        if field.kind != "bool" and (made := self._period("in", field, start, at)) is not None:
            return made
        number = re.compile(_NUMBER).match(self._text, at)
        if field.kind == "number" and number:
            condition = Condition(field=field.name, equals=Value(number_value=_number(number.group())))
            return Constraint(start, number.end(), (condition,), f"{spoken(field.name)} = {number.group()}")
        return None

    def _values(self, field: Field, at: int) -> tuple[list[str], int]:
        """The known values from there on, with "or" between them, as they are stored, and where they end."""
        known = {_plain(value): value for value in field.values}
        if field.kind == "bool":
            known = {word: str(value).lower() for word, value in _BOOLS.items()}
        if field.kind == "number" or not known:
            return [], at
        one = rf"[\"'“]?(?P<value>{pattern_of(list(known))})[\"'”]?(?!\w)"
        found, end, joint = list[str](), at, ""
        while match := re.compile(joint + one, re.IGNORECASE).match(self._text, end):
            found.append(known[_plain(match["value"])])
            end, joint = match.end(), r"(?:,? or |, )"
        return found, end

    def _literal(self, field: Field, start: int, at: int) -> Constraint | None:
        """A value that no document of the sample has, as it is written."""
        if field.kind != "string":
            return None
        quoted = re.compile(r"[\"“']([^\"”']{1,80})[\"”']").match(self._text, at)
        stop = _STOP.search(self._text, at)
        value = quoted.group(1) if quoted else self._text[at : stop.start() if stop else len(self._text)].strip()
        if not value or len(value.split()) > 6:
            return None
        end = quoted.end() if quoted else at + len(self._text[at:]) - len(self._text[at:].lstrip()) + len(value)
        return Constraint(start, end, (_one_of(field, [value]),), f"{spoken(field.name)} = {value}")

    def _excluded(self, field: Field, start: int, at: int) -> Constraint | None:
        """Not a value: one of the others, where all are known; else it is asked back."""
        values, end = self._values(field, at)
        if field.kind == "bool" and values:
            other = "false" if values[0] == "true" else "true"
            return Constraint(start, end, (_one_of(field, [other]),), f"{spoken(field.name)} = {other}")
        if field.kind != "string":
            return None
        if not values:
            literal = self._literal(field, start, at)
            if literal is None:
                return None
            values, end = [literal.told.partition(" = ")[2]], literal.end
        others = [one for one in field.values if one not in values]
        name = spoken(field.name)
        if field.complete and others:
            return Constraint(
                start, end, (_one_of(field, others),), f"{name} = {' or '.join(others)}, not {' or '.join(values)}"
            )
        options = others[:MOST_OPTIONS]
        rest = f"{self._text[:start]} {self._text[end:]}".strip()
        texts = [f"{self._text[:start]} with {name} = {one} {self._text[end:]}".strip() for one in options]
        question = (
            f"No condition can leave out the documents with {name} = {' or '.join(values)}. Which ones shall be asked?"
        )
        raise UnclearError(Ambiguous(question, (*options, "all documents"), (*texts, rest)))

    def _ordered(self, operator: str, field: Field, start: int, at: int) -> Constraint | None:
        return self._period(operator, field, start, at) or self._measured(operator, field, start, at)

    def _period(self, operator: str, field: Field, start: int, at: int) -> Constraint | None:
        """A test of time."""
        joint = r"(?P<last> (?:and|to|until|-) (?P<b>PERIOD))?".replace("PERIOD", periods.PERIOD)
        found = re.compile(rf"(?P<a>{periods.PERIOD}){joint}", re.IGNORECASE).match(self._text, at)
        if found is None:
            return None
        first = periods.period_of(found["a"], self._today)
        last = periods.period_of(found["b"], self._today) if found["b"] else None
        if (
            first is None
            or not periods.fits(field, *([first, last] if last else [first]))
            or (operator == "between" and last is None)
        ):
            return None
        end = found.end() if operator == "between" else found.start("a") + len(found["a"])
        time = periods.Time(operator, first, last)
        return Constraint(start, end, (time.condition(field),), f"{spoken(field.name)} {time.words}")

    def _measured(self, operator: str, field: Field, start: int, at: int) -> Constraint | None:
        """A test of size."""
        found = re.compile(rf"(?P<a>{_NUMBER})(?: (?:and|to) (?P<b>{_NUMBER}))?").match(self._text, at)
        if found is None or field.kind != "number" or (operator == "between" and not found["b"]):
            return None
        a = _number(found["a"])
        bounds = Range()
        if operator in {"between", "at_least", "more"}:
            bounds.at_least.number_value = math.nextafter(a, math.inf) if operator == "more" else a
        if operator in {"at_most", "less"}:
            bounds.at_most.number_value = math.nextafter(a, -math.inf) if operator == "less" else a
        if operator == "between":
            bounds.at_most.number_value = _number(found["b"])
        end = found.end() if operator == "between" else found.start("a") + len(found["a"])
        shown = {
            "between": f"from {found['a']} to {found['b']}",
            "at_least": f"≥ {found['a']}",
            "at_most": f"≤ {found['a']}",
        }
        shown |= {"more": f"> {found['a']}", "less": f"< {found['a']}"}
        return Constraint(
            start, end, (Condition(field=field.name, range=bounds),), f"{spoken(field.name)} {shown[operator]}"
        )


def _one_of(field: Field, values: Sequence[str]) -> Condition:
    made = [Value(bool_value=one == "true") if field.kind == "bool" else Value(string_value=one) for one in values]
    return (
        Condition(field=field.name, equals=made[0])
        if len(made) == 1
        else Condition(field=field.name, any_of=AnyOf(values=made))
    )


def _plain(value: str) -> str:
    return re.sub(r"[\s_-]+", " ", value).lower()


def _number(text: str) -> float:
    return float(re.sub(r",(?=\d{3}\b)", "", text).replace(",", "."))
