"""Counts look-ups by tenant and layer; where replicas share a Redis, the sums are shared too."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping

from ragents_server.cache.stores import CacheUnavailable, Counts

log = logging.getLogger(__name__)
PAUSE = 0.5  # seconds between the times that counts are handed over
MANY = 500_000  # counts that wait while the shared ones are away; beyond, they are lost


class Statistics:
    """Counts at once and hands over now and then; `shared` None: the counts are this process's."""

    def __init__(self, shared: Counts | None) -> None:
        self._shared = shared
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._handing_over = asyncio.Lock()
        self.totals: Counter[tuple[str, str]] = Counter()  # this process's own by layer and what is counted, for good

    def count(self, tenant: str, layer: str, what: str) -> None:
        """Counts one."""
        self._counts[tenant, layer, what] += 1
        self.totals[layer, what] += 1

    async def read(self, tenant: str | None) -> Mapping[tuple[str, str], int]:
        """The sums by layer and what is counted, of a tenant or of all, with all that ended before the call."""
        if self._shared is not None:
            try:
                await asyncio.sleep(PAUSE)  # by then the other replicas have handed theirs over
                await self._hand_over(self._shared)
                return await self._shared.read(tenant)
            except CacheUnavailable:
                log.warning("the shared counts of the cache are away; telling this process's own")
        sums = Counter[tuple[str, str]]()
        for (whose, layer, what), number in self._counts.items():
            if tenant in {None, whose}:
                sums[layer, what] += number
        return sums

    async def keep_sharing(self) -> None:
        """Hands over until it is cancelled; without shared counts there is nothing to do."""
        while self._shared is not None:
            await asyncio.sleep(PAUSE)
            try:
                await self._hand_over(self._shared)
            except CacheUnavailable:
                log.debug("the shared counts of the cache are away")

    async def _hand_over(self, shared: Counts) -> None:
        async with self._handing_over:
            taken, self._counts = self._counts, Counter()
            if not taken:
                return
            try:
                await shared.add((*key, number) for key, number in taken.items())
            except BaseException:
                if len(taken) < MANY:
                    self._counts.update(taken)
                raise
