"""The guard of limits and admission: each call waits for its tokens, and has its priority when it takes a slot."""

import asyncio
from functools import partial
from typing import Any

from ragents_server.caller import PRIORITIES, clamped, current_caller
from ragents_server.errors import InvalidRequest, RateLimited
from ragents_server.execution import Execution, Gate
from ragents_server.interceptors.around import Call, Guard, Serve
from ragents_server.limits.law import Decision
from ragents_server.limits.processing import Processing

PRIORITY = "x-ragents-priority"
LIMIT, REMAINING, RESET = "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"  # the last in seconds


def admission(processing: Processing, gate: Gate) -> Guard:
    """Gives each call an execution; it takes a slot of the gate when it has to be worked for."""

    def guard(serve: Serve) -> Serve:
        async def admitted(call: Call) -> Any:
            caller = current_caller()
            priority = asked_priority(call, caller.priority)
            execution = Execution(gate, caller, kind=call.method, priority=priority, until=call.until)
            seconds = call.until - asyncio.get_running_loop().time()
            told = partial(_tell, call)
            try:
                return await processing.process(execution, partial(serve, call), seconds=seconds, told=told)
            except RateLimited as error:
                if error.number and LIMIT not in call.trailers:  # the refusal is this call's own
                    _tell(
                        call,
                        Decision(False, error.retry_after or 0, error.limit, error.number, 0, error.retry_after or 0),
                    )
                raise

        return admitted

    return guard


def _tell(call: Call, decision: Decision) -> None:
    """The state of the tightest limit, for the trailers of whatever status the call ends with."""
    if decision.limit:
        call.trailers[LIMIT] = str(decision.number)
        call.trailers[REMAINING] = str(decision.remaining)
        call.trailers[RESET] = f"{decision.reset:.3f}"
        call.context.set_trailing_metadata(tuple(call.trailers.items()))


def asked_priority(call: Call, ceiling: str) -> int:
    """The place in PRIORITIES that the call asks for, or the highest that its caller may have."""
    priority = clamped(call.metadata.get(PRIORITY), ceiling)
    if priority is None:
        raise InvalidRequest(f"{PRIORITY} must be one of {', '.join(PRIORITIES)}")
    return PRIORITIES.index(priority)
