"""Whole turns, of many threads at once: from a question to a committed answer."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from scripts.benchmarks.keepers import Side
from scripts.benchmarks.processes import cpu_seconds
from scripts.figures import Figure

THREADS = 30
LEAST = 3.0  # of the turns a second of LangGraph with the official saver


@dataclass(frozen=True, slots=True)
class Rates:
    """Turns a second, and turns a CPU second of Python and PostgreSQL together."""

    wall: float
    cpu: float


async def turning(both: Sequence[Side], *, rounds: int, turns: int) -> list[Figure]:
    """Turns a second of each, round by round; a round's threads are new, and have so many turns."""
    taken: list[Mapping[str, Rates]] = []
    for number in range(rounds + 1):  # the first one warms up
        names = [f"turns-{number}-{thread}" for thread in range(THREADS)]
        taken.append({side.name: await _rates(side, names, turns) for side in (both if number % 2 else both[::-1])})
    name, counted = f"turns_{THREADS}_threads", taken[1:]
    return [
        Figure.at_least(name, median(one["ours"].wall / one["official"].wall for one in counted), LEAST, "times"),
        Figure(f"{name}_cpu", median(one["ours"].cpu / one["official"].cpu for one in counted), "times"),
        *(Figure(f"{name}_{side}", median(one[side].wall for one in counted), "turns/s") for side in counted[0]),
    ]


async def _rates(side: Side, threads: Sequence[str], turns: int) -> Rates:
    cpu, began = cpu_seconds(os.getpid()), time.perf_counter()
    await talked(side, threads, range(1, turns + 1))
    wall, cpu = time.perf_counter() - began, cpu_seconds(os.getpid()) - cpu
    return Rates(len(threads) * turns / wall, len(threads) * turns / cpu)


async def talked(side: Side, threads: Sequence[str], turns: range) -> None:
    """These turns of each thread, one after the other; the threads at once."""

    async def talks(thread: str) -> None:
        for number in turns:
            await side.turn(thread, number)

    async with asyncio.TaskGroup() as group:
        for thread in threads:
            group.create_task(talks(thread))
