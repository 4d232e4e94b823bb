"""A run's events as they are stored: how a run is followed that is under way somewhere else, or is over."""

import asyncio
from collections.abc import AsyncGenerator

from ragents_client.v1.agent_pb2 import RUN_STATE_CANCELLED, RUN_STATE_FAILED, RUN_STATE_RUNNING, Run, RunState
from ragents_client.v1.error_reason_pb2 import ERROR_REASON_CANCELLED, ERROR_REASON_DRAINING
from ragents_client.v1.event_pb2 import Event
from ragents_server.errors import NotFound, from_failure
from ragents_server.threads.events import EventLog
from ragents_server.threads.runs import last_event

PAUSE = 0.02  # seconds between looks
PATIENCE = 1.0  # seconds that the last event may come after the run's end


async def tail(log: EventLog, run: str, after: int, *, until_abandoned: bool) -> AsyncGenerator[Event, None]:
    """A run's events as they are stored, up to its outcome, or until nobody is at it any more."""
    over_since: float | None = None
    clock = asyncio.get_running_loop().time
    while (seen := await log.watch(run, after)) is not None:
        for event in seen.events:
            after = event.seq
            yield event
        if until_abandoned and _may_go_on(seen.state, seen.outcome):
            return
        if not seen.events and seen.state != RUN_STATE_RUNNING:
            over_since = over_since or clock()
            late = clock() - over_since > PATIENCE  # its replica died before it told the last event
            if seen.state in {RUN_STATE_FAILED, RUN_STATE_CANCELLED} or seen.outcome_seq or late:
                if not 0 < seen.outcome_seq <= after:
                    yield outcome_event(seen.state, seen.outcome, seen.outcome_seq or after + 1)
                return
        if not seen.events:
            if until_abandoned and not seen.leased:
                return
            await asyncio.sleep(PAUSE)
    raise NotFound("no such run")


def outcome_event(state: "RunState.ValueType", outcome: Run, seq: int) -> Event:
    """The last event of a run that is over; raises what it failed with."""
    if state in {RUN_STATE_FAILED, RUN_STATE_CANCELLED}:
        raise from_failure(outcome.failure)
    return last_event(outcome, seq)


def _may_go_on(state: "RunState.ValueType", outcome: Run) -> bool:
    """Whether a run was given up for no fault of its own: its caller left, or its replica shut down."""
    given_up = {ERROR_REASON_CANCELLED, ERROR_REASON_DRAINING}
    return state == RUN_STATE_FAILED and outcome.failure.reason in given_up
