"""Constraints read from questions: what their conditions choose, what is left to search for, what is asked back."""

import time
from collections.abc import Callable
from datetime import date
from random import Random
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Value
from hypothesis import given, settings
from hypothesis import strategies as st

from ragents_client.v1.answer_pb2 import Condition
from ragents_server.agents.logic import files, periods
from ragents_server.agents.logic.constraint import Constrained
from ragents_server.agents.logic.constraints import constrained
from ragents_server.index.fields import Field
from tests.agents.constrained import DOCUMENTS, FIELDS, HELD_OUT, HELD_OUT_PLAIN, Fields, Predicate
from tests.solving.held_out_documents import QUESTIONS
from tests.solving.held_out_later_documents import QUESTIONS as LATER_QUESTIONS

TODAY = date(2026, 11, 25)


def read(text: str, fields: tuple[Field, ...] = FIELDS) -> Constrained:
    asked = {name.lower() for name in files.candidates(text)}
    names = [one["name"] for one in DOCUMENTS if {one["name"].lower(), one["name"].lower().rpartition("/")[2]} & asked]
    return constrained(text, fields, names, today=TODAY)


def meets(document: Fields, condition: Condition) -> bool:
    """What the index does in SQL: numbers compare as numbers, strings by their bytes, and neither with the other."""
    held = document.get(condition.field)
    match condition.WhichOneof("test"):
        case "exists":
            return (held is not None) == condition.exists
        case "equals":
            return _same(held, condition.equals)
        case "any_of":
            return any(_same(held, one) for one in condition.any_of.values)
        case _:
            bounds = condition.range
            least = not bounds.HasField("at_least") or _ordered(held, bounds.at_least, lambda a, b: a >= b)
            return least and (not bounds.HasField("at_most") or _ordered(held, bounds.at_most, lambda a, b: a <= b))


def _plain(value: Value) -> Any:
    return getattr(value, str(value.WhichOneof("kind")))


def _same(held: Any, value: Value) -> bool:
    wanted = _plain(value)
    return held == wanted and isinstance(held, bool) == isinstance(wanted, bool)


def _ordered(held: Any, bound: Value, test: Callable[[Any, Any], bool]) -> bool:
    wanted = _plain(bound)
    return isinstance(held, str) == isinstance(wanted, str) and held is not None and test(held, wanted)


def chosen(text: str) -> list[str]:
    found = read(text)
    assert found.unclear is None, found.unclear
    assert found.conditions
    return [one["name"] for one in DOCUMENTS if all(meets(one, condition) for condition in found.conditions)]


@pytest.mark.parametrize(("text", "predicate"), HELD_OUT)
def test_constraints_choose_the_documents_that_are_meant(text: str, predicate: Predicate) -> None:
    assert chosen(text) == [one["name"] for one in DOCUMENTS if predicate(one)]
    rest = read(text).text
    assert rest.endswith("?")
    assert len(rest) < len(text)


@pytest.mark.parametrize("text", [*HELD_OUT_PLAIN, *QUESTIONS, *LATER_QUESTIONS])
def test_questions_that_constrain_nothing_are_left_as_they_are(text: str) -> None:
    assert read(text) == Constrained(text)


def test_courtesies_and_the_place_of_a_constraint_do_not_matter() -> None:
    dice = Random(4)
    for _ in range(60):
        before = dice.choice(["", "Please tell me: ", "Hello, ", "I wonder: "])
        stated = dice.choice(["where the status is archived", "with status = archived", "whose status is 'archived'"])
        question = dice.choice(["what is the fee", "how much do members pay", "who pays"])
        text = dice.choice([f"{before}{question}, {stated}?", f"{before}in documents {stated}, {question}?"])
        assert chosen(text) == ["offer.docx"], text


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("What is the fee in documents from 2021?", ["year", "published"]),
        ("What is the fee where author is not Ann Lee?", ["Bob Kim", "Dora Sanchez", "all documents"]),
        ("What is the fee, except in plan.pdf?", ["All documents", "Only plan.pdf"]),
    ],
)
def test_what_has_several_meanings_or_no_condition_is_asked_back(text: str, options: list[str]) -> None:
    found = read(text).unclear
    assert found is not None
    assert list(found.options) == options
    for option, again in zip(found.options, found.texts, strict=True):
        meant = read(again)
        assert meant.unclear is None, again
        assert meant.conditions or option.lower() == "all documents", again


def test_a_field_is_known_by_its_name_as_people_write_it() -> None:
    fields = (Field("signingDate", "string", ("2021-03-01",), dates=True), Field("cost_centre", "string", ("A 7",)))
    assert (
        read("What is due, with signing date after 2020?", fields).told == "only documents with signing date after 2020"
    )
    assert read("What is due where cost centre is a 7?", fields).told == "only documents with cost centre = A 7"
    assert read("cost-centre: A 7, what is due?", fields).conditions


def test_a_value_as_it_is_stored_is_compared_and_not_as_it_was_typed() -> None:
    (condition,) = read("What is the fee where department is HUMAN RESOURCES?").conditions
    assert condition.equals.string_value == "Human Resources"


@pytest.mark.parametrize(
    ("phrase", "first", "last"),
    [
        ("2021", "2021-01-01", "2021-12-31"),
        ("March 2021", "2021-03-01", "2021-03-31"),
        ("2021-02", "2021-02-01", "2021-02-28"),
        ("Q2 2021", "2021-04-01", "2021-06-30"),
        ("5 March 2021", "2021-03-05", "2021-03-05"),
        ("March 5th, 2021", "2021-03-05", "2021-03-05"),
        ("last year", "2025-01-01", "2025-12-31"),
    ],
)
def test_periods_have_their_first_and_last_day(phrase: str, first: str, last: str) -> None:
    period = periods.period_of(phrase, TODAY)
    assert period is not None
    assert (period.first.isoformat(), period.last.isoformat()) == (first, last)


@given(st.dates(date(2000, 1, 1), date(2040, 1, 1)), st.dates(date(2000, 1, 1), date(2040, 1, 1)), st.integers(0, 2))
def test_tests_of_time_are_those_of_the_calendar(held: date, bound: date, precision: int) -> None:
    """Whatever the precision of the question, and with a time behind the date or without."""
    phrase = [bound.isoformat(), f"{bound:%Y-%m}", f"{bound:%Y}"][precision]
    period = periods.period_of(phrase, TODAY)
    assert period is not None
    field = Field("day", "string", dates=True)
    expected = {
        "more": held > period.last,
        "less": held < period.first,
        "at_least": held >= period.first,
        "at_most": held <= period.last,
        "in": period.first <= held <= period.last,
    }
    for stored in (held.isoformat(), f"{held.isoformat()}T12:30:00Z"):
        found = {name: meets({"day": stored}, periods.Time(name, period).condition(field)) for name in expected}
        assert found == expected, (stored, phrase)


WORDS = """in documents where with whose status is not legal year after 2020 between and published
by Ann Lee plan.pdf only PDF files , ? : = 2021-03 March the fee what or
without a topic department sales from until confidential
true page count > 100"""


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS.split()), max_size=40).map(" ".join))
def test_no_question_breaks_it_and_none_takes_long(text: str) -> None:
    began = time.process_time()
    found = read(text)
    assert found.text or not text
    assert time.process_time() - began < 1


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=1200))
def test_any_characters_are_read(text: str) -> None:
    read(text)
