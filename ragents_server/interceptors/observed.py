"""The guard for whoever looks on: metrics and logs hear of each call's begin, and of its end with the status sent."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Protocol

import grpc

from ragents_server.interceptors.around import Call, Guard, Serve

LATE = 0.1  # seconds; a client's own clock ends a call that much before ours, and it was the deadline all the same


class Observer(Protocol):
    """Looks on; does not wait, and fails no call."""

    def began(self, call: Call) -> None:
        """A call came in; nothing of it was looked at."""
        ...

    def ended(self, call: Call) -> None:
        """It has ended: `code` and `seconds` are set, and `failure` where it is one of ours."""
        ...


def observed(observers: Sequence[Observer]) -> Guard:
    """Tells observers; outermost, so that they see what the caller sees. A stream ends with its last message."""

    def guard(serve: Serve) -> Serve:
        async def told(call: Call) -> Any:
            began = time.perf_counter()
            for one in observers:
                one.began(call)
            try:
                reply = await serve(call)
                call.code = "OK"
                return reply
            except BaseException as error:
                call.code = _code(call, error)
                raise
            finally:
                call.seconds = time.perf_counter() - began
                for one in observers:
                    one.ended(call)

        return told

    return guard


def _code(call: Call, error: BaseException) -> str:
    """The name of the status that such an end has for the caller."""
    if isinstance(error, asyncio.CancelledError) or call.context.cancelled():
        late = asyncio.get_running_loop().time() > call.until - LATE
        return "DEADLINE_EXCEEDED" if late else "CANCELLED"
    if call.failure is not None:
        return call.failure.code.name
    code: Any = call.context.code()
    known = next((one for one in grpc.StatusCode if code in (one, one.value[0])), grpc.StatusCode.UNKNOWN)
    return known.name
