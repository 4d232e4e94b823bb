"""Kills, under a load of turns: of replicas and of PostgreSQL, each in the middle of turns; and a rollout."""

import asyncio
import os
import random
import signal
from contextlib import suppress
from math import inf
from time import monotonic

from scripts.faulting.chatter import USERS, Chatter
from scripts.faulting.conversations import Place
from scripts.faulting.deployment import Deployment, say
from scripts.faulting.replicas import Replica
from scripts.faulting.speaking import DETACHED, LEAVING
from scripts.faulting.words import Words
from scripts.figures import Figure
from tests.services.processes import family, postmaster

PATIENCE = 30.0  # seconds that a thread may take to go on, before it counts as never
SOON = 5.0  # seconds within which it must
BETWEEN = 0.5  # seconds of plain load between two faults
SLOW = 30.0  # seconds of a step, far beyond a replica's grace
OF_AGE = 11.0  # seconds after which the launcher does not take PostgreSQL for one that cannot live


class Takeovers:
    """One fault after the other; each waits until turns are in their middle, and until all threads have gone on."""

    def __init__(self, deployment: Deployment, words: Words, chatter: Chatter, seed: int) -> None:
        self._deployment = deployment
        self._words = words
        self._chatter = chatter
        self._draw = random.Random(seed)

    async def kill_replicas(self, times: int, name: str = "replica_kill") -> list[Figure]:
        """Any of them, with SIGKILL; each is started again."""
        struck, slowest = [], 0.0
        for number in range(times):
            victim = self._draw.choice(self._deployment.replicas)
            middle = await self._words.until_waiting(victim.name)
            since = monotonic()
            await victim.kill()
            struck.append(len(middle))
            async with asyncio.TaskGroup() as group:
                going_on = group.create_task(self._gone_on(self._places(middle), since))
                group.create_task(victim.restart())
            slowest = max(slowest, going_on.result())
            say(
                f"kill {number + 1} of {times}: {victim.name}, {len(middle)} in flight, on in {going_on.result():.2f} s"
            )
            await asyncio.sleep(BETWEEN)
        return _figures(name, struck, slowest)

    async def kill_postgres(self, times: int) -> list[Figure]:
        """All its processes, with SIGKILL; its launcher starts it again."""
        struck, slowest = [], 0.0
        for number in range(times):
            middle = await self._words.until_waiting(self._draw.choice(self._deployment.replicas).name)
            middle = set[str]().union(*self._words.waiting.values())
            since = monotonic()
            for process in family(postmaster(self._deployment.data)):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self._chatter.speakers.followers.excuse()
            struck.append(len(middle))
            waited = await self._gone_on(self._places(middle), since)
            slowest = max(slowest, waited)
            say(f"kill {number + 1} of {times}: PostgreSQL, {len(middle)} in flight, on in {waited:.2f} s")
            await asyncio.sleep(BETWEEN if number + 1 == times else OF_AGE)
        return _figures("postgres_kill", struck, slowest)

    async def roll_out(self) -> list[Figure]:
        """SIGTERM to one replica after the other, as a rollout does; each is replaced.

        The first one has a detached run whose step does not end within its grace.
        """
        struck, slowest, replicas = [], 0.0, self._deployment.replicas
        slow = self._chatter.turn(Place(USERS[0], "slow"), DETACHED)
        self._words.slow[slow.question] = SLOW
        async with asyncio.TaskGroup() as callers:
            callers.create_task(self._chatter.speakers.say(slow, 0))
            await self._words.until_waiting(replicas[0].name, slow.question)
            del self._words.slow[slow.question]  # for whoever goes on with it
            for replica in replicas:
                middle = await self._words.until_waiting(replica.name, besides=slow.question)
                since = monotonic()
                async with asyncio.TaskGroup() as group:
                    going_on = group.create_task(self._gone_on(self._places(middle), since))
                    group.create_task(_replace(replica))
                struck.append(len(middle))
                slowest = max(slowest, going_on.result())
                say(f"rollout: {replica.name}, {len(middle)} in flight, on in {going_on.result():.2f} s")
                await asyncio.sleep(BETWEEN)
        return [
            *_figures("rollout", struck, slowest),
            Figure.near("rollout_detached_gone_on", bool(slow.answer) and slow.sends == 1, 1, 0),
        ]

    def _places(self, questions: set[str]) -> set[Place]:
        """The threads of these turns, but for those whose callers have left."""
        known = self._chatter.conversations.said
        found = [known[one] for one in questions if one in known]
        return {one.place for one in found if one.thread and one.way != LEAVING}

    async def _gone_on(self, places: set[Place], since: float) -> float:
        """Seconds until a turn of each thread was answered; inf where one never was."""
        conversations = self._chatter.conversations

        def waits() -> list[float]:
            return [conversations.goes_on(place, since) - since for place in places]

        try:
            async with asyncio.timeout(PATIENCE):
                await conversations.until(lambda: max(waits(), default=0.0) < inf)
        except TimeoutError:
            late = [place.thread for place in places if conversations.goes_on(place, since) == inf]
            say(f"not on after {PATIENCE:g} s: {late}")
        return max(waits(), default=0.0)


async def _replace(replica: Replica) -> None:
    replica.leave()
    await replica.process.wait()
    await replica.restart()


def _figures(fault: str, struck: list[int], slowest: float) -> list[Figure]:
    return [
        Figure(f"{fault}s", len(struck)),
        Figure.at_least(f"{fault}_fewest_in_flight", min(struck, default=0), 1, "turns"),
        Figure(f"{fault}_in_flight", sum(struck), "turns"),
        Figure.at_most(f"{fault}_slowest_takeover", slowest, SOON, "s"),
    ]
