"""One attempt of a run: the graph under its lease, its events stored as they come, its end recorded."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict
from langgraph.errors import GraphDrained, GraphRecursionError
from langgraph.runtime import RunControl
from langgraph.types import Command

from ragents_client.v1.agent_pb2 import (
    RUN_STATE_ANSWERED,
    RUN_STATE_FAILED,
    RUN_STATE_INTERRUPTED,
    Run,
    RunState,
)
from ragents_client.v1.answer_pb2 import Answer
from ragents_client.v1.event_pb2 import Event, Started
from ragents_server.agents.budgets import Budget, budgeted
from ragents_server.agents.nodes import NodeSpans
from ragents_server.agents.roster import Loaded
from ragents_server.agents.saved import gone, interrupt_of, run_of, waiting_on
from ragents_server.caller import act_for
from ragents_server.checkpoints.fences import Ending, Fence, fenced
from ragents_server.connections.postgres import is_unavailable
from ragents_server.errors import (
    BudgetSpent,
    Cancelled,
    Draining,
    LeaseLost,
    ModelUnavailable,
    RagentsError,
)
from ragents_server.facts import telling
from ragents_server.incidents import known
from ragents_server.signals import current_span, note, span
from ragents_server.threads.events import Append
from ragents_server.threads.places import Places
from ragents_server.threads.request import TurnRequest
from ragents_server.threads.runs import Taken, last_event

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

RECURSION = 100  # supersteps; agents' own budgets end far below
MOST_EVENTS = 100_000  # of one attempt
LOST = "another replica goes on with the thread, or the run was cancelled"


class Attempt:
    """Runs a turn's graph; `rewind`: what an abandoned turn left is dropped first."""

    def __init__(
        self,
        request: TurnRequest,
        taken: Taken,
        loaded: Loaded,
        places: Places,
        *,
        agent: str,
        rewind: bool,
        budget: Budget,
    ) -> None:
        self.request = request
        self.control = RunControl()
        self.over = asyncio.Event()  # set by whoever runs it
        self._taken = taken
        self._saver = loaded.saver
        self._ends_runs = loaded.ends_runs
        self._agent = loaded.named(agent)
        self._graph = loaded.graphs[agent]
        self._places = places
        self._rewind = rewind
        self._budget = budget
        self._told: list[Event] = []  # not stored yet
        self._news = asyncio.Event()
        self._seq = taken.seq
        self._attempt = taken.attempt  # rises where the agent begins again
        self._config: RunnableConfig = {"configurable": {"thread_id": taken.key}, "recursion_limit": RECURSION}

    async def events(self) -> AsyncGenerator[Event, None]:
        """Every event, stored before it is told; the last one is the outcome, committed before it is told."""
        work = asyncio.create_task(self._work(), name="a run's graph")
        work.add_done_callback(lambda _: self._news.set())
        self._tell(Event(started=self._started(self._attempt)))
        try:
            async with aclosing(self._stored(work)) as stored:
                async for event in stored:
                    yield event
            yield await self._ended(await work)
        except (asyncio.CancelledError, GeneratorExit):
            await _stopped(work)
            if self.request.turn.detached:  # nobody has left: the replica ends
                await self._give_up(Draining("this replica has ended"))
            else:
                await self._give_up(Cancelled("the run's caller left before its end"))
            raise
        except GraphDrained:
            failure = Draining("this replica is shutting down; the run is saved up to its last step")
            await self._give_up(failure)
            raise failure from None
        except LeaseLost:
            raise
        except Exception as error:
            await _stopped(work)
            failed = known(error, f"the agent {self._agent.name}")
            await self._give_up(failed)
            raise failed from error
        finally:
            await _stopped(work)

    def stop(self) -> None:
        """The lease has been taken away: whatever it does is in vain."""
        self._places.leases.lose(self._taken)

    async def _work(self) -> Run:
        """The graph's outcome."""
        act_for(self.request.caller)
        fence = Fence(self._taken.key, self._taken.token, self._taken.run, self._ending)
        question = self.request.turn.question
        note(agent=self._agent.name, thread=self.request.thread_id)
        with fenced(fence), budgeted(self._budget) as budget, telling(question.cache_mode):
            async with self._places.leases.holding(self._taken):
                try:
                    async with asyncio.timeout(budget.seconds_left) as limit:
                        with span("agent", agent=self._agent.name) as told:
                            told.show(input=question.text)
                            return await self._outcome()
                except GraphRecursionError:
                    raise BudgetSpent(f"the run used its {RECURSION} steps and is not done") from None
                except TimeoutError:
                    if not limit.expired():
                        raise
                    raise BudgetSpent(f"the run used its {budget.max_seconds:.3g} s and is not done") from None

    async def _outcome(self) -> Run:
        given = await self._input()
        if isinstance(given, Run):
            return given
        outcome: Run | None = None
        config: RunnableConfig = self._config
        if current_span() is not None:
            config = {**config, "callbacks": [NodeSpans()]}
        streamed = self._graph.astream(
            given, config, stream_mode=["custom", "updates"], durability="async", control=self.control
        )
        try:
            async with aclosing(streamed) as chunks:  # type: ignore[type-var]
                async for mode, chunk in chunks:
                    if mode == "custom" and isinstance(chunk, Event):
                        self._tell(chunk)
                    elif mode == "updates" and isinstance(chunk, Mapping):
                        outcome = self._seen(chunk) or outcome
        except asyncio.CancelledError as cancelled:
            if saving := [left for left in cancelled.args if isinstance(left, asyncio.Task)]:
                await asyncio.wait(saving)  # so LangGraph tells what it has not let go of
            raise
        if outcome is None:
            raise AssertionError(f"the agent {self._agent.name} ended without an answer")
        return outcome

    async def _input(self) -> Any:
        """What the graph begins with: question or reply, nothing where it goes on; its outcome where it has ended."""
        saved = None
        if self._taken.attempt > 1 or self.request.reply_to is not None or not self._ends_runs:
            saved = await self._saver.aget_tuple(self._config)
        if self._taken.base is not None and not (self._taken.kept if self._ends_runs else saved):
            raise gone(in_database=self._ends_runs)  # never an empty conversation instead
        if saved is not None and run_of(saved) == self._taken.run:
            ended = self._ending(saved.checkpoint["channel_values"])
            return Run.FromString(ended.outcome) if ended else None
        if self.request.reply_to is not None:
            return Command(
                resume={waiting_on(saved): MessageToDict(self.request.turn.reply.value)},
                update={"run": self._taken.run},
            )
        if self._rewind or self._taken.attempt > 1:
            await self._saver.rewind(self._taken.key, self._taken.base)
        question = self.request.turn.question.SerializeToString()
        return {**self._agent.fresh, "question": question, "run": self._taken.run, "answer": b""}

    def _seen(self, update: Mapping[str, Any]) -> Run | None:
        """The outcome in what a step returned."""
        if waits := update.get("__interrupt__"):
            return Run(interrupt=interrupt_of(min(waits, key=lambda one: one.id).value, self._taken.run))
        for returned in update.values():
            if isinstance(returned, Mapping) and returned.get("answer"):
                return Run(answer=Answer.FromString(returned["answer"]))
        return None

    def _ending(self, values: Mapping[str, Any]) -> Ending | None:
        """Whether a checkpoint with these values is the last one of the run."""
        if values.get("run") != self._taken.run or not values.get("answer"):
            return None
        return Ending(Run(answer=Answer.FromString(values["answer"])).SerializeToString())

    def _started(self, attempt: int) -> Started:
        return Started(run_id=self._taken.run, thread_id=self.request.thread_id, attempt=attempt)

    def _tell(self, event: Event) -> None:
        self._seq += 1
        if self._seq - self._taken.seq > MOST_EVENTS:
            raise ModelUnavailable(f"the agent {self._agent.name} does not stop telling events")
        event.seq = self._seq
        self._told.append(event)
        self._news.set()

    async def _stored(self, work: "asyncio.Task[Run]") -> AsyncGenerator[Event, None]:
        """What has been told since the last time is stored together: the longer that takes, the more there is."""
        while self._told or not work.done():
            await self._news.wait()
            self._news.clear()
            events, self._told = self._told, []
            for event in events:
                if event.HasField("started") and not event.started.run_id:  # an agent, or a writer, begins again
                    self._attempt = await self._restarted()
                    event.started.CopyFrom(self._started(self._attempt))
            if events:
                await self._places.log.append(Append(self._taken.run, self._attempt, events[0].seq, events))
            for event in events:
                yield event

    async def _restarted(self) -> int:
        attempt = await self._places.runs.restart(self._taken.run, self._attempt)
        if attempt is None:
            raise LeaseLost(LOST)
        return attempt

    async def _ended(self, outcome: Run) -> Event:
        """The outcome's event, once the outcome is committed."""
        if outcome.HasField("interrupt"):
            await self._finish(RUN_STATE_INTERRUPTED, outcome)
        elif not self._ends_runs:
            saved = await self._saver.aget_tuple(self._config)
            base = saved.config["configurable"]["checkpoint_id"] if saved is not None else None
            await self._finish(RUN_STATE_ANSWERED, outcome, base)
        self._seq += 1
        await self._places.log.append(Append(self._taken.run, self._attempt, self._seq, (), outcome=True))
        return last_event(outcome, self._seq)

    async def _finish(self, state: "RunState.ValueType", outcome: Run, base: str | None = None) -> None:
        if not await self._places.runs.finish(self._taken, state, outcome, base=base):
            raise LeaseLost(LOST)

    async def _give_up(self, error: RagentsError) -> None:
        """Gives the lease back and says why; a detached run that this replica stops is for another one."""
        try:
            if isinstance(error, Draining) and self.request.turn.detached:
                await self._places.runs.release(self._taken)
            else:
                await self._places.runs.finish(self._taken, RUN_STATE_FAILED, Run(failure=error.failure()))
        except Exception as again:
            if not is_unavailable(again):
                raise  # else the lease ends by itself


async def _stopped(work: "asyncio.Task[Any]") -> None:
    """Cancels it, and waits until it has ended."""
    work.cancel()
    await asyncio.wait([work])
