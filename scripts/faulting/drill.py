"""`scripts/faults drill`: everything that can go wrong with a deployment, one after the other, under one load."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from time import monotonic

from ragents_client import AsyncClient
from scripts.evaluation.server import free_port
from scripts.faulting import limits as law
from scripts.faulting.authors import WRONG, Author, Heard
from scripts.faulting.deployment import Deployment, deployed, say
from scripts.faulting.model import Model
from scripts.faulting.redis import RedisServer, redis_server
from scripts.faulting.replicas import SERVER, Key, Replica
from scripts.figures import Figure
from tests.services.processes import family, postmaster

AUTHORS = 4  # of each tenant
TENANTS = ("amber", "birch")
WRITING = 0.1  # seconds that the model takes
TIMEOUT = 30.0  # seconds of a call
HEALING = 5.0  # seconds after a fault within which a call may still fail by it
SETTLED = 0.5  # seconds between two replicas of a rollout
LOOK = 0.01  # seconds between looks at who is at work
SHOWN = 5  # findings told in words
TRUSTING = ("scripts.faulting.leaseless", "for-ever")
CONTROL = 5.0  # seconds
STORMING = Key("token-of-storm", "acme", user=law.STORM)

NOTES = {
    "load": f"{AUTHORS} authors of each of {len(TENANTS)} tenants, by the shipped client: each changes a document, "
    "asks for it three times, and says a turn of an agent, again and again, as long as faults are made",
    "faults": "storm: a third tenant's user comes at once, far beyond its limit. killed: SIGKILL of a replica. paused: "
    "SIGSTOP. cache_cut, limits_cut: the Redis of the caches, and of the limits, killed and back empty. postgres: all "
    "of its processes killed. rolled: SIGTERM to one replica after the other. _in_flight: calls of the model for that "
    "replica, or for all, at that moment",
    "lost": "an answered turn is not kept, or a document that was told to be there is not found",
    "stale": "an edition of a document was shown that was gone before it was asked for",
    "excused": f"calls that were UNAVAILABLE while a replica or PostgreSQL was killed, or up to {HEALING:g} s later. "
    "failed: all others; none is excused when Redis is away, a replica is paused, or replicas are replaced",
    "admitted_over": f"beyond the law of the limit and a bucket of {law.BURST}: a replica that does not hear from its "
    f"Redis in time gives out its share; where the Redis is cut off, the law and {law.AFTER_CUT:.0f} calls",
    "rate": "answers in a second, all faults together",
    "control": "the same authors, and no fault, on replicas that trust the state of a collection for ever",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How often it all is done, with how many replicas; how many calls the storm has for each of them."""

    rounds: int
    replicas: int
    storm: int
    away: float  # seconds that a Redis is away or a replica paused
    least_rate: float  # answers a second


FULL = Plan(rounds=3, replicas=3, storm=200, away=4.0, least_rate=20)
SHORT = Plan(rounds=1, replicas=2, storm=150, away=1.0, least_rate=3)


async def measured(*, short: bool, seed: int) -> list[Figure]:
    """All figures; nothing is drawn at random here."""
    del seed
    plan = SHORT if short else FULL
    async with _drill(plan, SERVER) as drill:
        figures = await drill.run()
    say("the control: replicas that trust what they know for ever")
    async with _drill(plan, TRUSTING) as control:
        wrong = await control.unharmed(CONTROL)
    return [*figures, Figure.at_least("control_stale", len(wrong["stale"]), 1)]


@asynccontextmanager
async def _drill(plan: Plan, program: Sequence[str]) -> AsyncIterator["Drill"]:
    keys = [STORMING, *(Key(f"token-of-{tenant}", tenant) for tenant in TENANTS)]
    async with redis_server() as limits, AsyncExitStack() as stack:
        shared: dict[str, object] = {"limits": limits.url, "rate_limit_wait": 0, "lame_duck": 2, "grace": 10}
        shared |= {"requests_per_minute": law.RATE, "burst": law.BURST, "requests_per_hour": 0}
        rows = [shared | {"listen": f"127.0.0.1:{free_port()}"} for _ in range(plan.replicas)]
        deployment = await stack.enter_async_context(
            deployed(keys, rows, short=True, model=Model(delay=WRITING), program=program)
        )
        addresses = "ipv4:" + ",".join(replica.begun.address for replica in deployment.replicas)
        heard, authors = Heard(), list[Author]()
        for key in keys[1:]:
            opened = AsyncClient(addresses, token=key.token, timeout=TIMEOUT, wait_for_ready=True)
            client = await stack.enter_async_context(opened)
            authors += [Author(client, key.tenant, number, heard) for number in range(AUTHORS)]
        yield Drill(deployment, limits, authors, heard, plan)


class Drill:
    """One deployment; `run` breaks it in every way there is."""

    def __init__(
        self, deployment: Deployment, limits: RedisServer, authors: Sequence[Author], heard: Heard, plan: Plan
    ) -> None:
        self._deployment = deployment
        self._limits = limits
        self._authors = authors
        self._heard = heard
        self._plan = plan
        self._struck: dict[str, list[int]] = {}

    async def run(self) -> list[Figure]:
        """Load and faults, and then what is left of it all."""
        stopped, began, over = asyncio.Event(), monotonic(), 0.0
        async with asyncio.TaskGroup() as group:
            for author in self._authors:
                group.create_task(author.work(stopped))
            try:
                for number in range(self._plan.rounds):
                    say(f"round {number + 1} of {self._plan.rounds}: {self._heard.answered.total()} answered")
                    over = max(over, await self._round())
            finally:
                stopped.set()
        seconds = monotonic() - began
        await asyncio.gather(*(author.look() for author in self._authors))
        return self._figures(over, seconds)

    async def unharmed(self, seconds: float) -> Mapping[str, list[str]]:
        """What the authors find wrong without any fault."""
        stopped = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for author in self._authors:
                group.create_task(author.work(stopped))
            await asyncio.sleep(seconds)
            stopped.set()
        return self._heard.wrong

    async def _round(self) -> float:
        """The most that was admitted beyond the limit."""
        say("the limits are stormed")
        over = (await self._storm()).over(law.BURST)
        await self._strike("killed", self._kill)
        await self._strike("paused", self._pause)
        say("the Redis of the caches is cut off")
        await self._cut(self._deployment.redis, asyncio.sleep(self._plan.away))
        say("the Redis of the limits is cut off, and they are stormed")
        storm = asyncio.ensure_future(self._storm())
        await self._cut(self._limits, storm)
        over = max(over, storm.result().over(law.AFTER_CUT))
        await self._strike("postgres", self._kill_postgres)
        for replica in self._deployment.replicas:
            await self._strike("rolled", self._replace, replica)
            await asyncio.sleep(SETTLED)
        return over

    async def _storm(self) -> law.Storm:
        storm, replicas = law.Storm(), self._deployment.replicas
        await asyncio.gather(*(storm.call(one, STORMING) for one in replicas for _ in range(self._plan.storm)))
        self._heard.wrong["failed"] += storm.failed
        return storm

    async def _strike(self, name: str, fault: Callable[[Replica], Awaitable[None]], at: Replica | None = None) -> None:
        """A fault, while the replica has work under way."""
        replica = at or self._deployment.replicas[len(self._struck.get(name, ())) % self._plan.replicas]
        working = self._deployment.model.working
        async with asyncio.timeout(TIMEOUT):
            while not working[replica.name]:  # noqa: ASYNC110 - it is asked many times a second
                await asyncio.sleep(LOOK)
        self._struck.setdefault(name, []).append(working[replica.name])
        say(f"{name}: {replica.name}, {working[replica.name]} in flight")
        await fault(replica)

    async def _kill(self, replica: Replica) -> None:
        with self._heard.excusing(HEALING):
            await replica.kill()
            await replica.restart()

    async def _pause(self, replica: Replica) -> None:
        replica.freeze()
        await asyncio.sleep(self._plan.away)
        replica.thaw()

    async def _cut(self, redis: RedisServer, meanwhile: Awaitable[object]) -> None:
        await redis.kill()
        await meanwhile
        await redis.start()

    async def _kill_postgres(self, replica: Replica) -> None:
        """Its launcher starts it again; until then nothing that needs it is answered."""
        before = self._heard.answered["put_documents"]
        with self._heard.excusing(HEALING):
            for process in family(postmaster(self._deployment.data)):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            async with asyncio.timeout(TIMEOUT):
                while self._heard.answered["put_documents"] < before + len(self._authors):  # noqa: ASYNC110
                    await asyncio.sleep(LOOK)
            await replica.ready()

    async def _replace(self, replica: Replica) -> None:
        replica.leave()
        await replica.process.wait()
        await replica.restart()

    def _figures(self, over: float, seconds: float) -> list[Figure]:
        heard = self._heard
        for kind, words in heard.wrong.items():
            for line in words[:SHOWN]:
                say(f"{kind}: {line}")
        return [
            *(Figure(f"{name}_in_flight", sum(struck), "calls") for name, struck in self._struck.items()),
            Figure.at_least("fewest_in_flight", min(min(struck) for struck in self._struck.values()), 1, "calls"),
            *(Figure(name, number, "answers") for name, number in sorted(heard.answered.items())),
            Figure.at_least("rate", heard.answered.total() / seconds, self._plan.least_rate, "answers/s"),
            *(Figure.at_most(name, len(heard.wrong[name]), 0) for name in WRONG),
            Figure.at_most("admitted_over", over, 0, "calls"),
            Figure("excused", heard.excused, "calls"),
            Figure("seconds", seconds, "s"),
        ]
