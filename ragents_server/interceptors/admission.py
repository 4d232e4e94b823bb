"""The admission guard: how urgent a call is, and that whatever it holds of the server's slots is given back."""

from typing import Any

from ragents_server.caller import PRIORITIES, clamped, current_caller
from ragents_server.errors import InvalidRequest
from ragents_server.execution import Execution, Gate, begin
from ragents_server.interceptors.around import Call, Guard, Serve

PRIORITY = "x-ragents-priority"


def admission(gate: Gate) -> Guard:
    """Gives each call an execution; it takes a slot of the gate when it has to be worked for."""

    def guard(serve: Serve) -> Serve:
        async def admitted(call: Call) -> Any:
            execution = Execution(
                gate, current_caller(), kind=call.method, priority=asked_priority(call), until=call.until
            )
            begin(execution)
            well = False
            try:
                served = await serve(call)
                well = True
                return served
            finally:
                execution.end(well=well)

        return admitted

    return guard


def asked_priority(call: Call) -> int:
    """The place in PRIORITIES that the call asks for, or the highest that its caller may have."""
    priority = clamped(call.metadata.get(PRIORITY), current_caller().priority)
    if priority is None:
        raise InvalidRequest(f"{PRIORITY} must be one of {', '.join(PRIORITIES)}")
    return PRIORITIES.index(priority)
