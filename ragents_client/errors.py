"""Every way a call can fail: one exception per `ErrorReason`, whose text says what to do.

RagentsError                    code, reason, message, advice, retry_after, …
├── InvalidRequest              a field is wrong; `violations` names it
│   ├── RequestIdReused
│   └── DocumentRefused         one document of an upload; `reason` is one of DOCUMENT_*
├── Unauthenticated
├── PermissionDenied
├── NotFound
├── Exhausted
│   ├── RateLimited             `retry_after` is exact; `quota` names the limit
│   ├── Overloaded
│   ├── MessageTooLarge
│   └── BudgetSpent
├── DeadlineTooShort
├── Cancelled
├── ThreadBusy
├── Unavailable                 the same request may be sent again
│   ├── Unreachable             no server answered
│   ├── StateUnavailable
│   ├── ModelUnavailable
│   │   └── ModelQuota
│   └── Draining
├── FailedPrecondition
│   ├── ContextTooLong
│   ├── ModelMismatch
│   └── CheckpointTooNew
├── CheckpointCorrupt
├── Unimplemented
├── InternalError               a bug of the server; the message carries an incident id
└── UnexpectedStatus            a status that the contract does not know
ClientClosed                    the client was used after its end
"""

from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from ragents_client.v1 import error_reason_pb2 as reasons
from ragents_client.v1.error_reason_pb2 import ErrorReason


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """What is wrong with one field of a request."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class QuotaViolation:
    """Which limit a request ran into."""

    subject: str
    description: str


class ClientClosed(Exception):
    """The client was used after its end; open a new one."""


class RagentsError(Exception):
    """A failed call: `message` says what is wrong, `advice` what to do, `retry_after` (seconds) when."""

    code: grpc.StatusCode = grpc.StatusCode.UNKNOWN
    reason: ErrorReason.ValueType = reasons.ERROR_REASON_UNSPECIFIED
    advice: str = ""

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode | None = None,
        reason: ErrorReason.ValueType | None = None,
        advice: str = "",
        retry_after: float | None = None,
        violations: Sequence[FieldViolation] = (),
        quota: Sequence[QuotaViolation] = (),
        request_id: str = "",
        trace_id: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.reason = type(self).reason if reason is None else reason
        self.message = message
        self.advice = advice or type(self).advice
        self.retry_after = retry_after
        self.violations = tuple(violations)
        self.quota = tuple(quota)
        self.request_id = request_id
        self.trace_id = trace_id

    def __str__(self) -> str:
        if self.retry_after is not None:
            return f"{self.message.rstrip('.')}; send again in {self.retry_after:.3g} s"
        return f"{self.message.rstrip('.')}. {self.advice}" if self.advice else self.message


class InvalidRequest(RagentsError):
    """A field is malformed, too long or out of range."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = reasons.ERROR_REASON_INVALID_REQUEST
    advice = "Correct the request and send it again."


class RequestIdReused(InvalidRequest):
    """The request_id names another request."""

    reason = reasons.ERROR_REASON_REQUEST_ID_REUSED
    advice = "Use a fresh request_id for a new request."


class DocumentRefused(InvalidRequest):
    """One document of an upload was refused; the others went in."""

    advice = "Mend the document and put it again."


class Unauthenticated(RagentsError):
    """No credential, or one that the server does not know."""

    code = grpc.StatusCode.UNAUTHENTICATED
    reason = reasons.ERROR_REASON_UNAUTHENTICATED
    advice = "Give a token (token=…, or RAGENTS_TOKEN) or a certificate that this server knows."


class PermissionDenied(RagentsError):
    """The credential does not allow the call."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = reasons.ERROR_REASON_PERMISSION_DENIED
    advice = "Ask the owner of the credential for what is missing."


class NotFound(RagentsError):
    """No such thing, or it is somebody else's."""

    code = grpc.StatusCode.NOT_FOUND
    reason = reasons.ERROR_REASON_NOT_FOUND
    advice = "Check the id or name; list what there is."


class Exhausted(RagentsError):
    """A limit is reached."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    advice = "Send the call again later."


class RateLimited(Exhausted):
    """A bucket is empty."""

    reason = reasons.ERROR_REASON_RATE_LIMITED


class Overloaded(Exhausted):
    """The queue is full, or lower priorities are being shed."""

    reason = reasons.ERROR_REASON_OVERLOADED


class MessageTooLarge(Exhausted):
    """A message is larger than the other side accepts."""

    reason = reasons.ERROR_REASON_MESSAGE_TOO_LARGE
    advice = "Send documents in chunks, as put_documents does."


class BudgetSpent(Exhausted):
    """A run's budget of steps, tokens or seconds is spent."""

    reason = reasons.ERROR_REASON_BUDGET_SPENT
    advice = "Raise the turn's limits."


class DeadlineTooShort(RagentsError):
    """The deadline passed, or what is left of it cannot suffice."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = reasons.ERROR_REASON_DEADLINE_TOO_SHORT
    advice = "Give the call more time (timeout=…)."


class Cancelled(RagentsError):
    """The call, or the run it waited for, was cancelled."""

    code = grpc.StatusCode.CANCELLED
    reason = reasons.ERROR_REASON_CANCELLED


class ThreadBusy(RagentsError):
    """The thread has a turn under way."""

    code = grpc.StatusCode.ABORTED
    reason = reasons.ERROR_REASON_THREAD_BUSY
    advice = "Send the turn again when the one under way has ended."


class Unavailable(RagentsError):
    """The server or a part of it is away; the same request may be sent again."""

    code = grpc.StatusCode.UNAVAILABLE
    advice = "Send the same request again later."


class Unreachable(Unavailable):
    """No server answered at the address."""

    advice = (
        "Check the address, that a server runs there (`ragents-server`), and whether it asks for TLS or a certificate."
    )


class StateUnavailable(Unavailable):
    """The database is away, or the outcome is unknown."""

    reason = reasons.ERROR_REASON_STATE_UNAVAILABLE
    advice = "Send the same request again: nothing is done twice."


class ModelUnavailable(Unavailable):
    """The model is down, failing or not understood."""

    reason = reasons.ERROR_REASON_MODEL_UNAVAILABLE


class ModelQuota(ModelUnavailable):
    """The model's own quota is spent."""

    reason = reasons.ERROR_REASON_MODEL_QUOTA


class Draining(Unavailable):
    """This replica is shutting down."""

    reason = reasons.ERROR_REASON_DRAINING
    advice = "Send the same request again; another replica takes it."


class FailedPrecondition(RagentsError):
    """The call cannot work before something else is changed."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class ContextTooLong(FailedPrecondition):
    """The question with its passages is too large for the model."""

    reason = reasons.ERROR_REASON_CONTEXT_TOO_LONG
    advice = "Shorten the question or its history, or lower top_k."


class ModelMismatch(FailedPrecondition):
    """The collection was embedded by another model."""

    reason = reasons.ERROR_REASON_MODEL_MISMATCH
    advice = "Run `ragents-server reindex COLLECTION` on the server."


class CheckpointTooNew(FailedPrecondition):
    """The saved state was written by a newer release."""

    reason = reasons.ERROR_REASON_CHECKPOINT_TOO_NEW
    advice = "Upgrade the server."


class CheckpointCorrupt(RagentsError):
    """The saved state fails its integrity check and was left untouched."""

    code = grpc.StatusCode.DATA_LOSS
    reason = reasons.ERROR_REASON_CHECKPOINT_CORRUPT
    advice = "Restore the thread from a backup."


class Unimplemented(RagentsError):
    """This server does not serve the call."""

    code = grpc.StatusCode.UNIMPLEMENTED
    reason = reasons.ERROR_REASON_UNIMPLEMENTED
    advice = "Upgrade the server, or leave the call out."


class InternalError(RagentsError):
    """A bug of the server."""

    code = grpc.StatusCode.INTERNAL
    reason = reasons.ERROR_REASON_INTERNAL
    advice = "Report it with the incident id."


class UnexpectedStatus(RagentsError):
    """A status that the contract does not know."""

    advice = "Check that the address is a RAGents server of a matching release."
