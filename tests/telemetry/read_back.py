"""Run by Opik's own Python: reads a trace of ours back with its SDK, and prints what that makes of it as JSON.

`read_back.py URL PROJECT` with what was sent, `{"traces": […], "spans": […]}`, on standard input.
"""

import json
import sys

import opik
from opik.rest_api.types.feedback_score_batch_item import FeedbackScoreBatchItem
from opik.rest_api.types.span_write import SpanWrite
from opik.rest_api.types.trace_write import TraceWrite

MODELS = {"traces": TraceWrite, "spans": SpanWrite, "scores": FeedbackScoreBatchItem}


def main() -> None:
    url, project = sys.argv[1:]
    sent = json.load(sys.stdin)
    unknown = sorted(
        {
            f"{kind}.{name}"
            for kind, model in MODELS.items()
            for record in sent[kind]
            for name in (model.model_validate(record).model_extra or {})
        }
    )
    client = opik.Opik(host=url, workspace="default", project_name=project)
    traces = client.search_traces(project_name=project)
    spans = client.search_spans(project_name=project, trace_id=traces[0].id)
    whole = client.get_trace_content(traces[0].id)
    print(  # noqa: T201
        json.dumps(
            {
                "unknown": unknown,
                "names": [one.name for one in traces],
                "question": whole.input,
                "thread": whole.thread_id,
                "lasted": (whole.end_time - whole.start_time).total_seconds(),
                "spans": [
                    {
                        "id": one.id,
                        "parent": one.parent_span_id,
                        "name": one.name,
                        "type": one.type,
                        "usage": one.usage,
                        "cost": one.total_estimated_cost,
                        "ended": one.end_time is not None,
                    }
                    for one in spans
                ],
            }
        )
    )
    client.end(timeout=1)


if __name__ == "__main__":
    main()
