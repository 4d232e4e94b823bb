"""What is done for runs and threads in the background: going on with what was left, and tidying up."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ragents_server.agents.turns import Turns
from ragents_server.connections.postgres import is_unavailable
from ragents_server.threads.places import Places

log = logging.getLogger(__name__)

LOOK = 1.0  # seconds between looks for detached runs that nobody is at
SWEEP = 60.0  # seconds between sweeps
EVENTS_KEPT = 3600.0  # seconds after a run's end


class Keeping:
    """Several replicas may do this at once. `thread_ttl` None: threads are kept for ever; all in seconds."""

    def __init__(
        self,
        places: Places,
        turns: Turns,
        *,
        thread_ttl: float | None,
        run_kept: float,
    ) -> None:
        self._places = places
        self._turns = turns
        self._thread_ttl = thread_ttl
        self._run_kept = run_kept

    async def keep(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(_again_and_again(LOOK, self._turns.take_up))
            group.create_task(_again_and_again(SWEEP, self.sweep))

    async def sweep(self) -> None:
        """One look at what has come of age; what is left over is for the next one."""
        await self._places.log.expire(EVENTS_KEPT)
        await self._places.threads.forget_runs(self._run_kept)
        if self._thread_ttl is not None:
            await self._places.threads.expire(self._thread_ttl)  # what is in Redis comes of age there


async def _again_and_again(pause: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception as error:
            if not is_unavailable(error):
                raise
            log.warning("tidying up was put off: %s", type(error).__name__)
        await asyncio.sleep(pause)
