"""A graph's nodes as spans of the trace that its turn belongs to."""

from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from ragents_server.signals import Span, span


class NodeSpans(BaseCallbackHandler):
    """LangGraph tells it of each node; inline, so that what a node does finds its span in the node's own task."""

    run_inline = True

    def __init__(self) -> None:
        self._open: dict[UUID, Span] = {}

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,  # noqa: ARG002 - LangChain's signature
        inputs: Any,  # noqa: ARG002
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A node, or something inside of one, which is not told again."""
        node = (metadata or {}).get("langgraph_node")
        if node and kwargs.get("name") == node:
            self._open[run_id] = span("node", node=str(node)).__enter__()

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """It has ended well."""
        if (ended := self._open.pop(run_id, None)) is not None:
            ended.__exit__(None, None, None)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """It has failed, waits for somebody, or was cancelled."""
        if (ended := self._open.pop(run_id, None)) is not None:
            ended.__exit__(type(error), error, None)
