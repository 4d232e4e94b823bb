"""The same calls traced by Opik's SDK, or sent by OpenTelemetry's exporter; run by the Python of .venv-opik.

`traced_peers.py sdk|otlp URL CALLS SPANS` prints the CPU milliseconds of a call.
"""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from trace_texts import ANSWER, PAUSE, PAUSE_AFTER, QUESTION


def sdk(url: str) -> tuple[Callable[[int], None], Callable[[], object]]:
    """Opik's own way: a trace, and spans inside it."""
    import opik

    client = opik.Opik(host=f"{url}/api", workspace="default", project_name="bench")

    def call(spans: int) -> None:
        trace = client.trace(name="Query", input={"question": QUESTION}, metadata={"tenant": "acme", "user": "ada"})
        for _ in range(spans - 1):
            span = trace.span(name="write", input={"value": QUESTION}, metadata={"layer": "answer"})
            span.end(output={"value": ANSWER})
        root = trace.span(name="rpc", metadata={"code": "OK"})
        root.end()
        trace.end(output={"answer": ANSWER}, tags=["Query"])

    return call, lambda: client.end(timeout=60)


def otlp(url: str) -> tuple[Callable[[int], None], Callable[[], object]]:
    """OpenTelemetry's SDK with its batch processor, to Opik's OTLP ingest."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    exporter = OTLPSpanExporter(endpoint=f"{url}/api/v1/private/otel/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=5000, schedule_delay_millis=500))
    tracer = provider.get_tracer("bench")

    def call(spans: int) -> None:
        with ExitStack() as stack:
            root = stack.enter_context(tracer.start_as_current_span("rpc"))
            root.set_attributes({"input": QUESTION, "output": ANSWER, "tenant": "acme", "user": "ada", "code": "OK"})
            for _ in range(spans - 1):
                with tracer.start_as_current_span("write") as span:
                    span.set_attributes({"input": QUESTION, "output": ANSWER, "layer": "answer"})

    return call, provider.shutdown


def main() -> None:
    """All of them, paced as ours are."""
    way, url, calls, spans = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    call, end = {"sdk": sdk, "otlp": otlp}[way](url)
    call(spans)
    began = time.process_time()
    for number in range(calls):
        call(spans)
        if number % PAUSE_AFTER == 0:
            time.sleep(PAUSE)
    end()
    print(1e3 * (time.process_time() - began) / calls)


if __name__ == "__main__":
    main()
