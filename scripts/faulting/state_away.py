"""PostgreSQL says nothing for a while: turns and reads are UNAVAILABLE within their deadline, and never empty."""

import asyncio
import os
import signal
from collections import Counter, defaultdict
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

import grpc

from ragents_client.v1.agent_service_pb2 import (
    GetRunRequest,
    GetThreadHistoryRequest,
    GetThreadRequest,
    RunRequest,
    StreamRunRequest,
)
from scripts.faulting.chatter import USERS, Chatter
from scripts.faulting.conversations import Kept, Place, Said
from scripts.faulting.deployment import Deployment, say
from scripts.faulting.following import stub_of
from scripts.faulting.speaking import turn_of
from scripts.figures import Figure
from tests.services.processes import family, postmaster

if TYPE_CHECKING:  # in the stubs' types only
    from ragents_client.v1.agent_service_pb2_grpc import AgentServiceAsyncStub

TURNS = 3
PATIENT, HASTY = 20.0, 2.0  # seconds of a call: enough for the server to find out, and not
BACK = 2.0  # seconds within which replicas serve from a database that goes on
PAUSE = 0.05

Reading = Awaitable[list[Kept] | None]  # the exchanges, where they are told


@dataclass(frozen=True, slots=True)
class Asked:
    """What can be asked of a replica about a turn's thread."""

    stub: "AgentServiceAsyncStub"
    said: Said
    earlier: str  # a run of the thread that is over
    deadline: float  # seconds

    async def turn(self) -> None:
        """The turn itself."""
        await self.stub.Run(RunRequest(turn=turn_of(self.said)), timeout=self.deadline, metadata=self.said.key.metadata)

    async def stream(self) -> None:
        """The turn, streamed."""
        request = StreamRunRequest(turn=turn_of(self.said))
        async for _ in self.stub.StreamRun(request, timeout=self.deadline, metadata=self.said.key.metadata):
            pass

    async def thread(self) -> list[Kept]:
        """What is kept."""
        request = GetThreadRequest(thread_id=self.said.thread)
        found = await self.stub.GetThread(request, timeout=self.deadline, metadata=self.said.key.metadata)
        return [Kept(one.question, one.answer) for one in found.exchanges]

    async def history(self) -> list[Kept]:
        """What was kept in the latest checkpoint."""
        request = GetThreadHistoryRequest(thread_id=self.said.thread)
        found = await self.stub.GetThreadHistory(request, timeout=self.deadline, metadata=self.said.key.metadata)
        latest = found.checkpoints[0].exchanges if found.checkpoints else ()
        return [Kept(one.question, one.answer) for one in latest]

    async def run(self) -> None:
        """A run that is over."""
        request = GetRunRequest(run_id=self.earlier)
        await self.stub.GetRun(request, timeout=self.deadline, metadata=self.said.key.metadata)


class StateAway:
    """Conversations that are known whole, and calls to both replicas while the database is stopped."""

    def __init__(self, deployment: Deployment, chatter: Chatter, threads: int) -> None:
        self._deployment = deployment
        self._chatter = chatter
        self._places = [Place(USERS[number % len(USERS)], f"whole {number}") for number in range(threads)]
        self._whole: dict[Place, list[Kept]] = {}
        self._codes: defaultdict[float, Counter[str]] = defaultdict(Counter)  # by deadline
        self._short = 0
        self._slowest = 0.0

    async def stopped(self) -> list[Figure]:
        """Calls are made while it is stopped; it goes on when all of them have ended."""
        say("PostgreSQL is stopped")
        for place in self._places:
            for _ in range(TURNS):
                await self._chatter.speakers.say(self._chatter.turn(place), 0)
            self._whole[place] = await self._chatter.speakers.kept(place, 0)
        said = [self._chatter.turn(place) for place in self._places for _ in self._deployment.replicas]
        with self._silent():
            await asyncio.gather(*(self._call(*call) for call in self._calls(said)))
        back = max(await asyncio.gather(*(self._served_again(at) for at in range(len(self._deployment.replicas)))))
        await asyncio.gather(*(self._chatter.speakers.say(one, at) for at, one in enumerate(said)))
        for place in self._places:
            kept = await self._chatter.speakers.kept(place, 1)
            self._short += kept[: len(self._whole[place])] != self._whole[place]
        return [
            *self._figures(),
            Figure.at_most("state_away_back_after", back, BACK, "s"),
            Figure.near("state_away_answered_after", sum(bool(one.answer) for one in said), len(said), 0, "turns"),
        ]

    async def _served_again(self, at: int) -> float:
        """Seconds until a replica reads the database that goes on; another failure than UNAVAILABLE is raised."""
        began = monotonic()
        while True:
            try:
                await self._chatter.speakers.kept(self._places[0], at)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or monotonic() - began > PATIENT:
                    raise
                await asyncio.sleep(PAUSE)
            else:
                return monotonic() - began

    def _figures(self) -> list[Figure]:
        patient, hasty = self._codes[PATIENT], self._codes[HASTY]
        say(f"while PostgreSQL was stopped: {dict(patient)} within {PATIENT:g} s, {dict(hasty)} within {HASTY:g} s")
        other = sum(hasty.values()) - hasty["UNAVAILABLE"] - hasty["DEADLINE_EXCEEDED"]
        return [
            Figure.near("state_away_unavailable", patient["UNAVAILABLE"], sum(patient.values()), 0, "calls"),
            Figure("state_away_slowest_refusal", self._slowest, "s"),
            Figure("state_away_hasty", sum(hasty.values()), "calls"),
            Figure.at_most("state_away_hasty_told_otherwise", other, 0, "calls"),
            Figure.at_most("state_away_short_histories", self._short, 0),
        ]

    @contextmanager
    def _silent(self) -> Iterator[None]:
        """All its processes keep their connections and do nothing."""
        processes = family(postmaster(self._deployment.data))
        try:
            for process in processes:
                os.kill(process, signal.SIGSTOP)
            yield
        finally:
            for process in processes:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    def _calls(self, said: list[Said]) -> Iterator[tuple[Reading, Place, float]]:
        """On each replica, of each thread: turns, one of them streamed, and what is told of thread, history and run."""
        for at, one in enumerate(said):
            run = self._chatter.conversations.in_thread(one.place)[0].run
            stub = stub_of(self._deployment.replicas[at % len(self._deployment.replicas)])
            for deadline in (PATIENT, HASTY):
                asked = Asked(stub, one, run, deadline)
                for reading in (asked.turn, asked.stream, asked.thread, asked.history, asked.run):
                    yield reading(), one.place, deadline

    async def _call(self, reading: Reading, place: Place, deadline: float) -> None:
        began = monotonic()
        try:
            kept = await reading
        except grpc.aio.AioRpcError as error:
            self._codes[deadline][error.code().name] += 1
            if deadline == PATIENT:
                self._slowest = max(self._slowest, monotonic() - began)
            return
        self._codes[deadline]["OK"] += 1
        self._short += kept is not None and kept != self._whole[place]
