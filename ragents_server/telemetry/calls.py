"""RPCs under the names that the ecosystem knows, and those among them that failed by the server's fault."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram

from ragents_server.telemetry.faults import FAULTS, is_fault
from ragents_server.telemetry.instruments import Instruments

if TYPE_CHECKING:
    from ragents_server.interceptors.around import Call

UNKNOWN = "unknown"  # whatever name a caller gave to a method that nobody serves


@dataclass(frozen=True, slots=True)
class _Method:
    labels: tuple[str, str, str]
    started: Counter
    seconds: Histogram
    received: Counter
    sent: Counter
    handled: dict[str, Counter]


class CallMetrics:
    """An observer of calls; what it writes to is looked up once for each method and code."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._methods: dict[str, _Method] = {}

    def began(self, call: "Call") -> None:
        """Counts it, whatever becomes of it."""
        self._method(call).started.inc()

    def ended(self, call: "Call") -> None:
        """Counts its status, time and messages."""
        method = self._method(call)
        handled = method.handled.get(call.code)
        if handled is None:
            handled = self._instruments.counter("grpc_server_handled_total", *method.labels, call.code)
            method.handled[call.code] = handled
        handled.inc()
        method.seconds.observe(call.seconds)
        method.received.inc(call.received)
        method.sent.inc(call.sent)
        if call.code != "OK" and is_fault(call.code, admitted=call.admitted):
            self._instruments.count("ragents_errors_total", call.method.lstrip("/"), call.code)

    def unserved(self) -> None:
        """Counts a call of a method that nobody serves."""
        labels = ("unary", UNKNOWN, UNKNOWN)
        self._instruments.count("grpc_server_started_total", *labels)
        self._instruments.count("grpc_server_handled_total", *labels, "UNIMPLEMENTED")

    def _method(self, call: "Call") -> _Method:
        found = self._methods.get(call.method)
        return found or self._add(call)

    def _add(self, call: "Call") -> _Method:
        """Of a method that is served: nothing else comes to the guards."""
        service, _, method = call.method.lstrip("/").partition("/")
        for code in (*FAULTS, "DEADLINE_EXCEEDED"):  # each begins at 0, so that the first of its kind is a rise
            self._instruments.counter("ragents_errors_total", call.method.lstrip("/"), code)
        made, labels = self._instruments, (call.kind, service, method)
        found = self._methods[call.method] = _Method(
            labels,
            made.counter("grpc_server_started_total", *labels),
            made.histogram("grpc_server_handling_seconds", *labels),
            made.counter("grpc_server_msg_received_total", *labels),
            made.counter("grpc_server_msg_sent_total", *labels),
            {},
        )
        return found
