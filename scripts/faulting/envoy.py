"""`scripts/faults envoy`: replicas behind the shipped Envoy, replaced, started, asked for long, without a model."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

from ragents_client import AsyncClient, RagentsError
from ragents_client.v1 import CACHE_MODE_NONE
from scripts.evaluation.server import free_port
from scripts.faulting.deployment import Deployment, deployed, say
from scripts.faulting.errors import FaultError
from scripts.faulting.model import Model
from scripts.faulting.proxy import Config, Proxy, naive, proxied
from scripts.faulting.replicas import SERVER, Replica
from scripts.faulting.rollout import KEY, REPLICAS, TIMEOUT, TOPICS, WRITING, Rollout, document
from scripts.figures import Figure

TOPIC = TOPICS[0]
AT_ONCE = 8  # callers of what is counted
MOST, LEAST = 0.45, 0.22  # of the calls, for one of three
JOINS = 5.0  # seconds until a replica that starts gets calls
UPSTREAM = 1.1  # times what was offered
NOTES = {
    "spread": f"{AT_ONCE} callers over one connection to Envoy; the model counts which replica asks",
    "rollout": "as `scripts/faults rollout`, through Envoy, by clients that know of it alone",
    "joins": "from a replica's start being ready to its first call",
    "stream": "a stream whose first word takes so long; Envoy's own limit would be 15 s",
    "outage": "the model answers 500: Envoy's calls to servers for each call to it",
    "control": "Envoy without health checks, with its own timeout and a mesh's usual retries",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much."""

    rollouts: int
    spread: int  # calls
    stream: float  # seconds
    outage: int  # calls
    controls: int  # rollouts of the control at most


FULL, SHORT = Plan(10, 900, 25.0, 400, 10), Plan(1, 120, 17.0, 60, 4)


async def measured(*, short: bool, seed: int) -> list[Figure]:
    """All figures; nothing is drawn at random here."""
    del seed
    plan = SHORT if short else FULL
    async with _fronted() as front:
        figures = await _spread(front, plan.spread)
        figures += await _rolled(front, plan.rollouts)
        figures.append(await _joined(front))
        figures.append(await _streamed(front, plan.stream))
        figures.append(Figure.at_most("outage_upstream", await _outage(front, plan.outage), UPSTREAM, "x"))
    async with _fronted(naive) as control:
        failed = await _control_rolled(control, plan.controls)
        figures.append(Figure.at_least("control_failed", failed, 1, "calls"))
        figures.append(Figure.at_least("control_outage_upstream", await _outage(control, plan.outage), 2, "x"))
    return figures


@dataclass(frozen=True, slots=True)
class Front:
    """Replicas, the Envoy in front of them, and a client that knows only that."""

    deployment: Deployment
    proxy: Proxy
    client: AsyncClient

    @property
    def model(self) -> Model:
        """Whom all replicas ask."""
        return self.deployment.model

    async def ask(self, number: int) -> None:
        """A question that no cache answers."""
        question = f"What is the mark of the {TOPIC} (question {number})?"
        await self.client.query(question, cache_mode=CACHE_MODE_NONE)

    async def calls(self, number: int) -> Counter[str]:
        """So many of them; how they ended."""
        left, ended = iter(range(number)), Counter[str]()

        async def caller() -> None:
            for one in left:
                try:
                    await self.ask(one)
                except RagentsError as error:
                    ended[type(error).__name__] += 1
                else:
                    ended["ok"] += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(caller())
        return ended


@asynccontextmanager
async def _fronted(change: Callable[[Config], None] | None = None) -> AsyncIterator[Front]:
    model = Model(delay=WRITING)
    rows: list[dict[str, object]] = [
        {"listen": f"127.0.0.1:{free_port()}", "lame_duck": 4, "grace": 10} for _ in range(REPLICAS)
    ]
    async with deployed([KEY], rows, short=True, model=model, program=SERVER) as deployment:
        addresses = [replica.begun.address for replica in deployment.replicas]
        async with (
            proxied(addresses, deployment.folder, change) as proxy,
            AsyncClient(proxy.address, token=KEY.token, timeout=TIMEOUT, wait_for_ready=True) as client,
        ):
            await client.put_documents([(f"{topic}.txt", document(topic)) for topic in TOPICS])
            await client.run("simple", f"What is the mark of the {TOPIC}?")  # loads the agents of one
            yield Front(deployment, proxy, client)


async def _spread(front: Front, calls: int) -> list[Figure]:
    say(f"{calls} calls over one connection")
    front.model.delay = WRITING / 10
    before = len(front.model.generations)
    ended = await front.calls(calls)
    front.model.delay = WRITING
    if ended["ok"] != calls:
        raise FaultError(f"calls through Envoy failed: {dict(ended)}")
    senders = Counter(one.sender for one in front.model.generations[before:])
    shares = [senders[replica.name] / senders.total() for replica in front.deployment.replicas]
    return [
        Figure.at_least("spread_least_share", min(shares), LEAST),
        Figure.at_most("spread_most_share", max(shares), MOST),
    ]


async def _rolled(front: Front, rollouts: int) -> list[Figure]:
    rollout = Rollout(front.deployment, front.client)
    figures = await rollout.run(rollouts)
    return [
        Figure("calls", rollout.told.answered.total(), "calls"),
        Figure("turns", rollout.told.answered["run"], "calls"),
        Figure.at_most("failed", len(rollout.told.failed), 0, "calls"),
        *figures,
    ]


async def _joined(front: Front) -> Figure:
    """Seconds until a replica that was away gets calls."""
    replica = front.deployment.replicas[-1]
    replica.leave()
    await replica.process.wait()
    await front.calls(AT_ONCE)  # the others serve
    before = len(front.model.generations)
    await replica.restart()
    began = monotonic()
    while not _asked_by(front, replica, before):
        await front.calls(AT_ONCE)
        if monotonic() - began > TIMEOUT:
            break
    return Figure.at_most("joins", monotonic() - began, JOINS, "s")


def _asked_by(front: Front, replica: Replica, before: int) -> bool:
    return any(one.sender == replica.name for one in front.model.generations[before:])


async def _streamed(front: Front, seconds: float) -> Figure:
    """Seconds that a stream lasted which ended with its answer."""
    say(f"a stream of {seconds:g} s")
    front.model.delay = seconds
    began, answered = monotonic(), False
    question = f"What is the mark of the {TOPIC}, slowly?"
    async with front.client.stream_query(question, cache_mode=CACHE_MODE_NONE, timeout=seconds + TIMEOUT) as events:
        async for event in events:
            answered = event.HasField("answer")
    front.model.delay = WRITING
    return Figure.at_least("stream", monotonic() - began if answered else 0.0, seconds, "s")


async def _outage(front: Front, calls: int) -> float:
    """Envoy's calls to servers for each that was made to it, while the model answers 500."""
    say(f"{calls} calls without a model")
    counter = "cluster.ragents.upstream_rq_total"
    front.model.broken = True
    before = await front.proxy.counter(counter)
    ended = await front.calls(calls)
    after = await front.proxy.counter(counter)
    front.model.broken = False
    if ended["ok"] or not ended["ModelUnavailable"]:
        raise FaultError(f"without a model calls ended otherwise: {dict(ended)}")
    return (after - before) / calls


async def _control_rolled(front: Front, rollouts: int) -> int:
    rollout = Rollout(front.deployment, front.client)
    await rollout.run(rollouts, until_one_fails=True)
    return len(rollout.told.failed)
