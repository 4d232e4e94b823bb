"""Leases of threads: renewed by one task for all that this replica has; what is lost ends the work under it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from ragents_server.connections.postgres import is_unavailable
from ragents_server.connections.statements import Pool, read_statements
from ragents_server.errors import LeaseLost
from ragents_server.threads.runs import LEASE, Taken

log = logging.getLogger(__name__)

RENEWAL = LEASE / 3  # seconds


class Leases:
    """The leases that this replica holds."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = read_statements("ragents_server.threads", "runs")["renew"]
        self._held: dict[tuple[str, int], asyncio.Task[Any]] = {}
        self._lost: set[tuple[str, int]] = set()
        self._any = asyncio.Event()

    @asynccontextmanager
    async def holding(self, taken: Taken) -> AsyncIterator[None]:
        """Keeps the lease inside the block; when it is lost the block is cancelled, and ends with LeaseLost."""
        task, lease = asyncio.current_task(), (taken.key, taken.token)
        if task is None:
            raise RuntimeError("a lease is held by a task")
        cancelling = task.cancelling()
        self._held[lease] = task
        self._any.set()
        try:
            yield
        except asyncio.CancelledError:
            if lease in self._lost and task.uncancel() <= cancelling:
                raise LeaseLost("another replica goes on with the thread, or the run was cancelled") from None
            raise
        finally:
            self._held.pop(lease, None)
            self._lost.discard(lease)

    def lose(self, taken: Taken) -> None:
        """Somebody has taken the lease away: the work under it ends now, and not with the next renewal."""
        self._end((taken.key, taken.token))

    async def keep(self) -> None:
        """Renews them all, in one statement, until cancelled. While the database is away there is nothing to lose."""
        while True:
            if not self._held:
                self._any.clear()
                await self._any.wait()
            await asyncio.sleep(RENEWAL)
            try:
                await self._renew()
            except Exception as error:  # were this to end, no lease would be renewed any more
                log.warning(
                    "leases were not renewed: %s",
                    type(error).__name__,
                    exc_info=None if is_unavailable(error) else error,
                )

    async def _renew(self) -> None:
        asked = list(self._held)
        if not asked:
            return
        keys, tokens = zip(*asked, strict=True)
        rows = await self._pool.fetch(self._sql, keys, tokens, timedelta(seconds=LEASE))
        kept = {(row["key"], row["token"]) for row in rows}
        for lease in asked:
            if lease not in kept:
                self._end(lease)

    def _end(self, lease: tuple[str, int]) -> None:
        if (task := self._held.pop(lease, None)) is not None:
            self._lost.add(lease)
            task.cancel()
