"""The guard of statuses: whatever goes wrong becomes a status of the contract, with reason, advice and wait."""

import asyncio
import logging
import math
import traceback
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from ragents_client.v1.error_reason_pb2 import ErrorReason
from ragents_server.errors import (
    InvalidRequest,
    ModelQuota,
    ModelUnavailable,
    RagentsError,
    RateLimited,
    StateUnavailable,
    Unimplemented,
)
from ragents_server.incidents import known
from ragents_server.interceptors.around import Call, Serve

log = logging.getLogger(__name__)

DOMAIN = "ragents.v1"
DETAILS = "grpc-status-details-bin"


def errors(serve: Serve) -> Serve:
    """Turns an exception into a status; only a bug's is INTERNAL."""

    async def guarded(call: Call) -> Any:
        try:
            return await serve(call)
        except grpc.aio.AbortError:
            raise
        except grpc.aio.InternalError:  # what is written does not arrive any more
            raise asyncio.CancelledError("the caller has left") from None
        except asyncio.CancelledError as ended:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody asked the call itself to end: without a status of ours its caller would be told CANCELLED.
            log.warning("%s: what it waited for was ended, in %s", call.method, _place(ended))
            await _abort(call, StateUnavailable("what the call waited for was ended under it"))
        except NotImplementedError:
            await _abort(call, Unimplemented(f"this release does not serve {call.method.rpartition('/')[2]}"))
        except Exception as error:  # noqa: BLE001 - the last resort of a call: nothing of it may reach the caller
            await _abort(call, known(error, call.method))

    return guarded


def _place(error: BaseException) -> str:
    """Where it was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename.rpartition('/')[2]}:{last.lineno} {last.name}"


async def _abort(call: Call, error: RagentsError) -> None:
    """Ends the call with the whole status; `abort_with_status` would drop trailers that were set before."""
    call.failure = error
    trailers: list[tuple[str, str | bytes]] = [*call.trailers.items()]
    remaining: float | None = call.context.time_remaining()
    if (pushback := pushback_of(error, math.inf if remaining is None else remaining)) is not None:
        trailers.append(("grpc-retry-pushback-ms", str(pushback)))
    status = to_status(error)
    call.context.set_trailing_metadata((*trailers, (DETAILS, status.SerializeToString())))
    try:
        await call.context.abort(error.code, status.message)
    except grpc.aio.InternalError:
        raise asyncio.CancelledError("the caller has left") from None


def pushback_of(error: RagentsError, remaining: float) -> int | None:
    """Milliseconds until gRPC's clients send the call again by themselves; -1: they shall not; None: as they like.

    They wait within the call's deadline and in silence: a wait that does not fit in what remains of it is for their
    callers, who read it in RetryInfo. A failing model has been asked again here, as often as its budget allows.
    """
    repeated = isinstance(error, ModelUnavailable) and not isinstance(error, ModelQuota)
    if error.retry_after is None:
        return -1 if repeated or error.code is grpc.StatusCode.RESOURCE_EXHAUSTED else None
    return -1 if repeated or error.retry_after >= remaining else int(error.retry_after * 1000) + 1


def to_status(error: RagentsError) -> status_pb2.Status:
    """The error as google.rpc.Status: ErrorInfo always, the other details where they apply."""
    reason = ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_")
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata={"advice": error.advice})
    ]
    if error.retry_after is not None:
        wait = Duration()
        wait.FromNanoseconds(int(error.retry_after * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=wait))
    if isinstance(error, InvalidRequest) and error.violations:
        field = error_details_pb2.BadRequest.FieldViolation
        rows = [field(field=name, description=text) for name, text in error.violations.items()]
        details.append(error_details_pb2.BadRequest(field_violations=rows))
    if isinstance(error, RateLimited):
        quota = error_details_pb2.QuotaFailure.Violation(subject=error.limit, description=error.message)
        details.append(error_details_pb2.QuotaFailure(violations=[quota]))
    packed = [_pack(detail) for detail in details]
    return status_pb2.Status(code=error.code.value[0], message=error.message, details=packed)


def _pack(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
