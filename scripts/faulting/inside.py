"""What a server holds, looked at from inside and outside: it is to be back where it was when its callers have gone."""

import asyncio
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import psutil

from scripts.faulting.errors import FaultError
from scripts.faulting.replicas import Replica

PATIENCE, PAUSE = 10.0, 0.05  # seconds
BOUND = 10.0  # seconds within which everything is given back
WHAT = ("tasks", "calls", "slots", "waiting", "leases", "connections", "fds")
MB = 2**20


@dataclass(frozen=True, slots=True)
class Held:
    """Of one moment; `rss` in MB, `left` the calls that were cancelled while they were served."""

    numbers: Mapping[str, int]
    names: Mapping[str, int]  # of tasks, the most frequent ones
    left: int
    rss: float


class Inside:
    """Looks into a server that runs as `scripts.faulting.counted`."""

    def __init__(self, replica: Replica, path: Path) -> None:
        self._replica = replica
        self._path = path
        self._process = psutil.Process(replica.process.pid)

    async def held(self) -> Held:
        """What it holds now; FaultError when it does not tell."""
        known = self._lines()
        self._replica.process.send_signal(signal.SIGUSR1)
        until = monotonic() + PATIENCE
        while len(found := self._lines()) <= len(known):
            if monotonic() > until or self._replica.process.returncode is not None:
                raise FaultError("the server does not tell what it holds")
            await asyncio.sleep(PAUSE)
        told: dict[str, Any] = json.loads(found[-1])
        told["fds"] = self._process.num_fds()
        rss = self._process.memory_info().rss / MB
        return Held({name: told[name] for name in WHAT}, told["names"], told["left"], rss)

    async def settled(self, before: Held, spare: Mapping[str, int]) -> tuple[Held, float]:
        """What it holds once that is no more than before and what is to spare, or after the bound; and the seconds."""
        began = monotonic()
        while True:
            now = await self.held()
            seconds = monotonic() - began
            if not any(over(now, before, spare).values()) or seconds > BOUND:
                return now, seconds
            await asyncio.sleep(PAUSE)

    def _lines(self) -> list[str]:
        """Whole ones."""
        return self._path.read_text(encoding="utf-8").split("\n")[:-1] if self._path.exists() else []


def over(now: Held, before: Held, spare: Mapping[str, int]) -> dict[str, int]:
    """How much more of each is held than before."""
    return {name: max(0, now.numbers[name] - before.numbers[name] - spare.get(name, 0)) for name in WHAT}
