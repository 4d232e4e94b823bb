"""What to do for a turn, given what is stored: nothing, follow, wait, or run it."""

from dataclasses import dataclass
from typing import TypeAlias

from ragents_client.v1.agent_pb2 import (
    RUN_STATE_ANSWERED,
    RUN_STATE_FAILED,
    RUN_STATE_INTERRUPTED,
    RUN_STATE_UNSPECIFIED,
    Turn,
)
from ragents_client.v1.error_reason_pb2 import ERROR_REASON_BUDGET_SPENT
from ragents_server.errors import InvalidRequest, NotFound, RequestIdReused
from ragents_server.threads.request import TurnRequest
from ragents_server.threads.runs import OVER, Known, Look


@dataclass(frozen=True, slots=True)
class Over:
    """The run has ended: its outcome is the answer."""

    run: Known


@dataclass(frozen=True, slots=True)
class Follow:
    """The run is under way on another replica."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Another turn has the thread."""


@dataclass(frozen=True, slots=True)
class SameReply:
    """Another turn replied the same to the same interrupt: its outcome is this one's."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class Take:
    """It is to be run, here; `rewind`: what an abandoned turn left is dropped first."""

    agent: str  # the thread's own, empty for a new thread
    rewind: bool


Decision: TypeAlias = Over | Follow | Wait | SameReply | Take


def decide(request: TurnRequest, look: Look) -> Decision:
    """Raises RequestIdReused, NotFound, and InvalidRequest for a reply that nobody waits on."""
    if look.run is not None:
        if look.run.digest != request.digest:
            raise RequestIdReused("the request_id was used for another request")
        if _is_over(look.run):
            return Over(look.run)
        if look.leased:
            return Follow() if look.latest == look.run.id else Wait()
        return _again(request, look)
    if look.replied is not None:
        return _same_reply(request, *look.replied)
    if not look.thread and request.must_exist:
        raise NotFound("no such thread")
    if look.leased:
        return Wait()
    if request.reply_to is not None:
        _require_waiting(look.latest == request.reply_to and look.latest_state == RUN_STATE_INTERRUPTED)
        return Take(look.agent, rewind=False)
    return Take(look.agent, rewind=look.latest_state not in {RUN_STATE_ANSWERED, RUN_STATE_UNSPECIFIED})


def _is_over(run: Known) -> bool:
    spent = run.state == RUN_STATE_FAILED and run.outcome.failure.reason == ERROR_REASON_BUDGET_SPENT
    return run.state in OVER or spent


def _again(request: TurnRequest, look: Look) -> Take:
    """One more attempt; where other turns came since, from what they left."""
    if request.reply_to is not None:
        _require_waiting(look.latest == request.run_id)
    return Take(look.agent, rewind=look.latest != request.run_id and look.latest_state != RUN_STATE_ANSWERED)


def _same_reply(request: TurnRequest, run: str, replied: Turn) -> SameReply:
    del run
    if replied.reply != request.turn.reply:
        text = "was replied to already, with another value"
        raise InvalidRequest(f"turn.reply.interrupt_id {text}", violations={"turn.reply.interrupt_id": text})
    return SameReply(replied)


def _require_waiting(waits: bool) -> None:
    if not waits:
        text = "is not what the thread waits on"
        raise InvalidRequest(f"turn.reply.interrupt_id {text}", violations={"turn.reply.interrupt_id": text})
