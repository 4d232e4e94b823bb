"""Calls that do nothing but be traced by our exporter: prints the CPU milliseconds of one.

`traced_calls.py URL CALLS SPANS`, SPANS of each call with the call's own among them; URL `off`: nobody listens.
"""

import sys
import time
from contextlib import ExitStack

from ragents_server.signals import begin_trace, listening, span
from ragents_server.telemetry.opik import Destination, Opik
from ragents_server.telemetry.records import Records
from ragents_server.telemetry.redaction import Redaction
from scripts.benchmarks.trace_texts import ANSWER, PAUSE, PAUSE_AFTER, QUESTION


def main() -> None:
    """All of them, paced so that nothing is dropped."""
    url, calls, spans = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    dropped: list[int] = []
    opik = None
    with ExitStack() as stack:
        if url != "off":
            opik = Opik(Destination(f"{url}/api"), Records("bench", Redaction(), with_contents=True), dropped.append)
            opik.start()
            stack.enter_context(listening(opik))
        began = time.process_time()
        for number in range(calls):
            call(spans, opik)
            if number % PAUSE_AFTER == 0:
                time.sleep(PAUSE)
        if opik is not None:
            opik.close()
        spent = time.process_time() - began
    if dropped:
        raise SystemExit(f"{sum(dropped)} spans were dropped")
    print(1e3 * spent / calls)


def call(spans: int, opik: Opik | None) -> None:
    """One, with what a question's spans tell."""
    root = begin_trace("Query") if opik is not None else None
    for _ in range(spans - 1):
        with span("write", layer="answer", tenant="acme") as told:
            told.show(input=QUESTION, output=ANSWER)
    if root is not None and opik is not None:
        root.seconds = time.monotonic() - root.started
        root.set(method="/ragents.v1.QueryService/Query", code="OK", tenant="acme", user="ada", priority="NORMAL")
        opik(root)


if __name__ == "__main__":
    main()
