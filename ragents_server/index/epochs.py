"""Which state a collection is in, so that a cache knows whether what it holds is still right.

An epoch ends with every change of a collection's documents; its name, 16 random bytes, never comes again, not even in
a database that was restored or made anew. It is read from the database and then trusted under a lease, counted from
sending the read; a call that changes documents returns no earlier than one lease after its commit. So a call that
begins after it never trusts an epoch from before the change, whatever is cut or slow.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from asyncpg import Record

from ragents_server.index.statements import Pool, statements

LEASE = 0.25  # seconds; every replica must trust as long as the others wait
MANY = 10_000  # epochs held, from which on those past their lease are forgotten

NOWHERE = bytes(16)  # the epoch of a collection that is not there

Place = tuple[str, str]  # tenant and collection


# A clock that nobody sets and that, where the system has such a one, goes on while it is suspended.
steady = partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic


class ClearingRow(NamedTuple):
    """A clearing of caches as it is stored; an empty string or digest means any, no tenant all of them."""

    number: int
    tenant: str | None
    layers: tuple[str, ...]
    collection: str
    document: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class _Seen:
    epoch: bytes
    sent: float  # when the read was sent


@dataclass(eq=False, slots=True)
class _Read:
    """One read for all who wait."""

    places: set[Place] = field(default_factory=set)
    done: "asyncio.Future[dict[Place, bytes]]" = field(default_factory=asyncio.Future)


class Epochs:
    """The epochs of all collections. `alone` says that no other process uses this database.

    `learn` is told of clearings before anyone trusts a read that knows of them.
    """

    def __init__(
        self,
        pool: Pool,
        learn: Callable[[Sequence[ClearingRow]], Awaitable[None]],
        *,
        alone: bool,
        lease: float = LEASE,
        clock: Callable[[], float] = steady,
    ) -> None:
        self._pool = pool
        self._learn = learn
        self._alone = alone
        self._lease = lease
        self._clock = clock
        self._seen: dict[Place, _Seen] = {}
        self._forgotten = float("-inf")  # no read that was sent before is trusted
        self._clearing = 0
        self._next: _Read | None = None
        self._reader: asyncio.Task[None] | None = None

    def trusted(self, tenant: str, collections: Iterable[str]) -> bytes | None:
        """The state of the collections, in their order, where all are under a lease."""
        least = self._clock() - self._lease
        epochs = b""
        for name in collections:
            seen = self._seen.get((tenant, name))
            if seen is None or seen.sent <= least:
                return None
            epochs += seen.epoch
        return epochs

    async def current(self, tenant: str, collections: Sequence[str]) -> bytes:
        """The state of the collections, in their order, at some time after every change that had been told before."""
        if (epochs := self.trusted(tenant, collections)) is not None:
            return epochs
        if self._next is None:
            self._next = _Read()
        read = self._next
        read.places.update((tenant, name) for name in collections)
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read_on(), name="reading epochs")
        found = await asyncio.shield(read.done)
        return b"".join(found[tenant, name] for name in collections)

    async def settle(self) -> None:
        """Returns when nobody trusts an epoch from before this call; every change of documents ends with it."""
        self._forgotten = self._clock()
        self._seen.clear()
        if not self._alone:
            await asyncio.sleep(self._lease)

    async def aclose(self) -> None:
        """Ends the read under way."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])

    async def _read_on(self) -> None:
        """One read after the other, while anybody waits; whoever comes during one gets the next."""
        while (read := self._next) is not None:
            self._next = None
            try:
                read.done.set_result(await self._read(read.places))
            except Exception as error:  # noqa: BLE001 - raised again in all who wait
                read.done.set_exception(error)
                read.done.exception()  # seen: everyone who waited may have left
            finally:
                read.done.cancel()  # nothing when it is done

    async def _read(self, places: Iterable[Place]) -> dict[Place, bytes]:
        tenants, names = zip(*places, strict=True)
        sent = self._clock()
        rows = await self._pool.fetch(statements("epochs")["read"], tenants, names)
        await self._learn_of(rows[0]["clearing"] or 0)
        found = {(row["tenant"], row["name"]): row["state"].bytes if row["state"] else NOWHERE for row in rows}
        if sent > self._forgotten:
            self._forget_old(sent)
            self._seen.update((place, _Seen(epoch, sent)) for place, epoch in found.items())
        return found

    async def _learn_of(self, clearing: int) -> None:
        if clearing <= self._clearing:
            return
        rows: list[Record] = await self._pool.fetch(statements("clearings")["since"], self._clearing)
        told = [ClearingRow(**{**row, "layers": tuple(row["layers"])}) for row in rows]
        await self._learn(told)
        self._clearing = max([clearing, *(row.number for row in told)])

    def _forget_old(self, now: float) -> None:
        if len(self._seen) > MANY:
            self._seen = {place: seen for place, seen in self._seen.items() if seen.sent > now - self._lease}


@asynccontextmanager
async def open_epochs(
    pool: Pool, learn: Callable[[Sequence[ClearingRow]], Awaitable[None]], *, alone: bool
) -> AsyncIterator[Epochs]:
    """The epochs, until the block ends."""
    epochs = Epochs(pool, learn, alone=alone)
    try:
        yield epochs
    finally:
        await epochs.aclose()
