"""What a thread's saved state says of its run and of what it waits on."""

from collections.abc import Mapping
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.serde.types import INTERRUPT

from ragents_client.v1.agent_pb2 import INTERRUPT_KIND_CLARIFICATION, Interrupt
from ragents_server.errors import CheckpointCorrupt, NotFound


def run_of(saved: CheckpointTuple) -> str | None:
    """The run that a checkpoint is of; a turn's first one has its input only."""
    values = saved.checkpoint["channel_values"]
    begun = values.get("__start__")
    run = begun.get("run") if isinstance(begun, Mapping) else values.get("run")
    return None if run is None else str(run)


def waiting_on(saved: CheckpointTuple | None) -> str:
    """LangGraph's id of the interrupt that is shown."""
    writes = (saved and saved.pending_writes) or ()
    waits = [one for _, channel, value in writes if channel == INTERRUPT for one in value]
    if not waits:
        raise CheckpointCorrupt("the thread waits on an interrupt that its saved state does not have")
    return str(min(one.id for one in waits))


def interrupt_of(value: Any, run: str) -> Interrupt:
    """What an agent asks; one of somebody's own may ask with plain words."""
    if isinstance(value, bytes):
        asked = Interrupt.FromString(value)
    else:
        asked = Interrupt(kind=INTERRUPT_KIND_CLARIFICATION, text=str(value))
    asked.id = run
    return asked


def gone(*, in_database: bool) -> Exception:
    """A thread's state is not there: in Redis it may have come of age, in the database it must be there."""
    return CheckpointCorrupt("the thread's saved state is gone") if in_database else NotFound("no such thread")
