"""Load on a server, bounded in calls: so many callers, each with one call at a time; latencies and CPU time."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.benchmarks.processes import cpu_seconds

PATIENCE = 60.0  # seconds for a call


@dataclass(frozen=True, slots=True)
class Taken:
    """What one series of calls took."""

    latencies: Sequence[float]  # seconds, rising
    wall: float  # seconds
    cpu: float = 0.0  # seconds of the process measured, and of all below it

    @property
    def rate(self) -> float:
        """Calls a second."""
        return len(self.latencies) / self.wall

    def percentile(self, share: float) -> float:
        """Milliseconds that this share of the calls took at most."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))] * 1e3


async def called(
    call: Callable[[Any], Awaitable[Any]], inputs: Iterable[Any], *, callers: int = 1, pid: int | None = None
) -> Taken:
    """`call` with each input; the first failure ends all."""
    left, latencies = iter(inputs), list[float]()

    async def caller() -> None:
        for one in left:
            began = time.perf_counter()
            async with asyncio.timeout(PATIENCE):
                await call(one)
            latencies.append(time.perf_counter() - began)

    spent, began = cpu_seconds(pid) if pid else 0.0, time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    wall = time.perf_counter() - began
    return Taken(sorted(latencies), wall, cpu_seconds(pid) - spent if pid else 0.0)


async def raced(call: Callable[[Any], Awaitable[Any]], inputs: Iterable[Any], *, callers: int = 1) -> Taken:
    """The same for calls of microseconds in this process: one limit of time for all, as one each would cost as much."""
    left, latencies = iter(inputs), list[float]()

    async def caller() -> None:
        for one in left:
            began = time.perf_counter()
            await call(one)
            latencies.append(time.perf_counter() - began)

    spent, began = time.process_time(), time.perf_counter()
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    return Taken(sorted(latencies), time.perf_counter() - began, time.process_time() - spent)


def median_percentile(rounds: Sequence[Taken], share: float) -> float:
    """The median over the rounds of a round's percentile, in milliseconds: one disturbed round does not count."""
    return statistics.median(taken.percentile(share) for taken in rounds)


def median_rate(rounds: Sequence[Taken]) -> float:
    """The median over the rounds, in calls a second."""
    return statistics.median(taken.rate for taken in rounds)


def cpu_ms(rounds: Sequence[Taken]) -> float:
    """CPU milliseconds a call over all rounds: the clock ticks too coarsely for a round alone."""
    return 1e3 * sum(taken.cpu for taken in rounds) / sum(len(taken.latencies) for taken in rounds)
