"""Every reason and every status becomes the exception that names it."""

import pickle
import re
from pathlib import Path
from typing import Any

import grpc
import pytest

from ragents_client import Client, errors
from ragents_client.errors import FieldViolation, QuotaViolation, RagentsError
from ragents_client.status import BY_CODE, PREFIX, error_of_item, exception_for, subclasses
from ragents_client.testing import ReceivedCall, scripted_server
from ragents_client.v1 import ERROR_REASON_DOCUMENT_BOMB, ERROR_REASON_RATE_LIMITED, ErrorReason, Failure

REASONS = [value for value in ErrorReason.values() if value]
CALL_REASONS = [value for value in REASONS if "DOCUMENT_" not in ErrorReason.Name(value)]


@pytest.mark.parametrize("reason", REASONS, ids=ErrorReason.Name)
def test_every_reason_has_one_exception(reason: ErrorReason.ValueType) -> None:
    claimed = [kind for kind in subclasses(RagentsError) if "reason" in vars(kind) and kind.reason == reason]
    if ErrorReason.Name(reason).startswith(f"{PREFIX}DOCUMENT_"):
        assert exception_for(reason, grpc.StatusCode.INVALID_ARGUMENT) is errors.DocumentRefused
    else:
        assert len(claimed) == 1
        assert exception_for(reason, grpc.StatusCode.UNKNOWN) is claimed[0]


@pytest.mark.parametrize("reason", CALL_REASONS, ids=ErrorReason.Name)
def test_every_exception_has_the_code_its_reason_names(reason: ErrorReason.ValueType) -> None:
    contract = Path(__file__).parents[2] / "protos/ragents/v1/error_reason.proto"
    named = re.search(rf"// ([A-Z_]+)[.,][^\n]*\n\s*{ErrorReason.Name(reason)} =", contract.read_text())
    assert named is not None
    assert exception_for(reason, grpc.StatusCode.UNKNOWN).code.name == named[1]


@pytest.mark.parametrize("reason", CALL_REASONS, ids=ErrorReason.Name)
def test_a_refusal_arrives_as_it_was_made(connect: Any, reason: ErrorReason.ValueType) -> None:
    made = exception_for(reason, grpc.StatusCode.UNKNOWN)(
        "what is wrong",
        advice="what to do",
        violations=[FieldViolation("question.text", "is empty")],
        quota=[QuotaViolation("user:ada", "60 a minute")],
    )
    with (
        scripted_server({"Query": made}) as server,
        connect(server.address) as rag,
        pytest.raises(RagentsError) as caught,
    ):
        rag.query("Which mole?")
    arrived = caught.value
    assert type(arrived) is type(made)
    assert (arrived.code, arrived.reason, arrived.message) == (made.code, reason, "what is wrong")
    assert (arrived.advice, arrived.violations, arrived.quota) == ("what to do", made.violations, made.quota)
    assert str(arrived) == "what is wrong. what to do"


def test_the_text_of_a_rate_limit_tells_the_wait(connect: Any) -> None:
    limited = errors.RateLimited("60 requests a minute for user ada", retry_after=2.4)
    with (
        scripted_server({"Query": limited}) as server,
        connect(server.address) as rag,
        pytest.raises(errors.RateLimited) as caught,
    ):
        rag.query("Which mole?")
    assert caught.value.retry_after == pytest.approx(2.4)
    assert str(caught.value) == "60 requests a minute for user ada; send again in 2.4 s"


def test_a_failing_stream_raises_the_same_exception(connect: Any) -> None:
    with (
        scripted_server({"StreamQuery": errors.ModelQuota("spent")}) as server,
        connect(server.address) as rag,
        pytest.raises(errors.ModelQuota, match="spent"),
    ):
        list(rag.stream_query("Which mole?"))


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_a_status_without_a_reason_is_told_by_its_code(connect: Any, code: grpc.StatusCode) -> None:
    def abort(call: ReceivedCall) -> Any:
        call.context.abort(code, "somebody else says so")

    with (
        scripted_server({"Query": abort}) as server,
        connect(server.address) as rag,
        pytest.raises(
            RagentsError, match="somebody else says so" if code.name != "DEADLINE_EXCEEDED" else "60 s"
        ) as caught,
    ):
        rag.query("Which mole?")
    assert type(caught.value) is BY_CODE.get(code, errors.UnexpectedStatus)
    assert (caught.value.code, caught.value.reason) == (code, 0)


def test_ids_of_request_and_trace_come_with_the_failure(connect: Any) -> None:
    def abort(call: ReceivedCall) -> Any:
        call.context.set_trailing_metadata((("x-request-id", "r1"), ("x-ragents-trace-id", "t1")))
        call.context.abort(grpc.StatusCode.INTERNAL, "incident 7")

    with (
        scripted_server({"GetHealth": abort}) as server,
        connect(server.address) as rag,
        pytest.raises(errors.InternalError) as caught,
    ):
        rag.get_health()
    assert (caught.value.request_id, caught.value.trace_id) == ("r1", "t1")


@pytest.mark.parametrize("details", [b"\xff\xff\xff", b""], ids=["garbage", "empty"])
def test_unreadable_details_leave_code_and_message(connect: Any, details: bytes) -> None:
    def abort(call: ReceivedCall) -> Any:
        call.context.set_trailing_metadata((("grpc-status-details-bin", details), ("grpc-retry-pushback-ms", "2500")))
        call.context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no")

    with (
        scripted_server({"Query": abort}) as server,
        connect(server.address) as rag,
        pytest.raises(errors.Exhausted) as caught,
    ):
        rag.query("Which mole?")
    assert (caught.value.message, caught.value.retry_after) == ("no", 2.5)


def test_a_failed_item_becomes_an_exception_too() -> None:
    refused = error_of_item(Failure(code=3, reason=ERROR_REASON_DOCUMENT_BOMB, message="1000 times its size"))
    assert isinstance(refused, errors.DocumentRefused)
    assert refused.reason == ERROR_REASON_DOCUMENT_BOMB
    limited = Failure(code=8, reason=ERROR_REASON_RATE_LIMITED, message="slow down")
    limited.retry_after.FromMilliseconds(1500)
    assert error_of_item(limited).retry_after == 1.5


def test_an_exception_survives_pickling() -> None:
    made = errors.RateLimited("60 a minute", retry_after=2.0, quota=[QuotaViolation("user:ada", "60 a minute")])
    again = pickle.loads(pickle.dumps(made))  # noqa: S301 # our own bytes
    assert (type(again), again.retry_after, again.quota) == (errors.RateLimited, 2.0, made.quota)


def test_nobody_listening_says_where_and_what_to_check() -> None:
    with scripted_server({}) as server:
        address = server.address
    with Client(address) as rag, pytest.raises(errors.Unreachable, match=f"cannot reach {address}.*ragents-server"):
        rag.query("Which mole?")
