"""Turns what gRPC reports of a failed call, or a `Failure` of one item, into the exception that names it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from ragents_client import errors
from ragents_client.errors import FieldViolation, QuotaViolation, RagentsError
from ragents_client.v1 import error_reason_pb2 as reasons
from ragents_client.v1.error_reason_pb2 import ErrorReason
from ragents_client.v1.failure_pb2 import Failure

DOMAIN = "ragents.v1"
PREFIX = "ERROR_REASON_"
DETAILS = "grpc-status-details-bin"
PUSHBACK = "grpc-retry-pushback-ms"
REQUEST_ID = "x-request-id"
TRACE_ID = "x-ragents-trace-id"

CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}

# A status that carries no reason of ours comes from gRPC itself or from a proxy on the way.
BY_CODE: dict[grpc.StatusCode, type[RagentsError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidRequest,
    grpc.StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: errors.PermissionDenied,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.Exhausted,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineTooShort,
    grpc.StatusCode.CANCELLED: errors.Cancelled,
    grpc.StatusCode.UNAVAILABLE: errors.Unreachable,
    grpc.StatusCode.FAILED_PRECONDITION: errors.FailedPrecondition,
    grpc.StatusCode.UNIMPLEMENTED: errors.Unimplemented,
    grpc.StatusCode.INTERNAL: errors.InternalError,
}


class FailedCall(Protocol):
    """What the exceptions of the blocking and of the asyncio channel can both tell."""

    def code(self) -> grpc.StatusCode | None: ...
    def details(self) -> str | None: ...
    def initial_metadata(self) -> Any: ...
    def trailing_metadata(self) -> Any: ...


@dataclass(slots=True)
class Details:
    """What a failed call says beside its code and message."""

    reason: ErrorReason.ValueType = reasons.ERROR_REASON_UNSPECIFIED
    advice: str = ""
    retry_after: float | None = None
    violations: list[FieldViolation] = field(default_factory=list)
    quota: list[QuotaViolation] = field(default_factory=list)


def subclasses(kind: type[RagentsError]) -> Iterator[type[RagentsError]]:
    """The exception and everything below it."""
    yield kind
    for child in kind.__subclasses__():
        yield from subclasses(child)


def exception_for(reason: ErrorReason.ValueType, code: grpc.StatusCode) -> type[RagentsError]:
    """The class that stands for a reason, or for the code where no reason is known."""
    if reason:
        for kind in subclasses(RagentsError):
            if kind.reason == reason:
                return kind
        if ErrorReason.Name(reason).startswith(f"{PREFIX}DOCUMENT_"):
            return errors.DocumentRefused
    return BY_CODE.get(code, errors.UnexpectedStatus)


def reason_named(name: str) -> ErrorReason.ValueType:
    """The reason of an ErrorInfo; unspecified for one of a newer release."""
    full = f"{PREFIX}{name}"
    return ErrorReason.Value(full) if full in ErrorReason.keys() else reasons.ERROR_REASON_UNSPECIFIED  # noqa: SIM118


def read_details(status: Any) -> Details:
    """Reads the details of a google.rpc.Status; those of other types are left alone."""
    found = Details()
    for packed in status.details:
        match packed.TypeName():
            case "google.rpc.ErrorInfo":
                info = error_details_pb2.ErrorInfo.FromString(packed.value)
                if info.domain == DOMAIN:
                    found.reason, found.advice = reason_named(info.reason), info.metadata.get("advice", "")
            case "google.rpc.RetryInfo":
                delay = error_details_pb2.RetryInfo.FromString(packed.value).retry_delay
                found.retry_after = delay.seconds + delay.nanos / 1e9
            case "google.rpc.BadRequest":
                bad = error_details_pb2.BadRequest.FromString(packed.value)
                found.violations = [FieldViolation(v.field, v.description) for v in bad.field_violations]
            case "google.rpc.QuotaFailure":
                failed = error_details_pb2.QuotaFailure.FromString(packed.value)
                found.quota = [QuotaViolation(v.subject, v.description) for v in failed.violations]
    return found


def details_in(metadata: dict[str, str | bytes]) -> Details:
    """What a call's metadata says of its failure; nothing where it is unreadable."""
    try:
        details = read_details(status_pb2.Status.FromString(metadata.get(DETAILS, b"")))
    except DecodeError:
        details = Details()
    pushback = text(metadata.get(PUSHBACK, ""))
    if details.retry_after is None and pushback.isdigit():
        details.retry_after = int(pushback) / 1000
    return details


def text(value: str | bytes) -> str:
    """A metadata value as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def metadata_of(*parts: Iterable[tuple[str, str | bytes]] | None) -> dict[str, str | bytes]:
    """Metadata of a call as one mapping, the trailing wins."""
    return {str(key): value for part in parts if part for key, value in part}


def distrust(said: str) -> str:
    """What to do where the server's certificate is not believed, which gRPC tells in many words; empty elsewhere."""
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return "The server is not trusted: give the authority that signed its certificate (ca=…, --ca or RAGENTS_CA)."
    if "Hostname Verification Check failed" in said:
        return "The server's certificate is made for another name: use the address that it names."
    return ""


def message_of(code: grpc.StatusCode, said: str, target: str, timeout: float | None) -> str:
    """What went wrong in words; gRPC's own words for these two say neither where nor how long."""
    if code is grpc.StatusCode.UNAVAILABLE:
        return f"cannot reach {target}: {said}"
    if code is grpc.StatusCode.DEADLINE_EXCEEDED and timeout is not None:
        return f"no answer from {target} within {timeout:g} s"
    return said or f"{target} ended the call with {code.name}"


def error_of_call(failed: FailedCall, target: str, timeout: float | None = None) -> RagentsError:
    """The exception for a call that `target` or gRPC itself refused."""
    code = failed.code() or grpc.StatusCode.UNKNOWN
    said = failed.details() or ""
    metadata = metadata_of(failed.initial_metadata(), failed.trailing_metadata())
    details = details_in(metadata)
    kind = exception_for(details.reason, code)
    if kind is errors.Exhausted and "larger than max" in said:
        kind = errors.MessageTooLarge
    return kind(
        said if details.reason else message_of(code, said, target, timeout),
        code=code,
        reason=details.reason,
        advice=details.advice or distrust(said),
        retry_after=details.retry_after,
        violations=details.violations,
        quota=details.quota,
        request_id=text(metadata.get(REQUEST_ID, "")),
        trace_id=text(metadata.get(TRACE_ID, "")),
    )


def error_of_item(failure: Failure) -> RagentsError:
    """The exception for one item of a batch or one document of an upload, to raise where one failure is too many."""
    code = CODES.get(failure.code, grpc.StatusCode.UNKNOWN)
    wait = failure.retry_after.ToTimedelta().total_seconds() if failure.HasField("retry_after") else None
    kind = exception_for(failure.reason, code)
    error = kind(failure.message, code=code, reason=failure.reason, retry_after=wait)
    error.advice = ""  # a Failure's message says already what to do
    return error
