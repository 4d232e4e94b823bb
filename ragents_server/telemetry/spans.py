"""What the parts tell of their work, as counters and histograms."""

from collections.abc import Callable
from itertools import product

from ragents_server.signals import Span
from ragents_server.telemetry.instruments import Instruments

LEGS = {"embed": "embed", "search": "search", "passages": "passages", "rerank": "rerank", "retrieve": "all"}
ANSWERS = ("cited", "uncited", "refused")
PRIORITIES = ("CRITICAL", "HIGH", "NORMAL", "LOW")
REASONS = {"Overloaded": "queue_full", "DeadlineTooShort": "deadline"}


class SpanMetrics:
    """A listener of spans; those that it does not know it passes by.

    Counters whose labels are known begin at 0, so that the first of its kind is a rise.
    """

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        for outcome in ANSWERS:
            instruments.counter("ragents_answers_total", outcome)
        for reason, priority in product(REASONS.values(), PRIORITIES):
            instruments.counter("ragents_shed_total", reason, priority)
        self._known: dict[str, Callable[[Span], None]] = {
            "slot": self._slot,
            "ingest": self._ingest,
            "model": self._model,
            "tool": self._tool,
            "checkpoint": self._checkpoint,
            "answer": self._answer,
            **dict.fromkeys(LEGS, self._leg),
        }

    def __call__(self, span: Span) -> None:
        """Counts a span that ended."""
        if (known := self._known.get(span.name)) is not None:
            known(span)

    def _slot(self, span: Span) -> None:
        priority = str(span.attributes["priority"])
        if not span.error:
            self._instruments.observe("ragents_queue_wait_seconds", priority, value=span.seconds)
        elif (reason := REASONS.get(span.error)) is not None:
            self._instruments.count("ragents_shed_total", reason, priority)

    def _leg(self, span: Span) -> None:
        self._instruments.observe("ragents_retrieval_seconds", LEGS[span.name], value=span.seconds)

    def _ingest(self, span: Span) -> None:
        outcome = {"": "stored", "DocumentRefused": "refused", "GeneratorExit": "cancelled"}.get(span.error, "failed")
        passages = span.attributes.get("passages")
        if not span.error and passages is None:
            outcome = "unchanged"
        self._instruments.count("ragents_ingested_documents_total", outcome)
        if outcome == "stored":
            self._instruments.count("ragents_ingested_passages_total", number=float(passages or 0))
            self._instruments.observe("ragents_ingestion_seconds", value=span.seconds)

    def _model(self, span: Span) -> None:
        model = self._instruments.bounded("model", str(span.attributes["model"]))
        outcome = {"": "ok", "ModelQuota": "quota", "ContextTooLong": "too_long", "GeneratorExit": "cancelled"}
        outcome["CancelledError"] = "cancelled"
        self._instruments.count("ragents_model_requests_total", model, outcome.get(span.error, "failed"))
        if not span.error:
            self._instruments.observe("ragents_model_seconds", model, value=span.seconds)
        if (first := span.attributes.get("first")) is not None:
            self._instruments.observe("ragents_model_first_token_seconds", model, value=float(first))

    def _tool(self, span: Span) -> None:
        tool = self._instruments.bounded("tool", str(span.attributes["tool"]))
        self._instruments.observe("ragents_tool_seconds", tool, value=span.seconds)

    def _answer(self, span: Span) -> None:
        refused = not span.attributes["answered"]
        outcome = "refused" if refused else "cited" if span.attributes["cited"] else "uncited"
        self._instruments.count("ragents_answers_total", outcome)

    def _checkpoint(self, span: Span) -> None:
        self._instruments.count("ragents_checkpoints_total", "failed" if span.error else "stored")
        if not span.error:
            self._instruments.observe("ragents_checkpoint_seconds", value=span.seconds)
            self._instruments.observe("ragents_checkpoint_bytes", value=float(span.attributes.get("bytes", 0)))
