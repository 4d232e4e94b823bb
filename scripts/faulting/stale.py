"""`scripts/faults stale`: changes and questions on two replicas; what is shown may not be older than what was told."""

import asyncio
import math
import time
from dataclasses import dataclass

from scripts.faulting.deployment import Deployment, deployed, say
from scripts.faulting.replicas import SERVER
from scripts.faulting.storm import Storm
from scripts.faulting.tally import Tally
from scripts.faulting.workload import KEYS
from scripts.figures import Figure

REPLICAS = 2
CONTROLS = (("control_stale", "for-ever"), ("control_hasty_stale", "at-once"))
CUT_AT, STOPPED_AT, STALLED_AT = 0.25, 0.5, 0.75  # shares of the operations
SHARES = ("model_free_share", "model_free_share_of_reachable")
SHOWN = 5  # findings told in words

NOTES = {
    "stale": "shown after a change had returned that took it away, or not what a fresh retrieval shows while nothing "
    "changed. The oracle knows when each change's call began and returned, and asks with cache_mode NONE; it knows "
    "nothing of caches",
    "foreign": "of the other tenant, of a collection that was not asked, or of one that is not granted",
    "compared": "questions whose collections nobody changed from their beginning to the end of a fresh retrieval",
    "broken": "at a quarter of the operations Redis is killed, and comes back empty; at half one replica is stopped "
    "(SIGSTOP); at three quarters Redis is stopped",
    "in_flight": "calls that a replica had when it was stopped and answered only afterwards; all calls under way when "
    "Redis was killed",
    "asked_of_the_stopped": "questions sent to the stopped replica, most of them right after a change had returned",
    "model_free_share": "of answers whose passages had been answered from before, on any replica (same tenant, "
    "question, passages and metadata). Redis away is not left out, though each replica then knows its own answers "
    "alone: _of_reachable are those that the replica had given itself, or Redis had. Generations that no answer owns "
    "up to are subtracted",
    "control": "the same test on servers that trust an epoch for ever (control_stale), or whose changes do not wait "
    "for the leases (control_hasty_stale), must find stale answers",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done, and for how many seconds Redis is away and a replica is stopped; 0: nothing is broken.

    `settled` seconds after its return Redis counts as there again.
    """

    operations: int
    workers: int
    rate: float = math.inf  # operations a second at most, so that a fast machine does not do all while Redis is away
    away: float = 0
    stopped: float = 0
    settled: float = 0


FULL = Plan(operations=10_000, workers=12, rate=70, away=1.5, stopped=5, settled=5)
SHORT = Plan(operations=600, workers=8, away=1, stopped=2, settled=0.5)
CONTROL = Plan(operations=800, workers=8)
CONTROL_SHORT = Plan(operations=400, workers=8)


async def measured(*, short: bool, seed: int) -> list[Figure]:
    """The test, then its controls."""
    plan, control = (SHORT, CONTROL_SHORT) if short else (FULL, CONTROL)
    began = time.monotonic()
    tally, generations = await _run(plan, seed, SERVER, short=short)
    figures = [
        Figure("operations", plan.operations),
        Figure("seconds", time.monotonic() - began, "s"),
        *tally.figures(generations),
    ]
    if short:  # Redis is away for most of it: its share says nothing
        figures = [one if one.name not in SHARES else Figure(one.name, one.value) for one in figures]
    for name, kind in CONTROLS[:1] if short else CONTROLS:
        found, _ = await _run(control, seed, ("scripts.faulting.leaseless", kind), short=short)
        figures.append(Figure.at_least(name, len(found.wrong["stale"]), 1))
    return figures


async def _run(plan: Plan, seed: int, program: tuple[str, ...], *, short: bool) -> tuple[Tally, int]:
    """The tally, and how many answers the model wrote."""
    say(f"{plan.operations} operations on {' '.join(program)}")
    async with deployed(KEYS, [{}] * REPLICAS, short=short, program=program) as deployment:
        storm = Storm(deployment.replicas, plan.operations, seed)
        async with asyncio.TaskGroup() as group:
            group.create_task(storm.run(plan.workers, plan.rate))
            if plan.stopped:
                group.create_task(_break(deployment, storm, plan))
        tally, generations = storm.tally, len(deployment.model.generations)
    for kind, words in tally.wrong.items():
        for line in words[:SHOWN]:
            say(f"{kind}: {line}")
    return tally, generations


async def _break(deployment: Deployment, storm: Storm, plan: Plan) -> None:
    await storm.reached(CUT_AT)
    await _cut(deployment, storm, plan)
    await storm.reached(STOPPED_AT)
    await _stop(deployment, storm, plan.stopped)
    await storm.reached(STALLED_AT)
    await _stall(deployment, storm, plan)


async def _cut(deployment: Deployment, storm: Storm, plan: Plan) -> None:
    """Kills Redis while calls are under way."""
    while not (under_way := sum(len(one.in_flight) for one in deployment.replicas)):
        await storm.next_step()
    await deployment.redis.kill()
    storm.tally.redis_away = True
    storm.tally.redis_lost_all()
    storm.tally.counts["in_flight_at_redis_cut"] = under_way
    say(f"Redis is killed, for {plan.away:g} s, {under_way} calls under way")
    await asyncio.sleep(plan.away)
    await deployment.redis.start()
    await asyncio.sleep(plan.settled)
    storm.tally.redis_away = False


async def _stall(deployment: Deployment, storm: Storm, plan: Plan) -> None:
    """Stops Redis, which keeps what it has and all connections."""
    deployment.redis.freeze()
    storm.tally.redis_away = True
    say(f"Redis is stopped for {plan.away:g} s")
    await asyncio.sleep(plan.away)
    deployment.redis.thaw()
    await asyncio.sleep(plan.settled)
    storm.tally.redis_away = False


async def _stop(deployment: Deployment, storm: Storm, seconds: float) -> None:
    """Stops a replica that has calls under way, and counts those that it still has when it goes on."""
    replica = deployment.replicas[-1]
    while len(replica.in_flight) < 3:
        await storm.next_step()
    under_way = set(replica.in_flight)
    replica.freeze()
    say(f"a replica is stopped for {seconds:g} s, {len(under_way)} calls under way")
    await asyncio.sleep(seconds)
    storm.tally.counts["in_flight_at_sigstop"] = len(under_way & set(replica.in_flight))
    replica.thaw()
