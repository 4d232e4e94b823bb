"""Every failure as the contract lists it: code, reason, advice, and the same as an item's Failure."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from ragents_client.v1 import ErrorReason
from ragents_server import errors
from ragents_server.errors import (
    DocumentRefused,
    InvalidRequest,
    NotFound,
    Overloaded,
    RagentsError,
    RateLimited,
    StateUnavailable,
    from_failure,
)
from ragents_server.incidents import known
from ragents_server.interceptors.errors import to_status

PROTO = Path(__file__).parent.parent / "protos/ragents/v1/error_reason.proto"


def documented() -> dict[str, str]:
    """The status code that the contract's comment names for each reason."""
    found = re.findall(r"// ([A-Z_]+)[.,][^\n]*\n  ERROR_REASON_(\w+) = [1-9]", PROTO.read_text())
    return {reason: code for code, reason in found}


def subclasses(kind: type[RagentsError]) -> Iterator[type[RagentsError]]:
    for one in kind.__subclasses__():
        yield one
        yield from subclasses(one)


CLASSES = [one for one in subclasses(RagentsError) if one.__module__ == errors.__name__]


def made(kind: type[RagentsError]) -> RagentsError:
    if issubclass(kind, DocumentRefused):
        return kind(ErrorReason.Value("ERROR_REASON_DOCUMENT_EMPTY"), "it is empty")
    if issubclass(kind, RateLimited):
        return kind("too many", retry_after=1.5, limit="minute")
    return kind("it is wrong")


def test_the_contract_documents_a_code_for_every_reason() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118
    assert set(documented()) == names
    assert all(hasattr(grpc.StatusCode, code) for code in documented().values())


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_exception_has_the_code_that_the_contract_names(kind: type[RagentsError]) -> None:
    error = made(kind)
    reason = ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_")
    assert documented()[reason] == error.code.name
    assert error.advice.endswith(".") or kind is DocumentRefused  # its message says what to do


def test_every_reason_has_an_exception() -> None:
    of_documents = {reason for reason in documented() if reason.startswith("DOCUMENT_")}
    here = {ErrorReason.Name(made(kind).reason).removeprefix("ERROR_REASON_") for kind in CLASSES}
    assert set(documented()) == here | of_documents
    assert {documented()[reason] for reason in of_documents} == {DocumentRefused.code.name}


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn = re.findall(r"^[│ ]*[├└]── (\w+) +([A-Z_]+)", errors.__doc__ or "", re.MULTILINE)
    assert sorted(drawn) == sorted((kind.__name__, kind.code.name) for kind in CLASSES)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_status_carries_reason_domain_and_advice(kind: type[RagentsError]) -> None:
    error = made(kind)
    status = to_status(error)
    assert (status.code, status.message) == (error.code.value[0], error.message)
    info = error_details_pb2.ErrorInfo.FromString(status.details[0].value)
    assert info.domain == "ragents.v1"
    assert info.metadata["advice"] == error.advice
    assert f"ERROR_REASON_{info.reason}" == ErrorReason.Name(error.reason)


def detail(error: RagentsError, kind: Any) -> Any:
    found = [one for one in to_status(error).details if one.Is(kind.DESCRIPTOR)]
    return kind.FromString(found[0].value) if found else None


def test_a_wait_is_told_where_there_is_one() -> None:
    assert (
        detail(Overloaded("full", retry_after=2.25), error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() == 2250
    )
    assert detail(NotFound("no such document"), error_details_pb2.RetryInfo) is None
    limited = RateLimited("too many", retry_after=0.5, limit="tenant/minute")
    assert detail(limited, error_details_pb2.QuotaFailure).violations[0].subject == "tenant/minute"
    assert limited.failure().retry_after.ToMilliseconds() == 500


def test_what_is_wrong_with_each_field_is_told() -> None:
    error = InvalidRequest("wrong", violations={"question.text": "must not be empty"})
    row = detail(error, error_details_pb2.BadRequest).field_violations[0]
    assert (row.field, row.description) == ("question.text", "must not be empty")


def test_a_failure_of_an_item_says_what_to_do() -> None:
    failure = NotFound("no such document").failure()
    assert failure.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert failure.message == f"no such document. {NotFound.advice}"
    assert not failure.HasField("retry_after")


def test_an_exception_of_the_contract_stays_and_any_other_is_an_incident() -> None:
    error = NotFound("no such document")
    assert known(error, "here") is error
    assert isinstance(known(ConnectionResetError("10.0.0.1"), "here"), StateUnavailable)
    bug = known(KeyError("secret"), "here")
    assert re.fullmatch(r"internal error, incident [0-9a-f]{16}", bug.message)
    assert bug.code == grpc.StatusCode.INTERNAL


@pytest.mark.parametrize(
    "kind", [kind for kind in CLASSES if "reason" in kind.__dict__], ids=lambda kind: kind.__name__
)
def test_a_failure_that_was_stored_is_raised_as_what_it_was(kind: type[RagentsError]) -> None:
    error = made(kind)
    again = from_failure(error.failure())
    assert type(again) is kind
    assert (again.message, again.retry_after) == (error.message, error.retry_after)
    assert to_status(again).code == to_status(error).code


def test_a_stored_refusal_of_a_document_keeps_its_reason() -> None:
    again = from_failure(made(DocumentRefused).failure())
    assert (again.reason, again.message) == (ErrorReason.Value("ERROR_REASON_DOCUMENT_EMPTY"), "it is empty")
