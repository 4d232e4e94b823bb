"""`scripts/faults admission`: more is asked of a server than it can do; who is served, and who is sent away."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from google.protobuf.struct_pb2 import Struct

from scripts.faulting.calls import Calls
from scripts.faulting.deployment import deployed, say
from scripts.faulting.load import percentile
from scripts.faulting.model import Model, OneLine
from scripts.faulting.overload import PATIENCE, Asking, Kind, Outcomes, together
from scripts.faulting.replicas import Key, Replica
from scripts.figures import Figure

WRITING = 0.2  # seconds that the model takes
SPREAD = 0.25  # of that, more or less: were it always the same, the slots would in time all become free at once
SLOTS, WAITING = 6, 24  # so few that ten times the load costs the machine little
MORE_SLOTS = 16  # where one tenant asks for more than its share: waiting for the next slot is to be short
GREEDY, MODEST = "greedy", ("amber", "birch", "cedar")
KEYS = {name: Key(f"token-of-{name}", name, priority="CRITICAL") for name in (GREEDY, *MODEST)}
MIX = [
    Kind(priority, KEYS["amber"], priority)
    for priority in ("CRITICAL", "LOW", "NORMAL", "HIGH", "NORMAL", "LOW", "CRITICAL", "NORMAL", "LOW", "HIGH")
]
CRITICAL, NORMAL = MIX[0], MIX[2]
# Of a hundred calls three are the modest tenants', one each; 33 shares no divisor with 100, so they are spread evenly.
CROWD = [*([Kind(GREEDY, KEYS[GREEDY], "NORMAL")] * 97), *(Kind("modest", KEYS[name], "NORMAL") for name in MODEST)]
RUSH = 2 / 0.97  # times the capacity
CROWDED = [CROWD[at * 33 % 100] for at in range(100)]
DOCUMENT = b"The mark of the granite is carved above the northern door. Nobody has read it since the flood."
OPEN: dict[str, object] = {"cache_answer": False, "database_connections": 4}

NOTES = {
    "load": f"calls leave on time, whatever became of those before, after a second at the capacity. That is {SLOTS} "
    f"executions of a model that takes {1000 * WRITING:.0f} ms, a quarter more or less at random; the passages are "
    "cached, the answers are not",
    "unloaded": "CRITICAL calls one after the other; peak: as many callers as slots, without pause",
    "double": f"twice the capacity, one call in five CRITICAL, one in five HIGH; the line has {WAITING} places",
    "tenfold": "ten times the capacity. refusals: of those who found no place in the line; displaced: of those who had "
    "one until more urgent calls came, most of them when the load began. cpu: of the server's process, in cores. "
    "normal_after: until five calls in a row, each alone, take at most 1.5 times what they took before",
    "greedy": f"{MORE_SLOTS} slots; one tenant at twice the capacity, a hundred times as much as each of three others",
    "busy": "the same server: searches that the cache knows, while every slot is taken and calls stand in the line",
    "control": f"twice the capacity without admission: calls stand in the model's own line, which takes {SLOTS} at a "
    "time. shed: those whose time was over",
}


async def measured(*, short: bool, seed: int) -> list[Figure]:
    """All figures; the times that the model takes are drawn."""
    seconds = 3.0 if short else 20.0
    model = Model(delay=WRITING, spread=SPREAD, chance=random.Random(seed))
    slow = OneLine(delay=WRITING, spread=SPREAD, chance=random.Random(seed), at_once=SLOTS)

    @asynccontextmanager
    async def overload(model: Model, slots: int, executions: int) -> AsyncIterator["Overload"]:
        own = OPEN | {"executions": executions, "queue": WAITING}
        async with deployed(list(KEYS.values()), [own], short=True, model=model) as deployment:
            asking = await _prepared(deployment.replicas[0])
            test = Overload(asking, slots, seconds, with_times=not short)
            yield test

    async with overload(model, SLOTS, SLOTS) as test:
        figures = [*await test.unloaded(), *await test.double(), *await test.tenfold()]
    async with overload(model, MORE_SLOTS, MORE_SLOTS) as crowded:
        figures += [*await crowded.greedy(), *await crowded.busy()]
    async with overload(slow, SLOTS, 10_000) as control:
        figures += await control.control(test.alone)
    return figures


async def _prepared(replica: Replica) -> Asking:
    """With a document of each tenant, and the passages in the cache."""
    asking = Asking(replica)
    for key in KEYS.values():
        await Calls(replica, key).put("", "granite.txt", DOCUMENT, Struct())
        await asking.ask(Outcomes(), Kind("", key, "NORMAL"))
    return asking


class Overload:
    """One server, asked for more and more."""

    def __init__(self, asking: Asking, slots: int, seconds: float, *, with_times: bool) -> None:
        self.alone = self._peak = 0.0  # seconds of a call without others; answers a second at most
        self._asking = asking
        self._slots = slots
        self._capacity = slots / WRITING  # calls a second
        self._seconds = seconds
        self._with_times = with_times

    async def unloaded(self) -> list[Figure]:
        """What the rest is measured by."""
        say("unloaded, then as many callers as slots")
        await self._learn_alone()
        self._peak = await self._asking.without_pause(NORMAL, self._slots, self._seconds / 2)
        return [
            Figure("unloaded_p99", 1000 * self.alone, "ms"),
            Figure.at_least("peak", self._peak, 0.75 * self._capacity, "calls/s"),
        ]

    async def double(self) -> list[Figure]:
        """The urgent are served as if nobody else were there, the least urgent are sent away."""
        say("twice the capacity")
        found = await self._asking.on_time(MIX, self._capacity, 2 * self._capacity, self._seconds)
        others = max(found.shed(name) for name in ("NORMAL", "HIGH"))
        return [
            Figure.at_least("double_critical_answered", len(found.answered["CRITICAL"]), 0.39 * self._offered, "calls"),
            Figure.at_most("double_critical_shed", found.shed("CRITICAL"), 0),
            Figure("double_high_shed", found.shed("HIGH")),
            Figure("double_normal_shed", found.shed("NORMAL")),
            Figure.at_least("double_low_shed", found.shed("LOW"), others),
            Figure.at_least("double_low_share", len(found.answered.get("LOW", ())) / len(found.ended), 0.05),
            self._timed(Figure.at_most("double_critical_p99_ratio", self._late(found, "CRITICAL"), 1.5)),
            self._timed(Figure.at_least("double_goodput", found.goodput / self._peak, 0.9)),
            Figure.at_most("double_failed_otherwise", len(found.failed), 0, "calls"),
        ]

    async def tenfold(self) -> list[Figure]:
        """Those who are sent away hear it at once, and cost little."""
        say("ten times the capacity")
        found = await self._asking.on_time(MIX, self._capacity, 10 * self._capacity, self._seconds)
        after = await self._asking.until_as_quick(CRITICAL, 1.5 * self.alone)
        refused, displaced = together(found.refused), together(found.displaced)
        return [
            self._timed(Figure.at_least("tenfold_goodput", found.goodput / self._peak, 0.8)),
            Figure.at_least("tenfold_refused", len(refused), self._offered, "calls"),
            self._timed(Figure.at_most("tenfold_refusals_p99", 1000 * percentile(refused, 0.99), 20, "ms")),
            Figure("tenfold_displaced", len(displaced), "calls"),
            Figure("tenfold_displaced_p99", 1000 * percentile(displaced, 0.99), "ms"),
            self._timed(Figure.at_most("tenfold_cpu", found.cores, 0.4, "cores")),
            self._timed(Figure.at_most("tenfold_normal_after", after, 10, "s")),
            Figure.at_most("tenfold_failed_otherwise", len(found.failed), 0, "calls"),
        ]

    async def greedy(self) -> list[Figure]:
        """One tenant asks for all there is and more; the others do not feel it."""
        say("one greedy tenant")
        await self._learn_alone()
        found = await self._asking.on_time(CROWDED, self._capacity, RUSH * self._capacity, self._seconds)
        return [
            Figure.at_least(
                "greedy_modest_answered", len(found.answered["modest"]), 0.029 * RUSH * self._offered, "calls"
            ),
            Figure.at_most("greedy_modest_shed", found.shed("modest"), 0),
            self._timed(Figure.at_most("greedy_modest_p99_ratio", self._late(found, "modest"), 1.3)),
            Figure.at_least("greedy_shed", found.shed(GREEDY), 0.4),
            Figure.at_most("greedy_failed_otherwise", len(found.failed), 0, "calls"),
        ]

    async def busy(self) -> list[Figure]:
        """What a cache answers needs no slot."""
        say("searches while every slot is busy")
        callers = [asyncio.create_task(self._asking.ask(Outcomes(), NORMAL)) for _ in range(self._slots * 4)]
        await asyncio.sleep(WRITING / 2)
        took = await self._asking.searches(NORMAL, 50)
        left = sum(not caller.done() for caller in callers)
        await asyncio.gather(*callers)
        return [
            Figure.at_least("busy_calls", left, self._slots + 1, "calls"),
            Figure.at_most("busy_hits_slowest", 1000 * max(took), 1000 * WRITING / 2, "ms"),
            Figure("busy_hits_p50", 1000 * percentile(took, 0.5), "ms"),
        ]

    async def control(self, alone: float) -> list[Figure]:
        """The urgent wait as long as everybody."""
        say("the control: twice the capacity, without admission")
        self.alone = alone
        found = await self._asking.on_time(MIX, self._capacity, 2 * self._capacity, self._seconds)
        return [
            Figure.at_least("control_critical_p99_ratio", self._late(found, "CRITICAL"), 2 * 1.5),
            Figure.at_least("control_critical_shed", found.shed("CRITICAL"), 0.1),
        ]

    async def _learn_alone(self) -> None:
        times = 60 if self._with_times else 10
        self.alone = percentile(await self._asking.one_by_one(CRITICAL, times), 0.99)

    @property
    def _offered(self) -> float:
        """Calls that the server can answer meanwhile."""
        return self._capacity * self._seconds

    def _late(self, found: Outcomes, name: str) -> float:
        return percentile(found.answered.get(name, [PATIENCE]), 0.99) / self.alone

    def _timed(self, figure: Figure) -> Figure:
        """A time has no target on a busy machine."""
        return figure if self._with_times else Figure(figure.name, figure.value, figure.unit)
