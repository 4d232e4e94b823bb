"""Which calls are traced, and what a trace tells of the call as a whole."""

import re
from typing import TYPE_CHECKING

from ragents_client.v1.error_reason_pb2 import ErrorReason
from ragents_server.signals import begin_trace
from ragents_server.telemetry.opik import Opik

if TYPE_CHECKING:
    from ragents_server.interceptors.around import Call

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
OURS = "/ragents."


class Tracing:
    """An observer of calls.

    One of `share` (0..1) is traced, chosen by its W3C trace id, so that all services of a mesh that choose so choose
    the same; and every one whose caller traces it already.
    """

    def __init__(self, opik: Opik, share: float) -> None:
        self._opik = opik
        self._below = int(share * 2**64)

    def began(self, call: "Call") -> None:
        """Begins the trace, or goes on with the caller's."""
        if not call.method.startswith(OURS):
            return
        given = _uuid(call.metadata.get("opik_trace_id"))
        trace_id = call.trailers["x-ragents-trace-id"]
        if not given and int(trace_id[16:], 16) >= self._below:
            return
        call.span = root = begin_trace(call.method.rpartition("/")[2])
        root.set(method=call.method, trace_id=trace_id, request_id=call.trailers["x-request-id"])
        if given:
            parent = _uuid(call.metadata.get("opik_parent_span_id"))
            root.set(caller_trace=given, **({"caller_span": parent} if parent else {}))

    def ended(self, call: "Call") -> None:
        """Tells of the call; what it started may still go on."""
        root = call.span
        if root is None:
            return
        root.seconds = call.seconds
        root.set(code=call.code)
        if call.code != "OK":
            root.error, root.said = call.code, ""
            if call.failure is not None:
                reason = ErrorReason.Name(call.failure.reason).removeprefix("ERROR_REASON_")
                root.set(reason=reason)
                root.error, root.said = reason, call.failure.message
        root.show(request=call.request, reply=call.reply)
        self._opik(root)


def _uuid(value: object) -> str:
    return value if isinstance(value, str) and UUID.fullmatch(value) else ""
