"""Clearing: an entry that is cleared is gone on every replica when the call returns."""

import logging
from contextlib import suppress
from typing import Protocol

from ragents_server.cache.layer import Stores, entry_key
from ragents_server.cache.stores import LAYERS, CacheUnavailable, Scope
from ragents_server.index.clearings import ClearingLog

logger = logging.getLogger(__name__)


class Settling(Protocol):
    """Waits until no replica trusts what it knew before."""

    async def settle(self) -> None:
        """Returns when every replica has to look again."""
        ...


class Clearer:
    """Writes a clearing down for every replica, then forgets the entries."""

    def __init__(self, stores: Stores, log: ClearingLog, epochs: Settling) -> None:
        self._stores = stores
        self._log = log
        self._epochs = epochs

    async def clear(self, scope: Scope) -> int:
        """Drops what the scope names, on every replica when this returns; the number of entries."""
        await self._log.add(
            scope.tenant,
            scope.layers,
            collection=scope.collection,
            document=scope.document,
            digest=scope.digest,
            every_layer=LAYERS,
        )
        dropped = await self._stores.memory.drop(scope)
        if self._stores.shared is not None:
            with suppress(CacheUnavailable):  # what is still there is seen as cleared when it is read
                dropped = max(dropped, await self._stores.shared.drop(scope))
        await self._epochs.settle()
        return dropped

    async def report(self, tenant: str, entry_id: str, comment: str) -> None:
        """Drops one entry and counts it as bad; one that is not there is no error."""
        key = entry_key(tenant, entry_id)
        if key is None:
            return
        if not await self.clear(Scope(tenant, (key.layer,), digest=key.digest)):
            return  # reported before, or never there
        logger.info("reported as wrong: %s of tenant %s: %r", entry_id, tenant, comment)
        self._stores.statistics.count(tenant, key.layer, "bad_hits")
