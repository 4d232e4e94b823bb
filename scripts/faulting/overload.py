"""Calls of one replica at a rate, whatever becomes of those before: who was answered, how soon, and who was refused."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle
from time import monotonic
from typing import TYPE_CHECKING, cast

import grpc
import psutil

from ragents_client.v1.answer_pb2 import Question
from ragents_client.v1.query_service_pb2 import QueryRequest, RetrieveRequest
from ragents_client.v1.query_service_pb2_grpc import QueryServiceStub
from ragents_server.admission.gate import DISPLACED
from scripts.faulting.replicas import Key, Replica

if TYPE_CHECKING:  # in the stubs' types only
    from ragents_client.v1.query_service_pb2_grpc import QueryServiceAsyncStub

PATIENCE = 3.0  # seconds of a call
BEFORE = 1.0  # seconds of the lower load, in which the slots are taken one after the other
QUESTION = Question(text="Where is the mark of the granite carved?")
LONGEST = 60.0  # seconds that a server may take to be as it was


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of call: what it is counted under, who makes it and how urgently."""

    name: str
    key: Key
    priority: str


@dataclass(slots=True)
class Outcomes:
    """Seconds that calls took, by their kinds' names: refused at once, out of the line, or as their time was over."""

    answered: dict[str, list[float]] = field(default_factory=dict)
    refused: dict[str, list[float]] = field(default_factory=dict)
    displaced: dict[str, list[float]] = field(default_factory=dict)
    expired: dict[str, list[float]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)  # when each answer came
    goodput: float = 0.0  # answers a second while the load lasted
    cores: float = 0.0  # that the server's process used meanwhile

    def add(self, name: str, seconds: float, error: grpc.aio.AioRpcError | None) -> None:
        """Counts one call."""
        if error is None:
            self.answered.setdefault(name, []).append(seconds)
            self.ended.append(monotonic())
        elif error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
            those = self.displaced if DISPLACED in (error.details() or "") else self.refused
            those.setdefault(name, []).append(seconds)
        elif error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            self.expired.setdefault(name, []).append(seconds)
        else:
            self.failed.append(f"{error.code().name} {error.details()}")

    def shed(self, name: str) -> float:
        """The share that was not answered."""
        shed = sum(len(those.get(name, ())) for those in (self.refused, self.displaced, self.expired))
        return shed / max(1, shed + len(self.answered.get(name, ())))


def together(those: Mapping[str, Sequence[float]]) -> list[float]:
    """Of every name."""
    return [seconds for each in those.values() for seconds in each]


class Asking:
    """Asks a replica one question whose passages are cached and whose answers are not."""

    def __init__(self, replica: Replica) -> None:
        self._process = psutil.Process(replica.process.pid)
        self._query = cast("QueryServiceAsyncStub", QueryServiceStub(replica.channel))
        self._request = QueryRequest(question=QUESTION)

    async def ask(self, outcomes: Outcomes, kind: Kind) -> None:
        """One call."""
        metadata = (*kind.key.metadata, ("x-ragents-priority", kind.priority))
        began, failure = monotonic(), None
        try:
            await self._query.Query(self._request, metadata=metadata, timeout=PATIENCE)
        except grpc.aio.AioRpcError as error:
            failure = error
        outcomes.add(kind.name, monotonic() - began, failure)

    async def one_by_one(self, kind: Kind, times: int) -> list[float]:
        """Seconds of calls that are alone on the server."""
        outcomes = Outcomes()
        for _ in range(times):
            await self.ask(outcomes, kind)
        return outcomes.answered[kind.name]

    async def without_pause(self, kind: Kind, callers: int, seconds: float) -> float:
        """Answers a second."""
        outcomes, until = Outcomes(), monotonic() + seconds

        async def caller() -> None:
            while monotonic() < until:
                await self.ask(outcomes, kind)

        await asyncio.gather(*(caller() for _ in range(callers)))
        return len(outcomes.ended) / seconds

    async def on_time(self, kinds: Sequence[Kind], low: float, high: float, seconds: float) -> Outcomes:
        """So many calls a second, of each kind in turn, after a second of fewer, which are not counted."""
        outcomes, earlier, risen, cpu = Outcomes(), Outcomes(), 0.0, 0.0
        began = due = monotonic()
        async with asyncio.TaskGroup() as group:
            for kind in cycle(kinds):
                await asyncio.sleep(due - monotonic())
                since = due - began
                if since >= BEFORE and not risen:
                    risen, cpu = monotonic(), self._cpu()
                if since >= BEFORE + seconds:
                    break
                group.create_task(self.ask(outcomes if risen else earlier, kind))
                due += 1 / (high if risen else low)
            lasted = monotonic() - risen
            outcomes.cores = (self._cpu() - cpu) / lasted
            outcomes.goodput = sum(at >= risen for at in (*earlier.ended, *outcomes.ended)) / lasted
        outcomes.failed += earlier.failed
        return outcomes

    async def searches(self, kind: Kind, times: int) -> list[float]:
        """Seconds of searches that the cache knows."""
        took: list[float] = []
        for _ in range(times):
            began = monotonic()
            await self._query.Retrieve(RetrieveRequest(question=QUESTION), metadata=kind.key.metadata, timeout=PATIENCE)
            took.append(monotonic() - began)
        return took

    async def until_as_quick(self, kind: Kind, seconds: float) -> float:
        """Seconds until five calls in a row, each alone, take no longer than this."""
        began, quick = monotonic(), 0
        for _ in count():
            outcomes = Outcomes()
            await self.ask(outcomes, kind)
            took = outcomes.answered.get(kind.name, [PATIENCE])[0]
            quick = quick + 1 if took <= seconds else 0
            if quick == 5 or monotonic() - began > LONGEST:
                break
        return monotonic() - began

    def _cpu(self) -> float:
        """Seconds of the server's process so far."""
        times = self._process.cpu_times()
        return times.user + times.system
