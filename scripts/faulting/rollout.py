"""`scripts/faults rollout`: replicas are replaced one after the other, again and again; no call of the client fails."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from ragents_client import AsyncClient, RagentsError
from scripts.evaluation.server import free_port
from scripts.faulting.deployment import Deployment, deployed, say
from scripts.faulting.model import Model
from scripts.faulting.replicas import SERVER, Key, Replica
from scripts.figures import Figure

KEY = Key("token-of-amber", "amber")
REPLICAS, CALLERS, QUICK = 3, 12, 6
WRITING = 0.3  # seconds that the model takes
PAUSE = 0.05  # seconds between a caller's calls
TIMEOUT = 30.0  # seconds of a call
TOPICS = ("granite", "harvest", "lantern", "compass")
STOPPED = ("scripts.faulting.plainly_stopped",)
REPEATS = 8  # questions that are repeated
LOOK = 0.01  # seconds between looks at who is at work
SETTLED = 1.0  # seconds between two replicas of a rollout

NOTES = {
    "load": f"{CALLERS} callers with the shipped client on {REPLICAS} replicas: questions with and without a stream, "
    f"searches, turns of an agent, uploads; the model takes {1000 * WRITING:.0f} ms. {QUICK} more repeat questions "
    "without pause, which a cache answers",
    "rollout": "SIGTERM to one replica after the other; each is awaited, and another one has its address when it is "
    "ready. in_flight: calls of the model for that replica at the moment of SIGTERM",
    "least_share": "of the model's calls, the replica's that had fewest",
    "control": "the same callers on replicas that stop(grace) at SIGTERM without a word before, until a call fails",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How many rollouts, of the replicas and at most of the control; and how many calls there must be."""

    rollouts: int
    controls: int
    calls: int
    lame_duck: float  # seconds


FULL, SHORT = Plan(20, 12, 10_000, 2), Plan(1, 8, 500, 1)


@dataclass(slots=True)
class Told:
    """What became of the calls."""

    answered: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)


async def measured(*, short: bool, seed: int) -> list[Figure]:
    """All figures; nothing is drawn at random here."""
    del seed
    plan = SHORT if short else FULL
    async with _replicas(plan, SERVER) as rollout:
        figures = await rollout.run(plan.rollouts)
        told, shares = rollout.told, rollout.shares()
    async with _replicas(plan, STOPPED) as control:
        await control.run(plan.controls, until_one_fails=True)
    return [
        Figure.at_least("calls", told.answered.total() + len(told.failed), plan.calls, "calls"),
        Figure("streams", told.answered["stream_query"], "calls"),
        Figure("turns", told.answered["run"], "calls"),
        Figure("uploads", told.answered["put_documents"], "calls"),
        Figure.at_most("failed", len(told.failed), 0, "calls"),
        *figures,
        Figure.at_least("least_share", min(shares), 0.5 / REPLICAS),
        Figure("control_calls", control.told.answered.total() + len(control.told.failed), "calls"),
        Figure.at_least("control_failed", len(control.told.failed), 1, "calls"),
    ]


@asynccontextmanager
async def _replicas(plan: Plan, program: Sequence[str]) -> AsyncIterator["Rollout"]:
    model = Model(delay=WRITING)
    rows: list[dict[str, object]] = [
        {"listen": f"127.0.0.1:{free_port()}", "lame_duck": plan.lame_duck, "grace": 10} for _ in range(REPLICAS)
    ]
    async with deployed([KEY], rows, short=True, model=model, program=program) as deployment:
        addresses = "ipv4:" + ",".join(replica.begun.address for replica in deployment.replicas)
        async with AsyncClient(addresses, token=KEY.token, timeout=TIMEOUT, wait_for_ready=True) as client:
            documents = [(f"{topic}.txt", document(topic)) for topic in TOPICS]
            await client.put_documents(documents)
            await client.run("simple", "What is the mark of the granite?")  # loads the agents
            yield Rollout(deployment, client)


def document(topic: str) -> bytes:
    """What there is to know of it."""
    return f"The mark of the {topic} is carved above a door. Nobody has read it since the flood.".encode()


Calls = Mapping[str, Callable[[int], Awaitable[object]]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Makes each of these calls in turn, with a pause (seconds) between them."""

    calls: Calls
    pause: float = 0.0


class Rollout:
    """Replicas that are replaced under load."""

    def __init__(self, deployment: Deployment, client: AsyncClient) -> None:
        self.told = Told()
        self._deployment = deployment
        self._client = client
        self._numbers = count(1)

    async def run(self, times: int, *, until_one_fails: bool = False) -> list[Figure]:
        """Figures of so many rollouts, or fewer."""
        stopped, struck = asyncio.Event(), list[int]()
        callers = [*[Caller(self._all(), PAUSE)] * CALLERS, *[Caller(self._repeats())] * QUICK]
        async with asyncio.TaskGroup() as group:
            for at, caller in enumerate(callers):
                group.create_task(self._call_on(at, caller, stopped))
            try:
                for number in range(times):
                    say(f"rollout {number + 1} of {times}: {self.told.answered.total()} answered")
                    for replica in self._deployment.replicas:
                        struck.append(await self._replace(replica))
                    if until_one_fails and self.told.failed:
                        break
            finally:
                stopped.set()
        return [
            Figure("restarts", len(struck)),
            Figure.at_least("in_flight", sum(struck), len(struck), "calls"),
            Figure("fewest_in_flight", min(struck), "calls"),
        ]

    def shares(self) -> list[float]:
        """Of the model's calls, each replica's share."""
        senders = Counter(one.sender for one in self._deployment.model.generations)
        return [senders[replica.name] / senders.total() for replica in self._deployment.replicas]

    def _all(self) -> Calls:
        async def stream(number: int) -> None:
            async with self._client.stream_query(self._question(number)) as events:
                async for _ in events:
                    pass

        return {
            "query": lambda number: self._client.query(self._question(number)),
            "stream_query": stream,
            "retrieve": lambda number: self._client.retrieve(self._question(number)),
            "run": lambda number: self._client.run("simple", self._question(number)),
            "put_documents": self._put,
        }

    def _repeats(self) -> Calls:
        return {"query": lambda number: self._client.query(self._question(number % REPEATS))}

    def _question(self, number: int) -> str:
        return f"What is the mark of the {TOPICS[number % len(TOPICS)]} (question {number})?"

    async def _put(self, number: int) -> None:
        put = await self._client.put_documents([(f"note-{number % 50}.txt", f"Note number {number}.".encode())])
        if failures := [one.failure.message for one in put if one.failure]:
            raise RagentsError(failures[0])

    async def _call_on(self, at: int, caller: Caller, stopped: asyncio.Event) -> None:
        names = list(caller.calls)
        while not stopped.is_set():
            number = next(self._numbers)
            at += 1
            name = names[at % len(names)]
            try:
                await caller.calls[name](number)
            except RagentsError as error:
                say(f"{name} failed: {error}")
                self.told.failed.append(name)
                await asyncio.sleep(PAUSE)
            else:
                self.told.answered[name] += 1
            await asyncio.sleep(caller.pause)

    async def _replace(self, replica: Replica) -> int:
        """Calls that were under way at that replica."""
        model = self._deployment.model
        async with asyncio.timeout(TIMEOUT):
            while not model.working[replica.name]:  # noqa: ASYNC110 - it is asked many times a second
                await asyncio.sleep(LOOK)
        working = model.working[replica.name]
        replica.leave()
        await replica.process.wait()
        await replica.restart()
        await asyncio.sleep(SETTLED)
        return working
