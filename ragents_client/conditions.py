"""Conditions on documents' fields, from plain Python values."""

from collections.abc import Mapping, Sequence

from google.protobuf.struct_pb2 import Value

from ragents_client.v1 import AnyOf, Condition, Range

Scalar = str | float | bool
Conditions = Mapping[str, Scalar | Sequence[Scalar]] | Sequence[Condition]


def value(plain: Scalar) -> Value:
    """A string, number or bool as the contract carries it."""
    match plain:
        case bool():  # before the numbers: a bool is an int to Python
            return Value(bool_value=plain)
        case str():
            return Value(string_value=plain)
        case _:
            return Value(number_value=plain)


def equals(field: str, wanted: Scalar) -> Condition:
    """The field has this value."""
    return Condition(field=field, equals=value(wanted))


def any_of(field: str, wanted: Sequence[Scalar]) -> Condition:
    """The field has one of these values."""
    return Condition(field=field, any_of=AnyOf(values=[value(one) for one in wanted]))


def between(field: str, at_least: Scalar | None = None, at_most: Scalar | None = None) -> Condition:
    """The field lies between two bounds, both inclusive; None: no bound on that side."""
    return Condition(
        field=field,
        range=Range(
            at_least=None if at_least is None else value(at_least),
            at_most=None if at_most is None else value(at_most),
        ),
    )


def exists(field: str, present: bool = True) -> Condition:
    """The document has the field, or has it not."""
    return Condition(field=field, exists=present)


def conditions_of(given: Conditions) -> list[Condition]:
    """Conditions as given, or `{field: value}` and `{field: [values]}` as conditions."""
    if not isinstance(given, Mapping):
        return list(given)
    return [
        equals(field, wanted) if isinstance(wanted, str | int | float) else any_of(field, wanted)
        for field, wanted in given.items()
    ]
