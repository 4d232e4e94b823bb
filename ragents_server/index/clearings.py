"""What was cleared from caches and what has gone from the index, for all replicas to read."""

import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from ragents_server.index.locks import lock_key
from ragents_server.index.statements import Pool, statements

MOST = 1000  # clearings of a tenant; beyond, they are folded into one that clears everything of it
KEPT = timedelta(hours=25)  # no entry is older than a day
REMOVALS_KEPT = timedelta(hours=2)  # nothing made from passages is older than an hour by default
WINDOW = timedelta(minutes=5)  # a removal may be seen so much later than it began: transactions take their time
PAGE = 1000  # removals looked at in one go


class ClearingLog:
    """The numbered clearings."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(
        self,
        tenant: str | None,
        layers: Sequence[str],
        *,
        collection: str = "",
        document: str = "",
        digest: bytes = b"",
        every_layer: Sequence[str],
    ) -> None:
        """Writes a clearing down; committed when this returns. `every_layer` is for a tenant that clears too often."""
        sql = statements("clearings")
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(sql["lock"], lock_key("clearings"))
            number = await connection.fetchval(sql["number"])
            if await connection.fetchval(sql["count"], tenant) >= MOST:
                await connection.execute(sql["fold"], tenant)
                layers, collection, document, digest = every_layer, "", "", b""
            await connection.execute(sql["add"], number, tenant, layers, collection, document, digest)

    async def forget_old(self) -> None:
        """Deletes what no entry is old enough for."""
        await self._pool.execute(statements("clearings")["forget_old"], KEPT)
        await self._pool.execute(statements("removals")["forget_old"], REMOVALS_KEPT)


class Removals:
    """Versions of documents that are gone; each is told once."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._told: set[int] = set()
        self._looked = float("-inf")  # when a look was last seen to its end

    async def fresh(self) -> AsyncIterator[list[tuple[str, str, str]]]:
        """Pages of tenant, document and version of what has gone since the last look; at first, of the last hours.

        A look that is not taken to its end, because something failed, is taken again by the next one.
        """
        now = time.monotonic()
        window = min(REMOVALS_KEPT, WINDOW + timedelta(seconds=min(now - self._looked, REMOVALS_KEPT.total_seconds())))
        seen, last = set[int](), 0
        while True:
            rows = await self._pool.fetch(statements("removals")["recent"], window, last, PAGE)
            yield [(r["tenant"], r["document"].hex, r["version"]) for r in rows if r["number"] not in self._told]
            seen.update(row["number"] for row in rows)
            if len(rows) < PAGE:
                break
            last = rows[-1]["number"]
        self._told, self._looked = seen, now
