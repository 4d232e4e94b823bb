"""What is counted and stored, as every replica tells it."""

from collections.abc import Mapping

from ragents_server.cache.layer import Stores
from ragents_server.cache.stores import CacheUnavailable, Size


class Figures:
    """Of the shared store where there is one, else of this process's memory."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    @property
    def totals(self) -> Mapping[tuple[str, str], int]:
        """By layer and what is counted: this process's own, since its start."""
        return self._stores.statistics.totals

    async def own_sizes(self) -> Mapping[str, Size]:
        """By layer: what this process holds itself."""
        return await self._stores.memory.sizes(None)

    async def counts(self, tenant: str | None) -> Mapping[tuple[str, str], int]:
        """By layer and what is counted, of a tenant or of all."""
        return await self._stores.statistics.read(tenant)

    async def sizes(self, tenant: str | None) -> Mapping[str, Size]:
        """By layer, of a tenant or of all."""
        if self._stores.shared is not None:
            try:
                return await self._stores.shared.sizes(tenant)
            except CacheUnavailable:
                pass  # away: what this process holds is what is left
        return await self._stores.memory.sizes(tenant)
