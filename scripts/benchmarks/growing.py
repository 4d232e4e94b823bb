"""Conversations that have grown: what their next turn costs and writes beside a young one's, and how they are read."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from ragents_server.connections.statements import Pool
from scripts.benchmarks.errors import BenchError
from scripts.benchmarks.keepers import Official, Ours, Side
from scripts.benchmarks.processes import cpu_seconds
from scripts.benchmarks.turning import talked
from scripts.evaluation.progress import Progress
from scripts.figures import Figure

YOUNG = range(2, 7)  # turns
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
    wal: float  # bytes


@dataclass(frozen=True, slots=True)
class _Round:
    young: Mapping[str, _Cost]
    old: Mapping[str, _Cost]
    cold: Mapping[str, float]  # milliseconds a read
    warm: Mapping[str, float]


async def growing(both: tuple[Ours, Official], effort: Effort) -> list[Figure]:
    """Growth in CPU and wall time, WAL, and reads."""
    threads = _Threads(both, both[0].pool, effort)
    await threads.grow()
    rounds = [await threads.round(number) for number in range(effort.rounds)]
    messages = 2 * (effort.old + len(YOUNG) * effort.rounds // 2)  # of an old thread, half-way
    return [*_growth(rounds), *_wal(rounds, f"wal_{messages}_messages"), *_reads(rounds)]


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
        young: dict[str, _Cost] = {}
        old: dict[str, _Cost] = {}
        cold: dict[str, float] = {}
        warm: dict[str, float] = {}
        first = self._effort.old + len(YOUNG) * number
        for side in self._both if number % 2 else self._both[::-1]:
            fresh = [f"young-{number}-{thread}" for thread in range(self._effort.threads)]
            await talked(side, fresh, range(1, YOUNG.start))
            young[side.name] = await self._cost(side, fresh, YOUNG)
            old[side.name] = await self._cost(side, self._old, range(first, first + len(YOUNG)))
            cold[side.name], warm[side.name] = await self._reads_of(side, 2 * (first + len(YOUNG) - 1))
        return _Round(young, old, cold, warm)

    async def _cost(self, side: Side, threads: Sequence[str], turns: range) -> _Cost:
        """After a checkpoint of the database, so that the pages that are written whole are as many as they can be."""
        await self._pool.execute("CHECKPOINT")
        number = len(threads) * len(turns)
        wal, cpu, wall = await self._wal(), cpu_seconds(os.getpid()), time.perf_counter()
        await talked(side, threads, turns)
        wall, cpu = time.perf_counter() - wall, cpu_seconds(os.getpid()) - cpu
        return _Cost(1e3 * wall / number, 1e3 * cpu / number, (await self._wal() - wal) / number)

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
        return median(getattr(one.old[side], cost) / getattr(one.young[side], cost) for one in rounds)

    return [
        *(Figure.at_most(f"growth_{cost}_ours", of("ours", cost), MOST, "times") for cost in COSTS),
        *(Figure(f"growth_{cost}_official", of("official", cost), "times") for cost in COSTS),
        *(Figure(f"young_turn_cpu_{side}", median(one.young[side].cpu for one in rounds), "CPU ms") for side in SIDES),
        *(Figure(f"old_turn_cpu_{side}", median(one.old[side].cpu for one in rounds), "CPU ms") for side in SIDES),
        Figure("old_turns", median(one.old["official"].wall / one.old["ours"].wall for one in rounds), "times"),
    ]


def _wal(rounds: Sequence[_Round], name: str) -> list[Figure]:
    ratio = median(one.old["official"].wal / one.old["ours"].wal for one in rounds)
    shown = (Figure(f"{name}_{side}", median(one.old[side].wal for one in rounds), "bytes/turn") for side in SIDES)
    return [Figure.at_least(name, ratio, LEAST_WAL, "times"), *shown]


def _reads(rounds: Sequence[_Round]) -> list[Figure]:
    return [
        *(Figure(f"cold_read_{side}", median(one.cold[side] for one in rounds), "ms") for side in SIDES),
        *(Figure(f"warm_read_{side}", median(one.warm[side] for one in rounds), "ms") for side in SIDES),
    ]
