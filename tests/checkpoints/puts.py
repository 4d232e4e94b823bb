"""Checkpoints made by hand, for what no graph does on purpose."""

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint
from langgraph.checkpoint.base.id import uuid6

from ragents_server.checkpoints.saver import Saver


def config(thread: str, id_: str | None = None, ns: str = "") -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, "checkpoint_id": id_}}


def checkpoint(id_: str | None = None, **values: Any) -> Checkpoint:
    return {
        "v": 4,
        "id": id_ or str(uuid6()),
        "ts": "2026-11-25T00:00:00+00:00",
        "channel_values": values,
        "channel_versions": dict.fromkeys(values, 1),
        "versions_seen": {},
        "updated_channels": None,
    }


async def put(
    saver: Saver,
    thread: str,
    id_: str | None = None,
    *,
    parent: str | None = None,
    ns: str = "",
    root: str | None = None,
    open_: bool = False,
    metadata: Mapping[str, Any] | None = None,
    **values: Any,
) -> str:
    """The id of a checkpoint that was put; `root` is the root graph's that a subgraph's was made under."""
    made = checkpoint(id_, **values)
    about: dict[str, Any] = {"source": "loop", "step": 0, "parents": {"": root} if root else {}, **(metadata or {})}
    if open_:
        made["channel_versions"] = {**made["channel_versions"], "delta": 1}
        about["counters_since_delta_snapshot"] = {"delta": [1, 1]}
    await saver.aput(config(thread, parent, ns), made, about, {})  # type: ignore[arg-type]
    return made["id"]
