"""Conditions on documents as SQL: the text holds only our own words, fields and values are arguments."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.struct_pb2 import Value

from ragents_client.v1.answer_pb2 import Condition, Range
from ragents_server.errors import InvalidRequest

# Fields of the document itself; a metadata field of the same name cannot be asked for.
_OWN = {"name": "to_jsonb(d.name)", "media_type": "to_jsonb(nullif(d.media_type, ''))"}


@dataclass(slots=True)
class Filter:
    """SQL tests of a document `d`, joined by AND, and the arguments that follow the `given` ones of the statement."""

    given: int
    arguments: list[Any] = field(default_factory=list)
    tests: list[str] = field(default_factory=list)

    @property
    def sql(self) -> str:
        """True for a document that meets all conditions."""
        return " AND ".join(self.tests) or "true"

    def add(self, condition: Condition) -> None:
        """One more condition; raises InvalidRequest for what cannot be compared."""
        value = _OWN.get(condition.field) or f"(d.metadata -> {self._argument(condition.field, 'text')})"
        match condition.WhichOneof("test"):
            case "equals":
                self.tests.append(f"{value} = {self._json(condition.equals)}")
            case "any_of":
                allowed = [_scalar(one) for one in condition.any_of.values]
                self.tests.append(f"{value} = ANY({self._argument(allowed, 'text[]')}::jsonb[])")
            case "range":
                self._range(value, condition.range)
            case "exists":
                self.tests.append(f"{value} IS {'NOT ' if condition.exists else ''}NULL")
            case _:
                raise _invalid(f"the condition on {condition.field!r} has no test")

    def _range(self, value: str, bounds: Range) -> None:
        if not (bounds.HasField("at_least") or bounds.HasField("at_most")):
            raise _invalid("a range has no bound")
        if bounds.HasField("at_least"):
            self._bound(value, ">=", bounds.at_least)
        if bounds.HasField("at_most"):
            self._bound(value, "<=", bounds.at_most)

    def _bound(self, value: str, operator: str, bound: Value) -> None:
        """Numbers compare as numbers, strings by their bytes, and neither with anything else."""
        match bound.WhichOneof("kind"):
            case "number_value":
                self.tests.append(f"jsonb_typeof({value}) = 'number' AND {value} {operator} {self._json(bound)}")
            case "string_value":
                text = f"({value} #>> '{{}}') COLLATE \"C\""
                argument = self._argument(bound.string_value, "text")
                self.tests.append(f"jsonb_typeof({value}) = 'string' AND {text} {operator} {argument}")
            case _:
                raise _invalid("the bound of a range is a number or a string")

    def _json(self, value: Value) -> str:
        return f"{self._argument(_scalar(value), 'text')}::jsonb"

    def _argument(self, value: Any, kind: str) -> str:
        self.arguments.append(value)
        return f"${self.given + len(self.arguments)}::{kind}"


def to_filter(conditions: Sequence[Condition], given: int) -> Filter:
    """All conditions, for a statement that has `given` arguments of its own."""
    found = Filter(given)
    for condition in conditions:
        found.add(condition)
    return found


def _scalar(value: Value) -> str:
    match value.WhichOneof("kind"):
        case "number_value":
            return _finite(value.number_value)
        case "string_value":
            if "\0" in value.string_value:
                raise _invalid("a condition's value holds the character U+0000")
            return json.dumps(value.string_value)
        case "bool_value":
            return json.dumps(value.bool_value)
        case _:
            raise _invalid("a condition's value is a string, a number or a bool")


def _finite(number: float) -> str:
    try:
        return json.dumps(number, allow_nan=False)
    except ValueError as error:
        raise _invalid("a condition's value is not a finite number") from error


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(message, violations={"conditions": message})
