"""Conversations that have grown: what their next turn costs and writes beside a young one's, and how they are read."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ragents_server.connections.statements import Pool
from scripts.benchmarks.errors import BenchError
from scripts.benchmarks.keepers import Official, Ours, Side
from scripts.benchmarks.processes import cpu_seconds
from scripts.benchmarks.turning import talked
from scripts.evaluation.progress import Progress
from scripts.figures import Figure

YOUNG = range(2, 5)  # turns
TOGETHER = 4  # turns of each old thread, while the others have theirs
MOST = 1.2  # of a young turn's cost
LEAST_WAL = 4.0  # times our WAL, that the official saver writes
SIDES, COSTS = ("ours", "official"), ("cpu", "wall")


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured; `old`: the first turn of grown threads that is."""

    rounds: int
    threads: int
    old: int


@dataclass(frozen=True, slots=True)
class _Cost:
    """Of one turn."""

    wall: float  # milliseconds
    cpu: float  # milliseconds, of Python and PostgreSQL


@dataclass(frozen=True, slots=True)
class _Round:
    """By side."""

    young: dict[str, _Cost]
    old: dict[str, _Cost]
    together: dict[str, float]  # old turns a second, of all old threads at once
    wal: dict[str, float]  # bytes of an old turn
    cold: dict[str, float]  # milliseconds a read
    warm: dict[str, float]


async def growing(both: tuple[Ours, Official], effort: Effort) -> list[Figure]:
    """Growth in CPU and wall time, WAL, and reads."""
    threads = _Threads(both, both[0].pool, effort)
    await threads.grow()
    rounds = [await threads.round(number) for number in range(effort.rounds)]
    return [*_growth(rounds), *_together(rounds), *_wal(rounds), *_reads(rounds)]


class _Threads:
    """Of each side; the old ones grow as they are measured."""

    def __init__(self, both: Sequence[Side], pool: Pool, effort: Effort) -> None:
        self._both = both
        self._pool = pool  # of either database: the log is one
        self._effort = effort
        self._old = [f"old-{number}" for number in range(effort.threads)]

    async def grow(self) -> None:
        """Until they are old."""
        progress = Progress("turns of threads that grow", 2 * (self._effort.old - 1))
        for turn in range(1, self._effort.old):
            for side in self._both:
                await talked(side, self._old, range(turn, turn + 1))
                progress.step()
        progress.end()

    async def round(self, number: int) -> _Round:
        """Each side's young threads, then its old ones."""
        found = _Round({}, {}, {}, {}, {}, {})
        first = self._effort.old + (len(YOUNG) + TOGETHER) * number
        then = range(first + len(YOUNG), first + len(YOUNG) + TOGETHER)
        for side in self._both if number % 2 else self._both[::-1]:
            fresh = [f"young-{number}-{thread}" for thread in range(self._effort.threads)]
            await talked(side, fresh, range(1, YOUNG.start))
            found.young[side.name] = await self._cost(side, fresh, YOUNG)
            await self._pool.execute("CHECKPOINT")  # so that both log as many pages as a whole
            wal = await self._wal()
            found.old[side.name] = await self._cost(side, self._old, range(first, then.start))
            began = time.perf_counter()
            await talked(side, self._old, then)
            found.together[side.name] = TOGETHER * len(self._old) / (time.perf_counter() - began)
            found.wal[side.name] = (await self._wal() - wal) / (then.stop - first) / len(self._old)
            found.cold[side.name], found.warm[side.name] = await self._reads_of(side, 2 * then[-1])
        return found

    async def _cost(self, side: Side, threads: Sequence[str], turns: range) -> _Cost:
        """One thread after the other."""
        number = len(threads) * len(turns)
        cpu, wall = cpu_seconds(os.getpid()), time.perf_counter()
        for thread in threads:
            await talked(side, [thread], turns)
        wall, cpu = time.perf_counter() - wall, cpu_seconds(os.getpid()) - cpu
        return _Cost(1e3 * wall / number, 1e3 * cpu / number)

    async def _wal(self) -> int:
        """Bytes that were ever written."""
        return int(await self._pool.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'"))

    async def _reads_of(self, side: Side, messages: int) -> tuple[float, float]:
        """Milliseconds of the first read of each thread by a saver that never saw it, and of the second."""
        taken: list[list[float]] = [[], []]
        async with side.another() as saver:
            for times in taken:
                for thread in self._old:
                    began = time.perf_counter()
                    found = await saver.aget_tuple(side.config(thread))
                    times.append(1e3 * (time.perf_counter() - began))
                    if found is None or len(found.checkpoint["channel_values"]["messages"]) != messages:
                        raise BenchError("a thread was not read as it was saved")
        return median(taken[0]), median(taken[1])


def _growth(rounds: Sequence[_Round]) -> list[Figure]:
    def of(side: str, cost: str) -> float:
        return median(float(getattr(one.old[side], cost) / getattr(one.young[side], cost)) for one in rounds)

    return [
        *(Figure.at_most(f"growth_{cost}_ours", of("ours", cost), MOST, "times") for cost in COSTS),
        *(Figure(f"growth_{cost}_official", of("official", cost), "times") for cost in COSTS),
        *(Figure(f"young_turn_cpu_{side}", median(one.young[side].cpu for one in rounds), "CPU ms") for side in SIDES),
        *(Figure(f"old_turn_cpu_{side}", median(one.old[side].cpu for one in rounds), "CPU ms") for side in SIDES),
    ]


def _together(rounds: Sequence[_Round]) -> list[Figure]:
    return [
        Figure("old_turns", median(one.together["ours"] / one.together["official"] for one in rounds), "times"),
        *(Figure(f"old_turns_{side}", median(one.together[side] for one in rounds), "turns/s") for side in SIDES),
    ]


def _wal(rounds: Sequence[_Round]) -> list[Figure]:
    ratio = median(one.wal["official"] / one.wal["ours"] for one in rounds)
    shown = (Figure(f"wal_{side}", median(one.wal[side] for one in rounds), "bytes/turn") for side in SIDES)
    return [Figure.at_least("wal", ratio, LEAST_WAL, "times"), *shown]


def _reads(rounds: Sequence[_Round]) -> list[Figure]:
    return [
        *(Figure(f"cold_read_{side}", median(one.cold[side] for one in rounds), "ms") for side in SIDES),
        *(Figure(f"warm_read_{side}", median(one.warm[side] for one in rounds), "ms") for side in SIDES),
    ]
