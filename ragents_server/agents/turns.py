"""Turns: each is run once under its request_id, one at a time in its thread, and followed by whoever asks for it."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragents_client.v1.agent_pb2 import (
    RUN_STATE_ANSWERED,
    Run,
)
from ragents_client.v1.event_pb2 import Event, Queued
from ragents_server.agents.budgets import Budget
from ragents_server.agents.courses import SILENT, Course, busy, is_last, within
from ragents_server.agents.decisions import Follow, Over, SameReply, Take, Wait, decide
from ragents_server.agents.lines import Lines
from ragents_server.agents.roster import Loaded, Roster
from ragents_server.agents.tails import outcome_event, tail
from ragents_server.cache.single_flight import Flights
from ragents_server.caller import PRIORITIES, Caller
from ragents_server.errors import (
    Cancelled,
    Draining,
    LeaseLost,
    NotFound,
    Overloaded,
)
from ragents_server.execution import Execution, Gate, begin, current_execution
from ragents_server.threads.places import Places
from ragents_server.threads.request import TurnRequest
from ragents_server.threads.runs import Look

if TYPE_CHECKING:
    from ragents_server.agents.attempts import Attempt

log = logging.getLogger(__name__)

MOST_WAITING = 64  # turns of one thread, on this replica
MOST_DETACHED = 1000  # runs that go on without a caller, on this replica
MARGIN = 0.2  # seconds before a caller's deadline in which to say that the thread is busy
TITLE = 80  # characters
MOST_LOST = 5  # leases of one turn, before its caller is told


@dataclass(frozen=True, slots=True)
class Usual:
    """What a run may use, where its turn says nothing, and at most."""

    agent: str  # for a new thread
    max_tokens: int
    max_seconds: float


class Turns:
    """The turns that this replica is asked for."""

    def __init__(self, places: Places, roster: Roster, gate: Gate, usual: Usual) -> None:
        self._places = places
        self._roster = roster
        self._gate = gate
        self._usual = usual
        self._flights = Flights[Event]()
        self._lines = Lines(MOST_WAITING)
        self._attempts: dict[str, Attempt] = {}  # by run
        self._detached: dict[str, asyncio.Task[None]] = {}  # by run
        self._draining = False

    @property
    def running(self) -> int:
        """How many runs are under way here, each in a thread of its own."""
        return len(self._attempts)

    async def follow(self, request: TurnRequest, seconds: float) -> AsyncGenerator[Event, None]:
        """All events of the turn, the last one its outcome; raises what the run failed with.

        The run goes on as long as somebody follows it here, or it is detached. A thread that is not free within
        `seconds` is ThreadBusy.
        """
        if request.turn.detached:
            self._go_on(request)
        limit = asyncio.get_running_loop().time() + seconds - MARGIN
        async with aclosing(self._flown(request)) as events:
            begun, late = False, SILENT
            while (event := await within(events, None if begun else limit, late)) is not None:
                begun, late = event.seq > 0, busy
                yield event

    async def run(self, request: TurnRequest, seconds: float) -> Run:
        """The turn's run, once it has an outcome; otherwise as `follow`."""
        async with aclosing(self.follow(request, seconds)) as events:
            async for _ in events:
                pass
        found = await self._places.runs.get(request.caller, request.run_id)
        if found is not None:
            return found[0]
        look = await self._places.runs.look(request)  # another turn replied the same: that one's run
        return await self.find(request.caller, look.replied[0] if look.replied is not None else request.run_id)

    async def attach(self, caller: Caller, run: str, after: int) -> AsyncGenerator[Event, None]:
        """The events after `after`, wherever the run is; ends with its outcome, or raises what it failed with."""
        await self._found(caller, run)
        async with aclosing(tail(self._places.log, run, after, until_abandoned=False)) as events:
            async for event in events:
                yield event

    async def find(self, caller: Caller, run: str) -> Run:
        """A run of the caller's. Raises NotFound."""
        return (await self._found(caller, run))[0]

    async def cancel(self, caller: Caller, run: str) -> Run:
        """Ends a run for good, unless it is over. Its replica stops it within a second."""
        found, key = await self._found(caller, run)
        if found.state != RUN_STATE_ANSWERED:
            outcome = Run(failure=Cancelled("the run was cancelled").failure())
            await self._places.runs.cancel(key, run, outcome)
        if (attempt := self._attempts.get(run)) is not None:
            attempt.stop()
        return await self.find(caller, run)

    async def _found(self, caller: Caller, run: str) -> tuple[Run, str]:
        found = await self._places.runs.get(caller, run)
        if found is None:
            raise NotFound("no such run")
        return found

    async def take_up(self) -> None:
        """Goes on with detached runs whose replica has gone."""
        if not self._draining:
            for orphan in await self._places.runs.orphans():
                self._go_on(TurnRequest(orphan.caller, orphan.turn))

    async def drain(self, seconds: float) -> None:
        """Lets attached runs end for so long; then, and detached ones at once, graphs stop at their next saved step."""
        self._draining = True
        for attempt in self._attempts.values():
            if attempt.request.turn.detached:
                attempt.control.request_drain()
        try:
            async with asyncio.timeout(seconds):
                while self._attempts:
                    await next(iter(self._attempts.values())).over.wait()
        except TimeoutError:
            for attempt in self._attempts.values():
                attempt.control.request_drain()

    async def aclose(self) -> None:
        """Ends the detached runs; whoever is there takes them up."""
        for task in list(self._detached.values()):
            task.cancel()
        if self._detached:
            await asyncio.wait(list(self._detached.values()))

    def _flown(self, request: TurnRequest) -> AsyncGenerator[Event, None]:
        return self._flights.ride((request.run_id, request.digest), lambda: self._made(request))

    def _go_on(self, request: TurnRequest) -> None:
        """Follows the run to its end without a caller."""
        if request.run_id in self._detached:
            return
        if len(self._detached) >= MOST_DETACHED:
            raise Overloaded(f"{MOST_DETACHED} detached runs are under way here", retry_after=5.0)
        task = asyncio.create_task(self._seen_off(request), name="a detached run")
        self._detached[request.run_id] = task
        task.add_done_callback(lambda _: self._detached.pop(request.run_id, None))

    async def _seen_off(self, request: TurnRequest) -> None:
        asked = current_execution().priority  # of the call that began it, which may end before
        begin(Execution(self._gate, request.caller, priority=min(asked, PRIORITIES.index(request.caller.priority))))
        try:
            async with aclosing(self._flown(request)) as events:
                async for _ in events:
                    pass
        except Exception as error:  # noqa: BLE001 - it is recorded with the run, for those who ask for it
            log.info("a detached run ended with %s", type(error).__name__)

    async def _made(self, request: TurnRequest) -> AsyncGenerator[Event, None]:
        """The turn's events: run here, or followed where another replica runs it, until there is an outcome."""
        async with self._lines.standing(request.key) as place:
            while place.position:
                yield Event(queued=Queued(position=place.position))
                await place.moves()
            course, event = Course(request), None
            while event is None or not is_last(event):
                async with aclosing(self._next(course)) as events:
                    async for event in events:
                        course.told = max(course.told, event.seq)
                        yield event

    async def _next(self, course: Course) -> AsyncGenerator[Event, None]:
        """What the next look at the store leads to."""
        look = await self._places.runs.look(course.request)
        if course.told and look.run is None:
            raise NotFound("the run was deleted with its thread")
        match decide(course.request, look):
            case Over(run) if not course.told or look.seq <= course.told + 1:
                yield outcome_event(run.state, run.outcome, max(look.seq, course.told + 1))
            case SameReply(turn):
                course.request = TurnRequest(course.request.caller, turn)
            case Follow() | Over():
                run_id = course.request.run_id
                async with aclosing(tail(self._places.log, run_id, course.told, until_abandoned=True)) as events:
                    async for event in events:
                        yield event
            case Wait():
                if not course.waited:
                    yield Event(queued=Queued(position=0))
                await course.wait()
            case Take() as take:
                async with aclosing(self._tried(course, look, take)) as events:
                    async for event in events:
                        yield event

    async def _tried(self, course: Course, look: Look, take: Take) -> AsyncGenerator[Event, None]:
        """The events of an attempt with a slot; none, or no last one, where another replica was faster or took over."""
        loaded = await self._roster.loaded()
        agent = course.request.turn.agent or take.agent or self._usual.agent
        loaded.named(agent)
        execution, well = current_execution(), False
        execution.kind, execution.lasting = f"a run of {agent}", True
        try:
            async with aclosing(execution.places()) as places:
                async for position in places:
                    yield Event(queued=Queued(position=position))
            async with aclosing(self._attempted(course, look, take, loaded, agent)) as events:
                async for event in events:
                    yield event
            well = True
        finally:
            execution.end(well=well)

    async def _attempted(
        self, course: Course, look: Look, take: Take, loaded: Loaded, agent: str
    ) -> AsyncGenerator[Event, None]:
        if self._draining:
            raise Draining("this replica is shutting down")
        from ragents_server.agents.attempts import Attempt  # brings LangGraph, which is there now

        request = course.request
        title = " ".join(request.turn.question.text.split())[:TITLE]
        taken = await self._places.runs.take(request, look, agent=agent, title=title)
        if taken is None:
            return
        budget = self._budget(request)
        attempt = Attempt(request, taken, loaded, self._places, agent=agent, rewind=take.rewind, budget=budget)
        self._attempts[taken.run] = attempt
        try:
            async with aclosing(attempt.events()) as events:
                async for event in events:
                    yield event
        except LeaseLost:
            course.lost += 1
            if course.lost > MOST_LOST:
                raise
            log.info("the lease of a run was lost; looking where it is now")
        finally:
            del self._attempts[taken.run]
            attempt.over.set()

    def _budget(self, request: TurnRequest) -> Budget:
        limits, usual = request.turn.limits, self._usual
        seconds = limits.max_time.ToNanoseconds() / 1e9 if limits.HasField("max_time") else usual.max_seconds
        return Budget(
            max_steps=limits.max_steps,
            max_tokens=min(limits.max_tokens or usual.max_tokens, usual.max_tokens),
            max_seconds=min(seconds, usual.max_seconds),
        )
