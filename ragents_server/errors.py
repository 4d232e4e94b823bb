"""Every failure: an exception with its status code, its reason in the contract, and what the caller should do.

RagentsError
├── InvalidRequest          INVALID_ARGUMENT      a field is wrong; names it
│   ├── RequestIdReused     INVALID_ARGUMENT
│   └── DocumentRefused     INVALID_ARGUMENT      one document of an upload, with a DOCUMENT_* reason
├── Unauthenticated         UNAUTHENTICATED
├── PermissionDenied        PERMISSION_DENIED
├── NotFound                NOT_FOUND
├── RateLimited             RESOURCE_EXHAUSTED    with the exact wait and the limit
├── Overloaded              RESOURCE_EXHAUSTED
├── MessageTooLarge         RESOURCE_EXHAUSTED
├── BudgetSpent             RESOURCE_EXHAUSTED
├── DeadlineTooShort        DEADLINE_EXCEEDED
├── Cancelled               CANCELLED
├── ThreadBusy              ABORTED
├── StateUnavailable        UNAVAILABLE
│   └── LeaseLost           UNAVAILABLE           somebody else goes on with the thread
├── ModelUnavailable        UNAVAILABLE
│   └── ModelQuota          UNAVAILABLE           with the model's own Retry-After
├── Draining                UNAVAILABLE
├── ContextTooLong          FAILED_PRECONDITION
├── ModelMismatch           FAILED_PRECONDITION
├── CheckpointTooNew        FAILED_PRECONDITION
├── CheckpointCorrupt       DATA_LOSS
│   └── JobCorrupt          DATA_LOSS             one question of a batch
├── Unimplemented           UNIMPLEMENTED
└── InternalError           INTERNAL              an incident id, nothing else
ConfigurationError          exit status 78        the server cannot start as configured
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

import grpc

from ragents_client.v1 import error_reason_pb2 as reasons
from ragents_client.v1.error_reason_pb2 import ErrorReason
from ragents_client.v1.failure_pb2 import Failure

EX_CONFIG = 78  # the exit status for a ConfigurationError


class ConfigurationError(Exception):
    """The server cannot start as configured; the text is one line that says what to change. Exit status 78."""


class RagentsError(Exception):
    """A failure as the caller sees it: `message` says what is wrong, `advice` what to do about it."""

    code: ClassVar[grpc.StatusCode]
    reason: ErrorReason.ValueType
    advice: str

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after  # seconds

    def failure(self) -> Failure:
        """The same as a Failure, for one item of a call that goes on."""
        message = f"{self.message.rstrip('.')}. {self.advice}" if self.advice else self.message
        failure = Failure(code=self.code.value[0], reason=self.reason, message=message)
        if self.retry_after is not None:
            failure.retry_after.FromNanoseconds(int(self.retry_after * 1e9))
        return failure


class InvalidRequest(RagentsError):
    """A field is malformed, too long or out of range."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = reasons.ERROR_REASON_INVALID_REQUEST
    advice = "Correct the field and send the call again."

    def __init__(self, message: str, *, violations: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.violations = dict(violations or {})  # field path -> what is wrong with it


class RequestIdReused(InvalidRequest):
    """The request_id names another request."""

    reason = reasons.ERROR_REASON_REQUEST_ID_REUSED
    advice = "Use a fresh request_id for a new request."


class DocumentRefused(InvalidRequest):
    """One document of an upload was refused; the others go on."""

    advice = ""  # its message says what to do with this document

    def __init__(self, reason: ErrorReason.ValueType, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Unauthenticated(RagentsError):
    """No credential, or one that is not known."""

    code = grpc.StatusCode.UNAUTHENTICATED
    reason = reasons.ERROR_REASON_UNAUTHENTICATED
    advice = (
        "Send the metadata `authorization: Bearer <key>` with a key this server knows, or show a certificate it knows."
    )


class PermissionDenied(RagentsError):
    """The credential does not allow the call."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = reasons.ERROR_REASON_PERMISSION_DENIED
    advice = "Ask the owner of the credential for what is missing."


class NotFound(RagentsError):
    """No such thing, or somebody else's: the two are byte-identical, so the text names no id."""

    code = grpc.StatusCode.NOT_FOUND
    reason = reasons.ERROR_REASON_NOT_FOUND
    advice = "Check the id or name; list what there is."


class RateLimited(RagentsError):
    """A bucket is empty."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = reasons.ERROR_REASON_RATE_LIMITED
    advice = "Send the call again after the wait."

    def __init__(self, message: str, *, retry_after: float, limit: str, number: int = 0) -> None:
        super().__init__(message, retry_after=retry_after)
        self.limit = limit
        self.number = number


class Overloaded(RagentsError):
    """A queue is full, or lower priorities are being shed."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = reasons.ERROR_REASON_OVERLOADED
    advice = "Send the call again after the wait."


class MessageTooLarge(RagentsError):
    """A message is larger than accepted."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = reasons.ERROR_REASON_MESSAGE_TOO_LARGE
    advice = "Send large documents in chunks."


class BudgetSpent(RagentsError):
    """A run's budget of steps, tokens or seconds is spent."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = reasons.ERROR_REASON_BUDGET_SPENT
    advice = "Raise the turn's limits, or ask for less in one turn."


class DeadlineTooShort(RagentsError):
    """The deadline passed, or what is left of it cannot suffice."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = reasons.ERROR_REASON_DEADLINE_TOO_SHORT
    advice = "Give the call more time."


class Cancelled(RagentsError):
    """The caller cancelled."""

    code = grpc.StatusCode.CANCELLED
    reason = reasons.ERROR_REASON_CANCELLED
    advice = "Nothing to do: the call was cancelled."


class ThreadBusy(RagentsError):
    """The thread has a turn under way."""

    code = grpc.StatusCode.ABORTED
    reason = reasons.ERROR_REASON_THREAD_BUSY
    advice = "Send the turn again when the one under way has ended."


class StateUnavailable(RagentsError):
    """The database is away, or the outcome of a write is unknown."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = reasons.ERROR_REASON_STATE_UNAVAILABLE
    advice = "Send the same request again; a repeated put or delete does nothing twice."


class LeaseLost(StateUnavailable):
    """The thread's lease went to somebody else; nothing more of this run is saved here."""

    advice = "Send the same request again: it goes on where it was saved last."


class ModelUnavailable(RagentsError):
    """A model is down, failing or not understood; `lasting`: it refuses the request or our key, now and later."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = reasons.ERROR_REASON_MODEL_UNAVAILABLE
    advice = "Send the call again later."

    def __init__(self, message: str, *, retry_after: float | None = None, lasting: bool = False) -> None:
        super().__init__(message, retry_after=retry_after)
        self.lasting = lasting


class ModelQuota(ModelUnavailable):
    """The model's own quota is spent."""

    reason = reasons.ERROR_REASON_MODEL_QUOTA
    advice = "Send the call again after the wait, or raise the quota with the model's provider."


class Draining(RagentsError):
    """This replica is shutting down."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = reasons.ERROR_REASON_DRAINING
    advice = "Send the call again; another replica takes it."


class ContextTooLong(RagentsError):
    """The question with its passages is too large for the model."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = reasons.ERROR_REASON_CONTEXT_TOO_LONG
    advice = "Shorten the question or its history, or lower top_k."


class ModelMismatch(RagentsError):
    """A collection was embedded by another model."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = reasons.ERROR_REASON_MODEL_MISMATCH
    advice = "Run `ragents-server reindex COLLECTION`, or set RAGENTS_EMBEDDINGS back."


class CheckpointTooNew(RagentsError):
    """The saved state was written by a newer release."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = reasons.ERROR_REASON_CHECKPOINT_TOO_NEW
    advice = "Upgrade this server; the saved state was left untouched."


class CheckpointCorrupt(RagentsError):
    """The saved state fails its integrity check."""

    code = grpc.StatusCode.DATA_LOSS
    reason = reasons.ERROR_REASON_CHECKPOINT_CORRUPT
    advice = "Restore the thread from a backup, or begin a new one; the saved state was left untouched."


class JobCorrupt(CheckpointCorrupt):
    """What is stored of one question of a batch fails its integrity check."""

    advice = "Submit the question again."


class Unimplemented(RagentsError):
    """This release does not serve the call."""

    code = grpc.StatusCode.UNIMPLEMENTED
    reason = reasons.ERROR_REASON_UNIMPLEMENTED
    advice = "Upgrade the server, or leave the call out."


class InternalError(RagentsError):
    """A bug; the text carries an incident id and nothing else, the log has the rest under that id."""

    code = grpc.StatusCode.INTERNAL
    reason = reasons.ERROR_REASON_INTERNAL
    advice = "Report it with the incident id."


def from_failure(failure: Failure) -> RagentsError:
    """The error that a Failure was made of, for whoever asks again; of field violations only the text is left."""
    kind = next((one for one in _kinds(RagentsError) if one.__dict__.get("reason") == failure.reason), DocumentRefused)
    message = failure.message.removesuffix(f". {kind.advice}") if kind.advice else failure.message
    wait = failure.retry_after.ToNanoseconds() / 1e9 if failure.HasField("retry_after") else None
    if issubclass(kind, DocumentRefused):
        return kind(failure.reason, message)
    if issubclass(kind, RateLimited):
        return kind(message, retry_after=wait or 0.0, limit="")
    if issubclass(kind, InvalidRequest):
        return kind(message)
    return kind(message, retry_after=wait)


def _kinds(kind: type[RagentsError]) -> Iterator[type[RagentsError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _kinds(one)
