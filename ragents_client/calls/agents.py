"""The calls of the AgentService."""

from collections.abc import Sequence
from typing import Unpack

from ragents_client.calls.call import Call, fresh_id
from ragents_client.calls.questions import Asked, question_of
from ragents_client.v1 import (
    Agent,
    AttachRunRequest,
    AttachRunResponse,
    CancelRunRequest,
    CancelRunResponse,
    Checkpoint,
    DeleteThreadRequest,
    DeleteThreadResponse,
    Event,
    ForkThreadRequest,
    ForkThreadResponse,
    GetRunRequest,
    GetRunResponse,
    GetThreadHistoryRequest,
    GetThreadHistoryResponse,
    GetThreadRequest,
    GetThreadResponse,
    Limits,
    ListAgentsRequest,
    ListAgentsResponse,
    ListThreadsRequest,
    ListThreadsResponse,
    Question,
    Reply,
    Run,
    RunRequest,
    RunResponse,
    StreamRunRequest,
    StreamRunResponse,
    Thread,
    Turn,
)


def turn_of(
    agent: str,
    said: str | Question | Reply,
    options: Asked,
    *,
    thread_id: str,
    request_id: str | None,
    detached: bool,
    limits: Limits | None,
) -> Turn:
    """A turn with a request_id: the same one again, after a lost connection, runs nothing twice."""
    turn = Turn(agent=agent, thread_id=thread_id, request_id=request_id or fresh_id(), detached=detached, limits=limits)
    if isinstance(said, Reply):
        turn.reply.CopyFrom(said)
    else:
        turn.question.CopyFrom(question_of(said, options))
    return turn


def list_agents(*, timeout: float | None = None) -> Call[ListAgentsResponse, list[Agent]]:
    """The agents that are loaded, by name."""
    return Call(ListAgentsRequest(), lambda response: list(response.agents), timeout)


def run(
    agent: str,
    said: str | Question | Reply,
    *,
    thread_id: str = "",
    request_id: str | None = None,
    detached: bool = False,
    limits: Limits | None = None,
    timeout: float | None = None,
    **options: Unpack[Asked],
) -> Call[RunResponse, Run]:
    """Runs a turn to its outcome: an answer, or the interrupt it waits on."""
    turn = turn_of(agent, said, options, thread_id=thread_id, request_id=request_id, detached=detached, limits=limits)
    return Call(RunRequest(turn=turn), lambda response: response.run, timeout)


def stream_run(
    agent: str,
    said: str | Question | Reply,
    *,
    thread_id: str = "",
    request_id: str | None = None,
    detached: bool = False,
    limits: Limits | None = None,
    timeout: float | None = None,
    **options: Unpack[Asked],
) -> Call[StreamRunResponse, Event]:
    """Runs a turn and tells what happens meanwhile; the last event is the answer or the interrupt."""
    turn = turn_of(agent, said, options, thread_id=thread_id, request_id=request_id, detached=detached, limits=limits)
    return Call(StreamRunRequest(turn=turn), lambda response: response.event, timeout)


def attach_run(run_id: str, *, after_seq: int = 0, timeout: float | None = None) -> Call[AttachRunResponse, Event]:
    """Follows a run from the event after `after_seq` on."""
    return Call(AttachRunRequest(run_id=run_id, after_seq=after_seq), lambda response: response.event, timeout)


def get_run(run_id: str, *, timeout: float | None = None) -> Call[GetRunResponse, Run]:
    """Tells how far a run is."""
    return Call(GetRunRequest(run_id=run_id), lambda response: response.run, timeout)


def cancel_run(run_id: str, *, timeout: float | None = None) -> Call[CancelRunResponse, Run]:
    """Cancels a run."""
    return Call(CancelRunRequest(run_id=run_id), lambda response: response.run, timeout)


def list_threads(*, page_size: int = 0, timeout: float | None = None) -> Call[ListThreadsResponse, Sequence[Thread]]:
    """The caller's threads, the latest first, page after page."""
    return Call(ListThreadsRequest(page_size=page_size), lambda response: response.threads, timeout)


def get_thread(thread_id: str, *, timeout: float | None = None) -> Call[GetThreadResponse, GetThreadResponse]:
    """A thread (`thread`) and its conversation (`exchanges`, oldest first)."""
    return Call(GetThreadRequest(thread_id=thread_id), lambda response: response, timeout)


def get_thread_history(
    thread_id: str, *, page_size: int = 0, timeout: float | None = None
) -> Call[GetThreadHistoryResponse, Sequence[Checkpoint]]:
    """A thread's checkpoints, the latest first, page after page."""
    request = GetThreadHistoryRequest(thread_id=thread_id, page_size=page_size)
    return Call(request, lambda response: response.checkpoints, timeout)


def fork_thread(
    thread_id: str, *, checkpoint_id: str = "", request_id: str | None = None, timeout: float | None = None
) -> Call[ForkThreadResponse, Thread]:
    """Begins a new thread from a checkpoint of another; no checkpoint: its latest."""
    request = ForkThreadRequest(thread_id=thread_id, checkpoint_id=checkpoint_id, request_id=request_id or fresh_id())
    return Call(request, lambda response: response.thread, timeout)


def delete_thread(thread_id: str, *, timeout: float | None = None) -> Call[DeleteThreadResponse, None]:
    """Deletes a thread with all that was saved of it."""
    return Call(DeleteThreadRequest(thread_id=thread_id), lambda _: None, timeout)
