"""`scripts/faults redis-away`: Redis goes away in every way it can; questions are answered, and about as fast."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from time import monotonic

from google.protobuf.struct_pb2 import Struct

from ragents_client.v1.answer_pb2 import Question
from ragents_client.v1.cache_pb2 import CACHE_OUTCOME_HIT
from scripts.evaluation.server import free_port
from scripts.faulting.calls import QUERY, RETRIEVE, Calls
from scripts.faulting.deployment import Deployment, deployed, say
from scripts.faulting.impostor import garbage, impostor, loading
from scripts.faulting.load import Load, Sample, percentile
from scripts.faulting.redis import RedisServer
from scripts.faulting.replicas import Key
from scripts.figures import Figure

KEY = Key("token-of-amber", "amber")
DELAY = 0.4  # seconds that the model takes
TOPICS = ("granite", "harvest", "lantern", "compass", "orchard", "glacier", "furnace", "meadow")
RATIO = 1.5  # of the p99 without any cache, at most
EXTRA = 0.2  # seconds that a call may wait for Redis
HEALED = 10.0  # seconds after which Redis must be used again
PATIENCE = 30.0  # seconds that this is waited for
PAUSE = 0.1
OFF = {"cache": "", **{f"cache_{layer}": "false" for layer in ("embedding", "retrieval", "rewrite", "answer")}}

NOTES = {
    "load": "8 callers, who ask a server with the cache and one without by turns, the same questions: every other one "
    f"is new, the rest are of {len(TOPICS)}. The model takes {DELAY:g} s",
    "p99_ratio": "with the cache against without, calls that ended after the fault struck",
    "extra": "the slowest call with the cache less the slowest one without, or the slowest answer out of the cache "
    "less the slowest such while Redis is well",
    "heals_after": "from the moment when Redis is well: a server that shares it retrieves for a new question, and the "
    "server under test has the passages without a search",
    "killed": "SIGKILL, and it comes back empty. stopped: SIGSTOP. loading, garbage: another server on its port says "
    "-LOADING, or nonsense, to everything. oom: maxmemory of a byte, nothing may be evicted. readonly: made a replica",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds of each fault, half as many before it, and how many callers."""

    away: float
    callers: int = 8


FULL, SHORT = Plan(away=12), Plan(away=1.2)
Fault = Callable[[RedisServer], AbstractAsyncContextManager[None]]


async def measured(*, short: bool, seed: int) -> list[Figure]:
    """Each fault in turn."""
    plan = SHORT if short else FULL
    async with deployed([KEY], [{}, dict(OFF), {}], short=short, delay=DELAY) as deployment:
        absence = Absence(deployment, plan)
        await absence.prepare()
        figures = await absence.well()
        for name, fault in faults(seed).items():
            figures += await absence.during(name, fault, with_targets=not short)
        return [*figures, *absence.totals()]


def faults(seed: int) -> dict[str, Fault]:
    """What is done to Redis, and undone, by name."""
    return {
        "killed": killed,
        "stopped": stopped,
        "loading": lambda redis: replaced(redis, loading),
        "oom": lambda redis: told(redis, ("CONFIG", "SET", "maxmemory", 1), ("CONFIG", "SET", "maxmemory", 0)),
        "readonly": lambda redis: told(redis, ("REPLICAOF", "127.0.0.1", free_port()), ("REPLICAOF", "NO", "ONE")),
        "garbage": lambda redis: replaced(redis, garbage(random.Random(seed))),
    }


@asynccontextmanager
async def killed(redis: RedisServer) -> AsyncIterator[None]:
    """Gone, and back again, empty."""
    await redis.kill()
    yield
    await redis.start()


@asynccontextmanager
async def stopped(redis: RedisServer) -> AsyncIterator[None]:
    """There, and silent."""
    redis.freeze()
    yield
    redis.thaw()


@asynccontextmanager
async def replaced(redis: RedisServer, says: Callable[[], bytes]) -> AsyncIterator[None]:
    """Another server in its place."""
    await redis.kill()
    async with impostor(redis.port, says):
        yield
    await redis.start()


@asynccontextmanager
async def told(redis: RedisServer, strike: tuple[str | int, ...], mend: tuple[str | int, ...]) -> AsyncIterator[None]:
    """Itself, but told to refuse what it is asked to store."""
    await redis.command(*strike)
    yield
    await redis.command(*mend)


class Absence:
    """A server under load while the Redis it shares with a witness is away, beside a server without a cache."""

    def __init__(self, deployment: Deployment, plan: Plan) -> None:
        self._redis = deployment.redis
        self._plan = plan
        self._tested, self._without, self._witness = (Calls(replica, KEY) for replica in deployment.replicas)
        self._numbers = count(1)
        self._usual = 0.0  # seconds of the slowest answer out of the cache while all is well
        self._repeats = [f"What is the mark of the {topic}?" for topic in TOPICS]
        self._load = Load((self._tested, self._without), self._repeats, self._new)

    async def prepare(self) -> None:
        """Documents to ask about; every question that comes again is in the cache already."""
        for topic in TOPICS:
            text = f"The mark of the {topic} is carved above a door. Nobody has read it since the flood."
            await self._tested.put("", f"{topic}.txt", text.encode(), Struct())
        await asyncio.gather(*(self._tested.ask(QUERY, Question(text=text)) for text in self._repeats))

    async def well(self) -> list[Figure]:
        """The same load while nothing is wrong."""
        say("Redis is well")
        began = monotonic()
        async with self._load.running(self._plan.callers):
            await asyncio.sleep(self._plan.away)
        with_cache, without = self._since(began)
        self._usual = _longest(with_cache, repeat=True)
        return [
            Figure("well_p99_with_cache", _p99(with_cache), "s"),
            Figure("well_p99_without_cache", _p99(without), "s"),
            Figure("well_longest_repeat", self._usual, "s"),
        ]

    async def during(self, name: str, fault: Fault, *, with_targets: bool) -> list[Figure]:
        """A fault that strikes under load, ends under load, and heals."""
        say(f"Redis: {name}")
        async with self._load.running(self._plan.callers):
            await asyncio.sleep(self._plan.away / 2)
            await self._load.asking(self._tested)
            struck, under_way = monotonic(), len(self._tested.replica.in_flight)
            async with fault(self._redis):
                await asyncio.sleep(self._plan.away)
            mended = monotonic()
        healed = await self._healed(mended)
        with_cache, without = self._since(struck)
        ratio, extra = _p99(with_cache) / _p99(without), self._extra(with_cache, without)
        found = [
            Figure.at_most(f"{name}_p99_ratio", ratio, RATIO),
            Figure.at_most(f"{name}_extra", extra, EXTRA, "s"),
            Figure.at_most(f"{name}_heals_after", healed, HEALED, "s"),
        ]
        if not with_targets:
            found = [Figure(one.name, one.value, one.unit) for one in found]
        return [Figure.at_least(f"{name}_in_flight", under_way, 1, "calls"), *found]

    def totals(self) -> list[Figure]:
        """Of all faults together."""
        tested = [one for one in self._load.samples if one.server is self._tested]
        failed = [one.failure for one in self._load.samples if one.failure]
        for failure in failed[:5]:
            say(f"failed: {failure}")
        return [Figure("asked", len(tested)), Figure.at_most("failed", len(failed), 0)]

    async def _healed(self, mended: float) -> float:
        """Seconds until the tested server has what the witness left in Redis; infinite after a while."""
        while (waited := monotonic() - mended) < PATIENCE:
            question = Question(text=self._new())
            await self._witness.ask(RETRIEVE, question)
            reply = await self._tested.ask(RETRIEVE, question)
            if reply.cache.outcome == CACHE_OUTCOME_HIT:
                return waited
            await asyncio.sleep(PAUSE)
        return float("inf")

    def _extra(self, with_cache: list[Sample], without: list[Sample]) -> float:
        """How much longer the slowest call took than without a cache, or an answer out of it than while all is well."""
        new = _longest(with_cache, repeat=False) - _longest(without, repeat=False)
        return max(0.0, new, _longest(with_cache, repeat=True) - self._usual)

    def _new(self) -> str:
        number = next(self._numbers)
        return f"What is the mark of the {TOPICS[number % len(TOPICS)]} (question {number})?"

    def _since(self, began: float) -> tuple[list[Sample], list[Sample]]:
        """The calls that ended since then, with the cache and without."""
        samples = [one for one in self._load.samples if one.ended >= began]
        tested = [one for one in samples if one.server is self._tested]
        return tested, [one for one in samples if one.server is self._without]


def _p99(samples: list[Sample]) -> float:
    return percentile([one.seconds for one in samples], 0.99)


def _longest(samples: list[Sample], *, repeat: bool) -> float:
    return max((one.seconds for one in samples if one.repeat is repeat), default=0.0)
