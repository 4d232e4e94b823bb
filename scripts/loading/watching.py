"""What the deployment is like while it is loaded, looked at each second: replicas that are healthy, calls in flight."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

import httpx

from scripts.loading.topology import Topology

SECOND = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """One look; `at` in seconds since the first."""

    at: float
    healthy: int  # replicas, as Envoy sees them
    in_flight: float  # calls that have a slot or wait for one, on all replicas


@dataclass(slots=True)
class Watched:
    """All looks, in their order."""

    looks: list[Look] = field(default_factory=list)


@asynccontextmanager
async def watched(topology: Topology) -> AsyncIterator[Watched]:
    """Looks as long as the block lasts."""
    seen = Watched()
    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(_looking(topology, seen))
        try:
            yield seen
        finally:
            watcher.cancel()


async def _looking(topology: Topology, seen: Watched) -> None:
    began = monotonic()
    while True:
        try:
            healthy = await topology.proxy.counter("cluster.ragents.membership_healthy")
            in_flight = await topology.total("ragents_inflight_requests")
        except httpx.HTTPError:
            pass  # too busy to tell; the next look will
        else:
            seen.looks.append(Look(monotonic() - began, healthy, in_flight))
        await asyncio.sleep(SECOND)
