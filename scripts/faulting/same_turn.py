"""The same turn many times at once over all replicas: one is run; and again when the replica that runs it is killed."""

import asyncio
from dataclasses import replace
from time import monotonic

from scripts.faulting.chatter import USERS, Chatter
from scripts.faulting.conversations import Place, Said
from scripts.faulting.deployment import Deployment, say
from scripts.faulting.speaking import STREAM, UNARY
from scripts.faulting.takeovers import SOON
from scripts.faulting.words import Words
from scripts.figures import Figure

THINKING = 1.0  # seconds that the model takes
BOARDED = 0.5  # seconds after which whoever asked waits for the leader


class SameTurn:
    """One turn, many callers; half of them hear the stream."""

    def __init__(self, deployment: Deployment, words: Words, chatter: Chatter, callers: int) -> None:
        self._replicas = deployment.replicas
        self._words = words
        self._chatter = chatter
        self._callers = callers

    async def together(self) -> list[Figure]:
        """All is well."""
        said, copies = self._said("the same turn")
        await self._all(copies)
        return await self._figures("same", said, copies, generations=1)

    async def leader_killed(self) -> list[Figure]:
        """Whoever runs it is killed while all others wait; its own callers ask again elsewhere."""
        said, copies = self._said("the same turn, whose leader dies")
        asking = asyncio.create_task(self._all(copies))
        try:
            sender = await self._words.sender_of(said.question)
            leader = next(one for one in self._replicas if one.name == sender)
            await asyncio.sleep(BOARDED)
            killed = monotonic()
            waiting = sum(len(one.in_flight) for one in self._replicas if one is not leader)
            await leader.kill()
        finally:
            await asking
        slowest = max(one.answered for one in copies) - killed
        await leader.restart()
        at = self._replicas.index(leader)
        others = [one for number, one in enumerate(copies) if number % len(self._replicas) != at]
        refused = [one for one in others if one.sends > 1]
        for one in refused[:3]:
            say(f"refused where it waited: {one.refusal}")
        return [
            Figure.at_least("same_killed_waiting_elsewhere", waiting, 1, "calls"),
            Figure.at_most("same_killed_refused_elsewhere", len(refused), 0, "calls"),
            Figure.at_most("same_killed_slowest", slowest, SOON, "s"),
            *await self._figures("same_killed", said, copies, generations=2),
        ]

    def _said(self, thread: str) -> tuple[Said, list[Said]]:
        said = self._chatter.turn(Place(USERS[0], thread))
        self._words.slow[said.question] = THINKING
        ways = (UNARY, UNARY, STREAM, STREAM)
        return said, [replace(said, way=ways[number % len(ways)]) for number in range(self._callers)]

    async def _all(self, copies: list[Said]) -> None:
        say(f"{len(copies)} callers say the same")
        async with self._chatter.speakers.followers.running():
            await asyncio.gather(*(self._chatter.speakers.say(one, at) for at, one in enumerate(copies)))

    async def _figures(self, name: str, said: Said, copies: list[Said], generations: int) -> list[Figure]:
        kept = await self._chatter.speakers.kept(said.place, 0)
        answers = {one.answer for one in copies}
        return [
            Figure(f"{name}_callers", len(copies)),
            Figure.near(f"{name}_answered", sum(bool(one.answer) for one in copies), len(copies), 0),
            Figure.near(f"{name}_generations", self._words.asked_for[said.question], generations, 0),
            Figure.near(f"{name}_distinct_answers", len(answers), 1, 0),
            Figure.near(f"{name}_kept", len(kept), 1, 0, "turns"),
        ]
