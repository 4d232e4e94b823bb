"""The guard of limits and admission: each call waits for its tokens, and has its priority when it takes a slot."""

import asyncio
from functools import partial
from typing import Any

from ragents_server.caller import PRIORITIES, current_caller
from ragents_server.errors import RateLimited
from ragents_server.execution import Execution, Gate
from ragents_server.interceptors.around import Call, Guard, Serve
from ragents_server.limits.law import Decision
from ragents_server.limits.processing import Processing, rank
from ragents_server.signals import note

PRIORITY = "x-ragents-priority"
LIMIT, REMAINING, RESET = "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"  # the last in seconds


def admission(processing: Processing, gate: Gate) -> Guard:
    """Gives each call an execution; it takes a slot of the gate when it has to be worked for."""

    def guard(serve: Serve) -> Serve:
        async def admitted(call: Call) -> Any:
            caller = current_caller()
            priority = rank(call.metadata.get(PRIORITY), caller)
            note(tenant=caller.tenant, user=caller.user, priority=PRIORITIES[priority])
            execution = Execution(gate, caller, kind=call.method, priority=priority, until=call.until)
            if processing.is_limited(caller):
                return await limited(call, execution)
            with execution:
                return await worked_for(call, execution)

        async def worked_for(call: Call, execution: Execution) -> Any:
            call.admitted = True
            try:
                return await serve(call)
            finally:
                call.admitted = not execution.turned_away
                note(queue_wait=execution.waited)

        async def limited(call: Call, execution: Execution) -> Any:
            def told(decision: Decision) -> None:
                _tell(call, decision.number, decision.remaining, decision.reset)

            seconds = call.until - asyncio.get_running_loop().time()
            try:
                return await processing.process(
                    execution, partial(worked_for, call, execution), seconds=seconds, told=told
                )
            except RateLimited as error:
                if LIMIT not in call.trailers:  # else the request was admitted, and a model's tokens were not there
                    _tell(call, error.number, 0, error.retry_after or 0.0)
                raise

        return admitted

    return guard


def _tell(call: Call, limit: int, remaining: int, reset: float) -> None:
    """The state of the tightest limit, for the trailers of whatever status the call ends with; none where it is 0."""
    if limit:
        call.trailers |= {LIMIT: str(limit), REMAINING: str(remaining), RESET: f"{reset:.3f}"}
        call.context.set_trailing_metadata(tuple(call.trailers.items()))
