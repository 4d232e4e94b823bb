"""One line of the log for a call: what it was, how it ended, how long it took; nothing of what was asked."""

import logging
from typing import TYPE_CHECKING

from ragents_client.v1.error_reason_pb2 import ErrorReason
from ragents_server.telemetry.faults import is_fault

if TYPE_CHECKING:
    from ragents_server.interceptors.around import Call

log = logging.getLogger("ragents_server.calls")


class CallLog:
    """An observer of calls; `every` one, or those that failed by the server's fault."""

    def __init__(self, *, every: bool) -> None:
        self._every = every

    def began(self, call: "Call") -> None:
        """Nothing is known yet."""

    def ended(self, call: "Call") -> None:
        """Writes the line, with the ids that the call has by now."""
        fault = is_fault(call.code, admitted=call.admitted)
        if not (fault or self._every):
            return
        facts: dict[str, object] = {"method": call.method, "code": call.code, "seconds": round(call.seconds, 6)}
        if call.failure is not None:
            facts["reason"] = ErrorReason.Name(call.failure.reason).removeprefix("ERROR_REASON_")
        log.log(logging.WARNING if fault else logging.INFO, "call ended", extra=facts)
