"""AgentService: gRPC in, gRPC out."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from ragents_client.v1.agent_pb2 import Agent, Turn
from ragents_client.v1.agent_service_pb2 import (
    AttachRunRequest,
    AttachRunResponse,
    CancelRunRequest,
    CancelRunResponse,
    DeleteThreadRequest,
    DeleteThreadResponse,
    ForkThreadRequest,
    ForkThreadResponse,
    GetRunRequest,
    GetRunResponse,
    GetThreadHistoryRequest,
    GetThreadHistoryResponse,
    GetThreadRequest,
    GetThreadResponse,
    ListAgentsRequest,
    ListAgentsResponse,
    ListThreadsRequest,
    ListThreadsResponse,
    RunRequest,
    RunResponse,
    StreamRunRequest,
    StreamRunResponse,
)
from ragents_client.v1.agent_service_pb2_grpc import AgentServiceServicer
from ragents_server.agents.conversations import Conversations
from ragents_server.agents.roster import Roster
from ragents_server.agents.turns import Turns
from ragents_server.caller import current_caller
from ragents_server.errors import InvalidRequest
from ragents_server.services.checks import check_page_size
from ragents_server.services.context import Context, Deadlines
from ragents_server.services.turn_checks import check_name, check_turn
from ragents_server.threads.request import TurnRequest


class AgentService(AgentServiceServicer):
    """Runs agents and keeps their threads."""

    def __init__(self, roster: Roster, turns: Turns, conversations: Conversations, deadlines: Deadlines) -> None:
        self._roster = roster
        self._turns = turns
        self._conversations = conversations
        self._deadlines = deadlines

    async def ListAgents(self, request: ListAgentsRequest, context: Context) -> ListAgentsResponse:
        """Those that are loaded, with the tools that the caller may let them call."""
        caller = current_caller()
        loaded = await self._roster.loaded()
        return ListAgentsResponse(
            agents=[
                Agent(
                    name=agent.name,
                    description=agent.description,
                    capabilities=agent.capabilities,
                    tools=[tool for tool in agent.tools if caller.may_call(tool)],
                    steps=agent.steps,
                )
                for _, agent in sorted(loaded.agents.items())
            ]
        )

    async def Run(self, request: RunRequest, context: Context) -> RunResponse:
        """The run, when it has an outcome."""
        turn = await self._request(request.turn)
        return RunResponse(run=await self._turns.run(turn, self._deadlines.left(context)))

    async def StreamRun(self, request: StreamRunRequest, context: Context) -> AsyncIterator[StreamRunResponse]:
        """All events."""
        turn = await self._request(request.turn)
        async with aclosing(self._turns.follow(turn, self._deadlines.left(context))) as events:
            async for event in events:
                yield StreamRunResponse(event=event)

    async def AttachRun(self, request: AttachRunRequest, context: Context) -> AsyncIterator[AttachRunResponse]:
        """The events after one of them."""
        run = check_name(request.run_id, "run_id")
        if request.after_seq < 0:
            raise InvalidRequest("after_seq must not be negative", violations={"after_seq": "must not be negative"})
        async with aclosing(self._turns.attach(current_caller(), run, request.after_seq)) as events:
            async for event in events:
                yield AttachRunResponse(event=event)

    async def GetRun(self, request: GetRunRequest, context: Context) -> GetRunResponse:
        """How far a run is."""
        return GetRunResponse(run=await self._turns.find(current_caller(), check_name(request.run_id, "run_id")))

    async def CancelRun(self, request: CancelRunRequest, context: Context) -> CancelRunResponse:
        """The run after the cancel, or as it ended before."""
        run = check_name(request.run_id, "run_id")
        return CancelRunResponse(run=await self._turns.cancel(current_caller(), run))

    async def ListThreads(self, request: ListThreadsRequest, context: Context) -> ListThreadsResponse:
        """A page of the caller's threads."""
        size = check_page_size(request.page_size)
        threads, token = await self._conversations.list(current_caller(), page_size=size, token=request.page_token)
        return ListThreadsResponse(threads=threads, next_page_token=token)

    async def GetThread(self, request: GetThreadRequest, context: Context) -> GetThreadResponse:
        """One thread with its exchanges."""
        thread, exchanges = await self._conversations.get(current_caller(), check_name(request.thread_id, "thread_id"))
        return GetThreadResponse(thread=thread, exchanges=exchanges)

    async def GetThreadHistory(self, request: GetThreadHistoryRequest, context: Context) -> GetThreadHistoryResponse:
        """A page of a thread's checkpoints."""
        checkpoints, token = await self._conversations.history(
            current_caller(),
            check_name(request.thread_id, "thread_id"),
            page_size=check_page_size(request.page_size),
            token=request.page_token,
        )
        return GetThreadHistoryResponse(checkpoints=checkpoints, next_page_token=token)

    async def ForkThread(self, request: ForkThreadRequest, context: Context) -> ForkThreadResponse:
        """A new thread that begins with another's checkpoint."""
        thread_id, request_id = check_name(request.thread_id, "thread_id"), check_name(request.request_id, "request_id")
        checkpoint = check_name(request.checkpoint_id, "checkpoint_id") if request.checkpoint_id else ""
        forked = await self._conversations.fork(current_caller(), thread_id, checkpoint, request_id)
        return ForkThreadResponse(thread=forked)

    async def DeleteThread(self, request: DeleteThreadRequest, context: Context) -> DeleteThreadResponse:
        """Nothing of it is left."""
        await self._conversations.delete(current_caller(), check_name(request.thread_id, "thread_id"))
        return DeleteThreadResponse()

    async def _request(self, turn: Turn) -> TurnRequest:
        caller = current_caller()
        checked = check_turn(turn, caller)
        loaded = await self._roster.loaded()
        if checked.agent and checked.agent not in loaded.agents:
            text = f"is not loaded; there are {', '.join(sorted(loaded.agents))}"
            raise InvalidRequest(f"turn.agent {text}", violations={"turn.agent": text})
        return TurnRequest(caller, checked)
