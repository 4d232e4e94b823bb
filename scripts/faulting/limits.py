"""`scripts/faults limits`: four replicas are stormed by one user; no more is admitted than the limit allows."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from time import monotonic

import grpc
from google.rpc import error_details_pb2, status_pb2

from ragents_client.v1 import DocumentServiceStub, ListCollectionsRequest
from scripts.faulting.deployment import Deployment, deployed, say
from scripts.faulting.redis import RedisServer, redis_server
from scripts.faulting.replicas import Key, Replica
from scripts.figures import Figure

REPLICAS = 4
RATE, BURST = 6000, 50  # requests a minute, and at once
A_SECOND = RATE / 60.0
MOST_WAIT = 60.0  # seconds that a call may take
CUT, BACK, LOAD = 2.0, 4.0, 12.0  # seconds: when the Redis is killed, when it is back, how long the load lasts
PACE = 0.02  # seconds between two calls of one of the callers of that load
HEALING = 5.0  # seconds within which replicas find the Redis again, one after the other
# Two buckets that begin full, and what those that are back give out beside the shares of those that are not.
AFTER_CUT = 2 * BURST + HEALING * A_SECOND * (REPLICAS - 1) / REPLICAS
MOST_RETURNS = 5
STORM = "the storm"

NOTES = {
    "admitted_over": f"answered beyond what a bucket of {BURST} and {RATE} a minute has given out by then, at any "
    f"moment of the storm; {REPLICAS} replicas, one user, all calls at once. On CI's busy machines, in the short form, "
    f"a replica may not hear from its Redis in time and gives out its share: {BURST} more are let pass there",
    "obeying": f"of those who were refused, those who came again after RetryInfo's wait, {MOST_RETURNS} times at most, "
    "and were answered; others that still arrive for the first time may be before them",
    "waiting": "the same storm with RAGENTS_RATE_LIMIT_WAIT at 30 s: nobody is refused, and nobody is early",
    "cut": f"{REPLICAS * 8} callers without pause; the Redis of the limits is killed and comes back empty. Each time a "
    f"bucket may begin full once more, and replicas find it again one after the other: the bound is the law and "
    f"{AFTER_CUT:.0f} calls",
    "control": "the same storm on replicas that do not share their limits",
}


@dataclass(slots=True)
class Storm:
    """What became of calls: when each was answered, the waits of those that were refused, and other failures."""

    began: float = field(default_factory=monotonic)
    answered: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def over(self, further: float = 0.0) -> float:
        """Answers beyond the law, and what further may be given out, at the worst moment."""
        law = ((at + 1) - BURST - further - A_SECOND * when for at, when in enumerate(sorted(self.answered)))
        return max(0.0, max(law, default=0.0))

    async def call(self, replica: Replica, key: Key) -> float | None:
        """One call; the wait that its refusal tells."""
        listed = DocumentServiceStub(replica.channel).ListCollections
        try:
            await listed(ListCollectionsRequest(), metadata=key.metadata, timeout=MOST_WAIT)
        except grpc.aio.AioRpcError as error:
            wait = told_wait(error)
            if wait is None:
                self.failed.append(f"{error.code().name}: {error.details()}")
            else:
                self.waits.append(wait)
            return wait
        self.answered.append(monotonic() - self.began)
        return None


def told_wait(error: grpc.aio.AioRpcError) -> float | None:
    """Seconds, of a refusal by a limit."""
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED or not isinstance(details, bytes):
        return None
    info = error_details_pb2.RetryInfo()
    for one in status_pb2.Status.FromString(details).details:
        if one.Unpack(info):
            return info.retry_delay.ToNanoseconds() / 1e9
    return None


async def measured(*, short: bool, seed: int) -> list[Figure]:
    """All figures; nothing is drawn at random here."""
    del seed
    callers, further = (50, BURST) if short else (500, 0)
    async with redis_server() as limits:
        shared = {"limits": limits.url, "requests_per_minute": RATE, "burst": BURST, "requests_per_hour": 0}
        keys = [Key("token-of-storm", "acme", user=STORM), Key("token-of-cut", "acme", user="cut")]
        async with deployed(keys, [shared | {"rate_limit_wait": 0}] * REPLICAS, short=True) as refusing:
            say(f"{callers} calls at once on each of {REPLICAS} replicas; who is refused comes again when it is told")
            figures = await _storm(refusing, keys[0], callers, further)
            say("the Redis is killed, and comes back")
            figures += await _cut(refusing, keys[1], limits)
        async with deployed(keys, [shared | {"rate_limit_wait": 30}] * REPLICAS, short=True) as waiting:
            say("the same storm, with waiting")
            figures += await _waiting(waiting, keys[0], callers, further)
        alone = {**shared, "limits": "", "rate_limit_wait": 0}
        async with deployed(keys, [alone] * REPLICAS, short=True) as unshared:
            say("the same storm, on replicas that do not share")
            control = await _at_once(unshared.replicas, keys[0], callers)
            figures.append(Figure.at_least("control_unshared_admitted_over", control.over(further), 1, "calls"))
    return figures


async def _at_once(replicas: Sequence[Replica], key: Key, callers: int) -> Storm:
    storm = Storm()
    await asyncio.gather(*(storm.call(replica, key) for replica in replicas for _ in range(callers)))
    return storm


async def _storm(deployment: Deployment, key: Key, callers: int, further: int) -> list[Figure]:
    storm, again = Storm(), Storm()

    async def obeying(replica: Replica) -> None:
        wait = await storm.call(replica, key)
        for _ in range(MOST_RETURNS):
            if wait is None:
                return
            await asyncio.sleep(wait)
            wait = await again.call(replica, key)

    await asyncio.gather(*(obeying(replica) for replica in deployment.replicas for _ in range(callers)))
    both = Storm(storm.began, storm.answered + [when + again.began - storm.began for when in again.answered])
    share = len(again.answered) / max(1, len(storm.waits))
    return [
        Figure("calls", callers * REPLICAS),
        Figure.at_least("admitted_at_once", len(storm.answered), BURST, "calls"),
        Figure.at_least("refused", len(storm.waits), 1, "calls"),
        Figure.at_most("failed_otherwise", len(storm.failed) + len(again.failed), 0, "calls"),
        Figure.at_most("admitted_over", both.over(further), 0, "calls"),
        Figure.at_least("obeying_share", share, 0.99),
        Figure("obeying_refused_again", len(again.waits), "calls"),
    ]


async def _waiting(deployment: Deployment, key: Key, callers: int, further: int) -> list[Figure]:
    storm = await _at_once(deployment.replicas, key, callers)
    return [
        Figure.near("waiting_answered", len(storm.answered), callers * REPLICAS, 0, "calls"),
        Figure.at_most("waiting_admitted_over", storm.over(further), 0, "calls"),
        Figure("waiting_last", max(storm.answered, default=0.0), "s"),
    ]


async def _cut(deployment: Deployment, key: Key, limits: RedisServer) -> list[Figure]:
    storm, until = Storm(), monotonic() + LOAD
    healed: list[float] = []

    async def caller(replica: Replica) -> None:
        while monotonic() < until:
            await storm.call(replica, key)
            await asyncio.sleep(PACE)

    async def cutting() -> None:
        await asyncio.sleep(CUT)
        await limits.kill()
        await asyncio.sleep(BACK - CUT)
        await limits.start()
        began = monotonic()
        while not healed and monotonic() < until:
            with suppress(Exception):  # it may not answer yet
                if await limits.command("EVAL", "return #redis.call('KEYS', 'ragents:limits:{*:u:*')", 0):
                    healed.append(monotonic() - began)
            await asyncio.sleep(PACE)

    among = cycle(deployment.replicas)
    async with asyncio.TaskGroup() as group:
        for _ in range(REPLICAS * 8):
            group.create_task(caller(next(among)))
        group.create_task(cutting())
    return [
        Figure.at_least("cut_answered", len(storm.answered), A_SECOND * LOAD / 4, "calls"),
        Figure.at_most("cut_failed", len(storm.failed), 0, "calls"),
        Figure.at_most("cut_admitted_over", storm.over(AFTER_CUT), 0, "calls"),
        Figure.at_most("cut_healed_after", healed[0] if healed else float("inf"), 5, "s"),
    ]
