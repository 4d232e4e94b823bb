"""Spans as Opik's records: the trace of a call, its spans, and what the call is worth."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from ragents_server.models.prices import Price
from ragents_server.signals import Span, Value
from ragents_server.telemetry.contents import contents, decoded
from ragents_server.telemetry.redaction import Redaction

# What Opik calls the kinds of spans; all others are `general`.
KINDS = {"generation": "llm", "tool": "tool"}
TOLD = ("model", "input_tokens", "output_tokens")  # in fields of their own
Record = dict[str, Any]


class Records:
    """Makes them; without `with_contents` nothing of what was asked, without `redact` all as it is."""

    def __init__(
        self,
        project: str,
        redact: Redaction | None,
        *,
        with_contents: bool,
        prices: Mapping[str, Price] = MappingProxyType({}),
    ) -> None:
        self._project = project
        self._prices = prices
        self._redact = redact
        self._with_contents = with_contents
        self._offset = time.time() - time.monotonic()

    def of(self, span: Span) -> list[tuple[str, Record]]:
        """What there is to tell of a span: by the name of the kind, `spans`, `traces` or `scores`.

        A trace is told when its root has ended, and by the server that began it.
        """
        record = self._span(span)
        told = [("spans", record)]
        if span.root is span and "caller_trace" not in span.attributes:
            told.append(("traces", self._trace(span, record)))
            told += [("scores", score) for score in self._scores(span)]
        return told

    def _span(self, span: Span) -> Record:
        record: Record = {
            "id": span.id,
            "project_name": self._project,
            "trace_id": _trace_id(span),
            "name": _name(span),
            "type": KINDS.get(span.name, "general"),
            "start_time": self._time(span.started),
            "end_time": self._time(span.started + span.seconds),
            "metadata": self._metadata(span.attributes),
        }
        if span.parent is not None:
            record["parent_span_id"] = span.parent.id
        elif parent := span.attributes.get("caller_span"):
            record["parent_span_id"] = parent
        if span.error:
            said = self._told(span.said) if self._with_contents or span.root is span else ""
            record["error_info"] = {"exception_type": span.error, "message": said, "traceback": ""}
        if model := span.attributes.get("model"):
            provider, _, name = str(model).rpartition(":")
            record["model"] = name
            if provider:
                record["provider"] = provider
        return record | self._usage(span.attributes) | self._contents(span)

    def _usage(self, told: Mapping[str, Value]) -> Record:
        """A model's tokens, and what they cost where that is known."""
        if "input_tokens" not in told:
            return {}
        read, written = (int(told[name]) for name in ("input_tokens", "output_tokens"))
        usage: Record = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
        price = self._prices.get(str(told.get("model")))
        cost = {} if price is None else {"total_estimated_cost": price.cost(read, written)}
        return {"usage": usage, **cost}

    def _trace(self, root: Span, record: Record) -> Record:
        told = root.attributes
        trace: Record = {name: record[name] for name in ("project_name", "start_time", "end_time", "metadata")}
        trace |= {name: record[name] for name in ("input", "output", "error_info") if name in record}
        trace |= {"id": record["trace_id"], "name": root.name}
        tags = {name: told.get(name) for name in ("agent", "cache", "priority", "reason")}
        trace["tags"] = [root.name, *(f"{name}:{value}" for name, value in tags.items() if value)]
        if thread := told.get("thread"):
            trace["thread_id"] = f"{told.get('tenant', '')}/{record['metadata'].get('user', '')}/{thread}"
        return trace

    def _contents(self, span: Span) -> Record:
        """Input and output; of a root those are the call's messages."""
        if not self._with_contents or not span.shown:
            return {}
        shown = span.shown
        if span.root is span:
            method = str(span.attributes["method"])
            given, came = decoded(method, shown["request"], reply=False), decoded(method, shown["reply"], reply=True)
            shown = {"input": given, "output": came}
        return {name: contents(value, self._told) for name, value in shown.items() if value is not None}

    def _scores(self, root: Span) -> list[Record]:
        told = {"id": _trace_id(root), "project_name": self._project, "source": "sdk"}
        return [{**told, "name": name, "value": value} for name, value in (root.scores or {}).items()]

    def _metadata(self, attributes: Mapping[str, Value]) -> Record:
        told = {name: value for name, value in attributes.items() if name not in TOLD}
        if self._redact is not None:
            told = {name: self._redact(one) if isinstance(one, str) else one for name, one in told.items()}
            if user := attributes.get("user"):
                told["user"] = self._redact.name(str(user))
        return told

    def _told(self, text: str) -> str:
        return text if self._redact is None else self._redact(text)

    def _time(self, monotonic: float) -> str:
        return datetime.fromtimestamp(self._offset + monotonic, UTC).isoformat(timespec="microseconds")


def _trace_id(span: Span) -> str:
    """The caller's trace, or one of the call's own, which has the id of its root."""
    root = span.root or span
    return str(root.attributes.get("caller_trace") or root.id)


def _name(span: Span) -> str:
    """What it is, and of what."""
    if span.root is span:
        return "rpc"
    for name in ("layer", "tool", "agent", "node", "strategy"):
        if value := span.attributes.get(name):
            return f"{span.name} {value}"
    return span.name
