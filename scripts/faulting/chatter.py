"""A steady load of turns: several users in several threads, in every way, on all replicas, while somebody reads."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from time import monotonic

import grpc

from scripts.faulting.conversations import Conversations, Findings, Kept, Place, Said
from scripts.faulting.replicas import Key, Replica
from scripts.faulting.speaking import DETACHED, LEAVING, STREAM, UNARY, Speakers

# The same names and request_ids are used by all three: what is another user's must not matter.
USERS = (
    Key("token-of-ada", "amber", user="ada"),
    Key("token-of-bob", "amber", user="bob"),
    Key("token-of-eve", "birch", user="ada"),
)
THREADS = 8  # that are talked in at once
TURNS = 30  # of a thread, before another is begun
WAYS, SHARES = (UNARY, STREAM, DETACHED, LEAVING), (40, 44, 12, 4)
BEGINNING = 0.05  # share of turns that name no thread, and so begin one
READ_EVERY = 0.1  # seconds


class Chatter:
    """The load, and who reads meanwhile; `findings` and `conversations` say what came of it."""

    def __init__(self, replicas: Sequence[Replica], seed: int) -> None:
        self.findings = Findings()
        self.conversations = Conversations()
        self._draw = random.Random(seed)
        self._replicas = replicas
        self.speakers = Speakers(replicas, self.conversations, self.findings, self._draw)
        self._numbers = count(1)
        self._names = count(1)
        self._requests = Counter[Key]()
        self._threads = [self._thread() for _ in range(THREADS)]
        self._left = [TURNS] * THREADS
        self._stopped = asyncio.Event()

    @asynccontextmanager
    async def running(self, callers: int) -> AsyncIterator[None]:
        """So many callers at once; at the end of the block each finishes its turn."""
        self._stopped.clear()
        async with self.speakers.followers.running(), asyncio.TaskGroup() as group:
            for at in range(callers):
                group.create_task(self._talk(at))
            group.create_task(self._read())
            try:
                yield
            finally:
                self._stopped.set()

    def turn(self, place: Place, way: str = UNARY, *, begins: bool = False) -> Said:
        """A turn that nobody has said before."""
        self._requests[place.key] += 1
        request, question = f"turn {self._requests[place.key]}", f"What is number {next(self._numbers)}?"
        return Said(place.key, "" if begins else place.thread, request, question, way, begins)

    def _thread(self) -> Place:
        number = next(self._names)
        return Place(USERS[number % len(USERS)], f"thread {number // len(USERS)}")

    async def _talk(self, at: int) -> None:
        while not self._stopped.is_set():
            slot = self._draw.randrange(THREADS)
            self._left[slot] -= 1
            if self._left[slot] < 0:
                self._threads[slot], self._left[slot] = self._thread(), TURNS
            way = self._draw.choices(WAYS, SHARES)[0]
            said = self.turn(self._threads[slot], way, begins=self._draw.random() < BEGINNING)
            await self.speakers.say(said, at + self._draw.randrange(len(self._replicas)))

    async def _read(self) -> None:
        """A thread as any replica tells it has whatever was acknowledged before."""
        while not self._stopped.is_set():
            place, at = self._draw.choice(self._threads), self._draw.randrange(len(self._replicas))
            before = {one.question for one in self.conversations.in_thread(place) if one.answer}
            if before:
                await self._look(place, at, before)
            await asyncio.sleep(READ_EVERY)

    async def _look(self, place: Place, at: int, before: set[str]) -> None:
        try:
            kept: list[Kept] = await self.speakers.kept(place, at)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                self.findings.counts["reads_unavailable"] += 1
            else:
                self.findings.blame("failed", f"GetThread: {error.code().name} {error.details()}")
            return
        self.findings.counts["reads"] += 1
        if missing := before - {one.question for one in kept}:
            self.findings.blame("read_short", f"{place.thread} was read without {sorted(missing)[:3]}")


def rate(conversations: Conversations, since: float) -> float:
    """Turns answered in a second, from then to now."""
    return sum(one.answered >= since for one in conversations.said.values() if one.answer) / (monotonic() - since)
