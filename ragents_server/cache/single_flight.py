"""Single flight: of callers that want the same thing at once, one makes it and all get it.

In a process, a flight is a task of its own, so that whoever boarded first may leave; it ends with its last rider.
Between processes, one leads under a lease that it renews; when it dies the lease ends, and another one leads.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Hashable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from ragents_server.cache.stores import CacheUnavailable, Key
from ragents_server.execution import Execution, current_execution

T = TypeVar("T")
LEASE = 2.0  # seconds that a leader may be silent
RENEWAL = 0.5  # seconds


@dataclass(eq=False, slots=True)
class _Flight(Generic[T]):
    execution: Execution
    items: list[T] = field(default_factory=list)
    error: BaseException | None = None
    ended: bool = False
    riders: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None

    def tell(self) -> None:
        self.news.set()
        self.news = asyncio.Event()


class Flights(Generic[T]):
    """Streams that are made once for all who want them; every rider gets all items, from the first on."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[T]] = {}

    async def ride(self, key: Hashable, start: Callable[[], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        """The stream's items, as they come; an exception ends it for all who ride, and is forgotten then."""
        flight, execution = self._flights.get(key), current_execution()
        if flight is None:
            flight = self._flights[key] = _Flight[T](execution.child())
            flight.task = asyncio.create_task(self._fly(key, flight, start), name="flight")
        flight.riders += 1
        flight.execution.board(execution)
        try:
            at = 0
            while True:
                news = flight.news
                while at < len(flight.items):
                    yield flight.items[at]
                    at += 1
                if flight.ended:
                    break
                if news is flight.news:
                    await news.wait()
            if flight.error is not None:
                raise flight.error
        finally:
            flight.riders -= 1
            flight.execution.leave(execution)
            if not flight.riders and not flight.ended:
                await self._end(key, flight)

    def is_flying(self, key: Hashable) -> bool:
        """Whether somebody makes this already."""
        return key in self._flights

    async def _fly(self, key: Hashable, flight: _Flight[T], start: Callable[[], AsyncGenerator[T, None]]) -> None:
        try:
            with flight.execution:
                async with aclosing(start()) as items:
                    async for item in items:
                        flight.items.append(item)
                        flight.tell()
        except Exception as error:  # noqa: BLE001 - raised again in every rider
            flight.error = error
        finally:
            flight.ended = True
            self._forget(key, flight)
            flight.tell()

    async def _end(self, key: Hashable, flight: _Flight[T]) -> None:
        self._forget(key, flight)
        if flight.task is not None:
            flight.task.cancel()
            await asyncio.wait([flight.task])

    def _forget(self, key: Hashable, flight: _Flight[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


class Leases(Protocol):
    """Who leads, among processes. Raises CacheUnavailable."""

    async def take(self, key: Key, token: str, seconds: float) -> bool:
        """Whether the lease is now the token's."""
        ...

    async def renew(self, key: Key, token: str, seconds: float) -> bool:
        """Whether it still is, for so many seconds more."""
        ...

    async def release(self, key: Key, token: str) -> None:
        """Ends the token's lease."""
        ...

    async def held(self, key: Key) -> bool:
        """Whether anybody leads."""
        ...


@asynccontextmanager
async def leading(leases: Leases | None, key: Key) -> AsyncIterator[bool]:
    """Whether this process leads, as long as the block lasts; where nobody can tell, everyone does."""
    token = secrets.token_hex(8)
    try:
        taken = leases is not None and await leases.take(key, token, LEASE)
    except CacheUnavailable:
        leases, taken = None, False
    if leases is None or not taken:
        yield leases is None
        return
    renewing = asyncio.create_task(_renew(leases, key, token), name="renewing the lead")
    try:
        yield True
    finally:
        renewing.cancel()
        await asyncio.wait([renewing])
        with suppress(CacheUnavailable):
            await leases.release(key, token)


async def _renew(leases: Leases, key: Key, token: str) -> None:
    """Until it is cancelled, or another leads: then both go on, and store the same."""
    with suppress(CacheUnavailable):
        while True:
            await asyncio.sleep(RENEWAL)
            if not await leases.renew(key, token, LEASE):
                return
