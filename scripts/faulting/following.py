"""Followers of runs: each attaches somewhere in a run, on any replica, and must miss and repeat nothing."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, cast

import grpc

from ragents_client.v1.agent_service_pb2 import AttachRunRequest
from ragents_client.v1.agent_service_pb2_grpc import AgentServiceStub
from ragents_client.v1.event_pb2 import Event
from scripts.faulting.conversations import Findings, Said
from scripts.faulting.replicas import Replica

if TYPE_CHECKING:  # in the stubs' types only
    from ragents_client.v1.agent_service_pb2_grpc import AgentServiceAsyncStub

TIMEOUT = 30.0  # seconds of a call
PATIENCE = 60.0  # seconds until a run must have an outcome
PAUSE = 0.1  # seconds before one attaches again
ON_ITS_WAY = 0.5  # seconds that an event may take from PostgreSQL to us
UNSYNCED = 1.0  # seconds that PostgreSQL may keep an event before it is on the disk, and far more than it does


def stub_of(replica: Replica) -> "AgentServiceAsyncStub":
    """The agents of a replica as it runs now."""
    return cast("AgentServiceAsyncStub", AgentServiceStub(replica.channel))


def is_last(event: Event) -> bool:
    """Whether the run has ended with it."""
    return event.HasField("answer") or event.HasField("interrupt")


class Followers:
    """All that follow, and what anybody was told of any run."""

    def __init__(self, replicas: Sequence[Replica], findings: Findings, draw: random.Random) -> None:
        self._replicas = replicas
        self._findings = findings
        self._draw = draw
        self._told: defaultdict[str, dict[int, bytes]] = defaultdict(dict)
        self._ended: dict[str, float] = {}  # when the outcome was told
        self._excused = set[str]()
        self._struck = -inf
        self._group: asyncio.TaskGroup | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """At the end of the block each follows its run to the end."""
        async with asyncio.TaskGroup() as self._group:
            yield

    def begin(self, said: Said, seen: int, at: int) -> None:
        """One more, from somewhere up to the event `seen`, on another replica than `at`."""
        if self._group is None:
            raise RuntimeError("nobody follows now")
        after, elsewhere = self._draw.randint(0, seen), at + self._draw.randint(1, len(self._replicas) - 1)
        self._findings.counts["followers"] += 1
        self._group.create_task(self._patiently(said, after, elsewhere))

    def excuse(self) -> None:
        """PostgreSQL is killed: in runs under way, what was told just now may be lost and its numbers used again."""
        self._struck = monotonic()
        moment = self._struck - UNSYNCED
        self._excused |= {run for run in self._told if self._ended.get(run, moment) >= moment}

    def note(self, run: str, event: Event) -> None:
        """Whoever is told an event of a number is told the same."""
        if monotonic() < self._struck + ON_ITS_WAY:
            self._excused.add(run)
        told = event.SerializeToString(deterministic=True)
        if is_last(event):
            self._ended.setdefault(run, monotonic())
        if self._told[run].setdefault(event.seq, told) != told:
            first = Event.FromString(self._told[run][event.seq])
            self._blame("told_differently", run, f"{event.seq} {_brief(first)}, then {_brief(event)}")

    def _blame(self, kind: str, run: str, words: str) -> None:
        self._findings.blame("told_again" if run in self._excused else kind, f"{run}: {words}")

    async def _patiently(self, said: Said, after: int, at: int) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self.follow(said, after, at)
        except TimeoutError:
            self._blame("unfollowed", said.run, f"no outcome after {PATIENCE:g} s")

    async def all_of(self, said: Said, at: int) -> list[Event]:
        """Everything that is stored of a run that is over."""
        request = AttachRunRequest(run_id=said.run)
        call = stub_of(self._replicas[at]).AttachRun(request, timeout=TIMEOUT, metadata=said.key.metadata)
        return [response.event async for response in call]

    async def follow(self, said: Said, after: int, at: int) -> Event | None:
        """Attaches until the run has ended, at the next replica each time; None when it was cancelled."""
        while True:
            replica = self._replicas[at % len(self._replicas)]
            try:
                request = AttachRunRequest(run_id=said.run, after_seq=after)
                call = stub_of(replica).AttachRun(request, timeout=TIMEOUT, metadata=said.key.metadata)
                async for response in call:
                    event = response.event
                    if event.seq != after + 1:
                        self._blame("gaps", said.run, f"{event.seq} {_brief(event)} came after {after}")
                    self.note(said.run, event)
                    self._findings.counts["followed_events"] += 1
                    after = event.seq
                    if is_last(event):
                        return event
                self._blame("unfollowed", said.run, f"its end came after {after} and told nothing")
                return None
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.CANCELLED:
                    self._findings.counts["followers_of_cancelled"] += 1
                    return None
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    self._blame("unfollowed", said.run, f"{error.code().name} {error.details()}")
                    return None
                self._findings.counts["attached_again"] += 1
            at += 1
            await asyncio.sleep(PAUSE)


def _brief(event: Event) -> str:
    kind = event.WhichOneof("kind")
    return f"{kind} {event.step.name}{event.step.text}{event.started.attempt or ''}{event.delta.text}"
