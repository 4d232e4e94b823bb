"""How far a turn has come on this replica, and how long its caller waits for it to begin."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from functools import partial

from ragents_client.v1.event_pb2 import Event
from ragents_server.errors import DeadlineTooShort, RagentsError, StateUnavailable, ThreadBusy
from ragents_server.execution import current_execution
from ragents_server.threads.request import TurnRequest

SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 0.1  # seconds between looks at what another replica does

Late = Callable[[], RagentsError]
# Where nothing was told, not even that the turn waits, no look at the store has come back.
SILENT: Late = partial(StateUnavailable, "the database did not tell in time whether the thread is free")


def busy() -> RagentsError:
    """Why a turn that waits has not begun in time."""
    if current_execution().position() is not None:
        return DeadlineTooShort("the turn did not come to its turn in the time of the call")
    return ThreadBusy("the thread has a turn under way, which did not end in time")


@dataclass(slots=True)
class Course:
    """How far a turn has come on this replica."""

    request: TurnRequest
    told: int = 0  # the last event's number
    waited: float = 0.0  # seconds
    lost: int = 0  # leases

    async def wait(self) -> None:
        """A little longer each time."""
        pause = min(max(SHORTEST_PAUSE, self.waited / 4), LONGEST_PAUSE)
        self.waited += pause
        await asyncio.sleep(pause)


async def within(events: AsyncGenerator[Event, None], limit: float | None, late: Late) -> Event | None:
    """The next event, None after the last one; raises `late()` where none has come by `limit` on the loop's clock."""
    scope = asyncio.timeout_at(limit)
    try:
        async with scope:
            return await anext(events, None)
    except TimeoutError:
        if not scope.expired():
            raise  # a statement's
        raise late() from None


def is_last(event: Event) -> bool:
    return event.WhichOneof("kind") in {"answer", "interrupt"}
