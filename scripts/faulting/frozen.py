"""A replica is stopped in the middle of turns and goes on much later: its late writes must not be kept."""

import asyncio
import random
from dataclasses import replace
from time import monotonic

from ragents_client.v1.agent_service_pb2 import GetThreadHistoryRequest
from scripts.faulting.conversations import Conversations, Findings, Kept, Place, Said, judge
from scripts.faulting.deployment import deployed, say
from scripts.faulting.following import stub_of
from scripts.faulting.replicas import SERVER, Key
from scripts.faulting.speaking import STREAM, UNARY, Speakers
from scripts.faulting.unfenced import REFUSED
from scripts.faulting.words import Words
from scripts.figures import Figure

KEY = Key("token-of-ada", "amber", user="ada")
SETTINGS: dict[str, object] = {"agents": "scripts.faulting.talker:build", "agent": "talker", "database_timeout": 3}
THINKING = 1.0  # seconds that the model takes for a turn that is to be in its middle
SOON = 5.0  # seconds within which another replica must have answered
PROGRAMS = {"fenced": ("scripts.faulting.unfenced", "fenced"), "as_it_is": SERVER}
CONTROL = ("scripts.faulting.unfenced", "unfenced")


class Frozen:
    """Turns in several threads; all are in their middle on the first replica when it is stopped."""

    def __init__(self, program: tuple[str, ...], seconds: float, threads: int, seed: int) -> None:
        self.findings = Findings()
        self._program = program
        self._seconds = seconds
        self._places = [Place(KEY, f"thread {number}") for number in range(threads)]
        self._draw = random.Random(seed)
        self._conversations = Conversations()
        self._words = Words()
        self.refused = self.taken_over = 0
        self.slowest = 0.0

    async def run(self) -> None:
        """All of it, on two replicas of its own."""
        async with deployed([KEY], [SETTINGS] * 2, short=True, model=self._words, program=self._program) as deployment:
            here = deployment.replicas[0]
            speakers = Speakers(
                deployment.replicas, self._conversations, self.findings, self._draw, timeout=self._seconds + SOON * 4
            )
            await asyncio.gather(*(speakers.say(self._turn(place, "first"), 0) for place in self._places))
            middle = [self._turn(place, "middle", STREAM) for place in self._places]
            self._words.slow.update({one.question: THINKING for one in middle})
            async with speakers.followers.running(), asyncio.TaskGroup() as group:
                for one in middle:
                    group.create_task(speakers.say(one, 0))
                await self._words.until_waiting(here.name, *(one.question for one in middle))
                thawed_at = monotonic() + self._seconds
                here.freeze()
                say(f"{' '.join(self._program)}: stopped for {self._seconds:g} s, {len(middle)} turns in their middle")
                await self._go_on(speakers, middle)
                await asyncio.sleep(thawed_at - monotonic())
                here.thaw()
            self.refused = here.log.read_text(encoding="utf-8").count(REFUSED)
            for place in self._places:
                await self._judge(speakers, place)
            self.taken_over = sum([await self._attempts(speakers, one) == [1, 2] for one in middle])

    async def _go_on(self, speakers: Speakers, middle: list[Said]) -> None:
        """The same turns on the other replica, and then one more in each thread."""
        began = monotonic()
        await asyncio.gather(*(speakers.say(replace(one, way=UNARY), 1) for one in middle))
        self.slowest = monotonic() - began
        await asyncio.gather(*(speakers.say(self._turn(place, "last"), 1) for place in self._places))

    def _turn(self, place: Place, name: str, way: str = UNARY) -> Said:
        question = f"What is the {name} one of {place.thread}?"
        return Said(place.key, place.thread, question, question, way)

    async def _judge(self, speakers: Speakers, place: Place) -> None:
        """What is kept, now and in each checkpoint that led to it."""
        kept = await speakers.kept(place, 1)
        judge(self._conversations.in_thread(place), kept, self.findings)
        request = GetThreadHistoryRequest(thread_id=place.thread)
        stub = stub_of(speakers.replicas[1])
        for one in (await stub.GetThreadHistory(request, metadata=KEY.metadata, timeout=SOON)).checkpoints:
            then = [Kept(exchange.question, exchange.answer) for exchange in one.exchanges]
            if then != kept[: len(then)]:
                self.findings.blame("checkpoints_of_both", f"{then} was saved on the way to {kept}")

    async def _attempts(self, speakers: Speakers, said: Said) -> list[int]:
        return [one.started.attempt for one in await speakers.followers.all_of(said, 1) if one.HasField("started")]


async def frozen(*, seconds: float, threads: int, seed: int, short: bool) -> list[Figure]:
    """The test and its control, at the same time."""
    runs = {name: Frozen(PROGRAMS[name], seconds, threads, seed) for name in (["fenced"] if short else PROGRAMS)}
    control = Frozen(CONTROL, min(seconds, 8.0), threads, seed)
    async with asyncio.TaskGroup() as group:
        for one in (*runs.values(), control):
            group.create_task(one.run())
    figures = [Figure("frozen_seconds", seconds, "s"), Figure("frozen_in_flight", threads, "turns")]
    for name, one in runs.items():
        wrong = {kind: words for kind, words in one.findings.wrong.items() if words}
        for kind, words in wrong.items():
            say(f"frozen, {name}: {kind}: {words[0]}")
        figures += [
            Figure.at_most(f"frozen_{name}_wrong", sum(map(len, wrong.values())), 0),
            Figure.near(f"frozen_{name}_taken_over", one.taken_over, threads, 0, "turns"),
            Figure.at_most(f"frozen_{name}_slowest_takeover", one.slowest, SOON, "s"),
        ]
    figures.append(Figure.at_least("frozen_fenced_refused", runs["fenced"].refused, 1, "writes"))
    wrong_without = sum(len(control.findings.wrong[kind]) for kind in ("lost", "doubled", "differing", "disordered"))
    return [*figures, Figure.at_least("control_unfenced_wrong", wrong_without, 1)]
