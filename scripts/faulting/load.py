"""A low and steady load of questions on two servers by turns, so that both see the same machine."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

import grpc

from ragents_client.v1.answer_pb2 import Question
from scripts.faulting.calls import QUERY, Calls

PAUSE = 0.05  # seconds between a caller's questions


@dataclass(frozen=True, slots=True)
class Sample:
    """One call: to which server, of a question that came before or not, and what became of it."""

    server: Calls
    repeat: bool
    began: float
    ended: float
    failure: str = ""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began


class Load:
    """Callers who ask each server in turn the same: every other question is new, the rest are of a few."""

    def __init__(self, servers: Sequence[Calls], repeats: Sequence[str], new: Callable[[], str]) -> None:
        self.samples: list[Sample] = []
        self._servers = servers
        self._repeats = repeats
        self._new = new
        self._stopped = asyncio.Event()
        self._came = asyncio.Event()

    @asynccontextmanager
    async def running(self, callers: int) -> AsyncIterator[None]:
        """So many callers at once; at the end of the block each finishes what it has asked."""
        self._stopped.clear()
        async with asyncio.TaskGroup() as group:
            for at in range(callers):
                group.create_task(self._ask_on(at))
            try:
                yield
            finally:
                self._stopped.set()

    async def asking(self, server: Calls) -> None:
        """Returns while the server has a call."""
        while not server.replica.in_flight:
            self._came.clear()
            await self._came.wait()

    async def _ask_on(self, at: int) -> None:
        while not self._stopped.is_set():
            at += 1
            repeat = at % 2 == 0
            text = self._repeats[at // 2 % len(self._repeats)] if repeat else self._new()
            first = at // 2 % len(self._servers)
            for server in (*self._servers[first:], *self._servers[:first]):
                self._came.set()
                self.samples.append(await _sample(server, text, repeat=repeat))
                await asyncio.sleep(PAUSE)


async def _sample(server: Calls, text: str, *, repeat: bool) -> Sample:
    began, failure = monotonic(), ""
    try:
        await server.ask(QUERY, Question(text=text))
    except grpc.aio.AioRpcError as error:
        failure = f"{error.code().name} {error.details()}"
    return Sample(server, repeat, began, monotonic(), failure)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that so many are not above; NaN of none."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else math.nan
