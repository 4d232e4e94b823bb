"""Work on many things at once but bounded, with lines on standard error that say how far it is."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

AT_ONCE = 8
EVERY = 10.0  # seconds between signs of life

Item = TypeVar("Item")
Result = TypeVar("Result")


class Progress:
    """Lines on standard error: a sign of life now and then, and at last how long it took."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._began = self._said = time.monotonic()

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        if time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            print(f"{self._what} {self._done} of {self._total}", file=sys.stderr)

    def end(self) -> None:
        """All are done."""
        print(f"{self._what} {self._done} in {time.monotonic() - self._began:.1f} s", file=sys.stderr)


async def in_order(
    what: str, work: Callable[[Item], Awaitable[Result]], items: Sequence[Item], at_once: int = AT_ONCE
) -> list[Result]:
    """`work` of each item, in the items' order, so many at once; the first failure ends all."""
    left, done, progress = iter(range(len(items))), dict[int, Result](), Progress(what, len(items))

    async def worker() -> None:
        for index in left:
            done[index] = await work(items[index])
            progress.step()

    await together(worker, at_once)
    progress.end()
    return [done[index] for index in range(len(items))]


async def together(worker: Callable[[], Awaitable[None]], number: int) -> None:
    """So many workers; the first failure ends all and is raised by itself, as a group of one nobody would catch it."""
    tasks = [asyncio.ensure_future(worker()) for _ in range(number)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
