"""Keeps the stores tidy: what was cleared and what was made from documents that are gone is forgotten for good.

Nothing depends on it: an entry is checked as it is read. It frees memory, and lets deleted text go.
"""

import asyncio
import logging
from collections.abc import Sequence

from ragents_server.cache.clearings import Clearing
from ragents_server.cache.layer import Stores
from ragents_server.cache.stores import Scope
from ragents_server.index.clearings import ClearingLog, Removals
from ragents_server.index.epochs import ClearingRow
from ragents_server.rag.cached.found import document_version

log = logging.getLogger(__name__)
PAUSE = 15.0  # seconds between looks for documents that are gone
LOOKS_A_TIDYING = 240  # looks, an hour of them


class Housekeeping:
    """Works on this process's memory and on the shared store."""

    def __init__(self, stores: Stores, removals: Removals, log_of_clearings: ClearingLog) -> None:
        self._stores = stores
        self._removals = removals
        self._log = log_of_clearings

    async def learn(self, rows: Sequence[ClearingRow]) -> None:
        """Takes note of clearings, here or on another replica."""
        clearings = [Clearing(row.number, Scope(*row[1:])) for row in rows]
        self._stores.clearings.add(clearings)
        for clearing in clearings:
            await self._stores.memory.drop(clearing.scope)

    async def keep(self) -> None:
        """Looks for documents that are gone, until it is cancelled."""
        looks = 0
        while True:
            await asyncio.sleep(PAUSE)
            try:
                await self.purge()
                if looks % LOOKS_A_TIDYING == 0:
                    await self._log.forget_old()
            except Exception as error:  # noqa: BLE001 - the next look tries again
                log.warning("purging the cache failed, trying again later: %s", type(error).__name__)
            looks += 1

    async def purge(self) -> None:
        """Forgets what was made from documents that are gone since the last look."""
        async for gone in self._removals.fresh():
            documents = [(tenant, document_version(document, version)) for tenant, document, version in gone]
            if not documents:
                continue
            await self._stores.memory.drop_documents(documents)
            if self._stores.shared is not None:
                await self._stores.shared.drop_documents(documents)
