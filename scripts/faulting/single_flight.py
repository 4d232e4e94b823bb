"""`scripts/faults single-flight`: many ask the same at once on three replicas; the model is asked once."""

import asyncio
import math
from collections.abc import Sequence
from itertools import cycle, islice
from time import monotonic

import grpc
from google.protobuf.struct_pb2 import Struct

from ragents_client.v1.answer_pb2 import CACHE_MODE_NONE, CACHE_MODE_USE, CacheMode, Question
from scripts.faulting.calls import QUERY, STREAM, WITHOUT_MODEL, Calls, Reply
from scripts.faulting.deployment import Deployment, deployed, say
from scripts.faulting.replicas import Key
from scripts.figures import Figure

REPLICAS = 3
DELAY = 1.0  # seconds that the model takes
BOARDED = 0.5  # seconds after which whoever asked waits for the leader
LEASE = 2.5  # seconds until a killed leader must have been replaced
KEY = Key("token-of-amber", "amber")
DOCUMENT = b"The mark of the granite is carved above the northern door. Nobody has read it since the flood."

NOTES = {
    "asked": f"identical questions, by Query and StreamQuery in turn, over {REPLICAS} replicas that share a Redis; the "
    f"model takes {DELAY:g} s",
    "distinct_answers": "by their bytes",
    "without_cache": "the control: the same with cache_mode NONE",
    "leader": "the replica whose request the model has when all others wait; killed with SIGKILL. Its own callers "
    "lose their calls (lost_with_the_leader) and everybody else must be answered",
    "cancelled": "the caller who asked first leaves while others wait, on its replica and on the others",
}

Outcome = Reply | grpc.aio.AioRpcError


async def measured(*, short: bool, seed: int) -> list[Figure]:
    """All figures; nothing is drawn at random here."""
    del seed
    callers = 30 if short else 100
    async with deployed([KEY], [{}] * REPLICAS, short=short, delay=DELAY) as deployment:
        flights = Flights(deployment)
        await flights.prepare()
        return [
            *await flights.together(callers),
            *await flights.without_cache(callers),
            *await flights.cancelled(),
            *await flights.failing(),
            *await flights.leader_killed(),
        ]


class Flights:
    """The same question, asked at once in several situations; a question of its own for each."""

    def __init__(self, deployment: Deployment) -> None:
        self._model = deployment.model
        self._replicas = deployment.replicas
        self._calls = [Calls(replica, KEY) for replica in deployment.replicas]

    async def prepare(self) -> None:
        """Puts a document, and asks once everywhere so that no replica is at its very first call."""
        await self._calls[0].put("", "granite.txt", DOCUMENT, Struct())
        for calls in self._calls:
            await calls.ask(QUERY, _question("warming up", CACHE_MODE_NONE))

    async def together(self, callers: int) -> list[Figure]:
        """All at once, on cold caches."""
        say(f"{callers} callers at once")
        before, began = len(self._model.generations), monotonic()
        replies = _replies(await self._all(_question("together"), callers))
        waited = [one for one in replies if one.cache.outcome in WITHOUT_MODEL]
        return [
            Figure("asked", callers),
            Figure.near("answered", len(replies), callers, 0),
            Figure.near("generations", len(self._model.generations) - before, 1, 0),
            Figure.near("distinct_answers", _distinct(replies), 1, 0),
            Figure.near("told_as_shared_or_hit", len(waited), callers - 1, 0),
            Figure.near("streams_that_say_what_they_answer", _faithful(replies), len(replies), 0),
            Figure("seconds", monotonic() - began, "s"),
        ]

    async def without_cache(self, callers: int) -> list[Figure]:
        """The control: each makes its own."""
        say("the same without a cache")
        before = len(self._model.generations)
        await self._all(_question("together", CACHE_MODE_NONE), callers)
        return [Figure.near("generations_without_cache", len(self._model.generations) - before, callers, 0)]

    async def cancelled(self) -> list[Figure]:
        """The first caller leaves."""
        say("the first caller leaves")
        before, question = len(self._model.generations), _question("cancelled")
        first = asyncio.create_task(self._calls[0].ask(QUERY, question))
        try:
            await self._model.asked(before + 1)
            others = asyncio.create_task(self._all(question, 5 * REPLICAS))
            await asyncio.sleep(BOARDED)
        finally:
            first.cancel()
        replies = _replies(await others)
        return [
            Figure.near("answered_after_cancel", len(replies), 5 * REPLICAS, 0),
            Figure.near("generations_after_cancel", len(self._model.generations) - before, 1, 0),
        ]

    async def failing(self) -> list[Figure]:
        """The model fails for all who wait, and works again for the next."""
        say("the model fails")
        before, question = len(self._model.generations), _question("failing")
        self._model.broken = True
        refused = await self._all(question, 2 * REPLICAS)
        self._model.broken = False
        tried = len(self._model.generations)
        reply = await self._calls[0].ask(QUERY, question)
        return [
            Figure.near("failed_with_the_model", len(refused) - len(_replies(refused)), len(refused), 0),
            Figure("generations_that_failed", tried - before),
            Figure.near("generations_after_failure", len(self._model.generations) - tried, 1, 0),
            Figure.at_least("answered_after_failure", len(reply.passages), 1, "passages"),
        ]

    async def leader_killed(self) -> list[Figure]:
        """Whoever leads is killed while all others wait."""
        say("the leader is killed")
        before, question, callers = len(self._model.generations), _question("killed"), 10 * REPLICAS
        asking = asyncio.create_task(self._all(question, callers))
        try:
            sender = (await self._model.asked(before + 1)).sender
            await asyncio.sleep(BOARDED)
            leader = next(one for one in self._replicas if one.name == sender)
            killed, waiting = monotonic(), sum(len(one.in_flight) for one in self._replicas if one is not leader)
            await leader.kill()
            replaced = await self._began(before + 2)
        finally:
            outcomes = await asking
        elsewhere = [
            outcome
            for calls, outcome in zip(self._round(callers), outcomes, strict=True)
            if calls.replica is not leader
        ]
        replies = _replies(elsewhere)
        return [
            Figure.at_least("waiting_when_the_leader_died", waiting, 1),
            Figure("lost_with_the_leader", len(outcomes) - len(elsewhere)),
            Figure.near("unanswered_elsewhere", len(elsewhere) - len(replies), 0, 0),
            Figure.at_most("leader_replaced_after", replaced - killed, LEASE, "s"),
            Figure.near("generations_with_a_killed_leader", len(self._model.generations) - before, 2, 0),
            Figure.near("distinct_answers_after_the_kill", _distinct(replies), 1, 0),
        ]

    async def _began(self, number: int) -> float:
        """When the model got its request of this number; never, when it does not come."""
        try:
            async with asyncio.timeout(4 * LEASE):
                return (await self._model.asked(number)).began
        except TimeoutError:
            return math.inf

    def _round(self, callers: int) -> list[Calls]:
        """Who is asked: one replica after the other."""
        return list(islice(cycle(self._calls), callers))

    async def _all(self, question: Question, callers: int) -> list[Outcome]:
        """Everyone at once, by turns with and without a stream."""
        return await asyncio.gather(
            *(_outcome(calls, STREAM if at % 2 else QUERY, question) for at, calls in enumerate(self._round(callers)))
        )


async def _outcome(calls: Calls, rpc: str, question: Question) -> Outcome:
    try:
        return await calls.ask(rpc, question)
    except grpc.aio.AioRpcError as error:
        return error


def _question(name: str, cache_mode: CacheMode.ValueType = CACHE_MODE_USE) -> Question:
    return Question(text=f"What is the mark of the granite ({name})?", cache_mode=cache_mode)


def _replies(outcomes: Sequence[Outcome]) -> list[Reply]:
    return [one for one in outcomes if isinstance(one, Reply)]


def _distinct(replies: Sequence[Reply]) -> int:
    return len({one.answer.SerializeToString(deterministic=True) for one in replies if one.answer is not None})


def _faithful(replies: Sequence[Reply]) -> int:
    """How many whose deltas, where they had any, are the answer's text."""
    return sum(one.answer is not None and one.deltas in {"", one.answer.text} for one in replies)
