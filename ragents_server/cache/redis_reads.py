"""Reads that wait at the same time share one MGET: a round trip costs more than a key in it.

The first reader of an idle store asks at once, by itself. Those who come while a request is under way gather, and a
task of the connection's, not of any caller's, asks for them all: whoever is cancelled leaves the others alone.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any

from ragents_server.connections.redis import Redis, RedisRefused, RedisUnavailable

MOST_KEYS = 256  # in one MGET
MOST_WAITING = 10_000

CLOSED = "the connections to Redis were closed"
KINDS = {bytes, type(None)}

Reader = tuple[str, "asyncio.Future[bytes | None]"]


class Reads:
    """Values by name, of many callers at once."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._slots: dict[int, _Slot] = {}  # a single server has one, a cluster at most 16,384

    def get(self, name: str) -> Awaitable[bytes | None]:
        """The value. Raises RedisUnavailable or RedisRefused, here or when it is awaited."""
        number = self._redis.slot(name)
        slot = self._slots.get(number)
        if slot is None:
            slot = self._slots[number] = _Slot(self._redis)
        return slot.join(name) if slot.under_way else slot.alone(name)


class _Slot:
    """Readers of keys that one MGET may name."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting = deque[Reader]()
        self.under_way = False  # a request; one at a time: the more share the next one, the less each costs

    async def alone(self, name: str) -> bytes | None:
        """What is stored there, by a request of its own."""
        self.under_way = True
        try:
            return _checked([await self._redis.call(name, "GET", name)], 1)[0]
        finally:
            self.under_way = False
            self._go_on()

    def join(self, name: str) -> "asyncio.Future[bytes | None]":
        """The same, by the next request that is shared."""
        if len(self._waiting) >= MOST_WAITING:
            raise RedisUnavailable("too many reads wait")
        found: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((name, found))
        return found

    def _go_on(self) -> None:
        if self._waiting:
            self.under_way = True
            self._redis.spawn(self._read()).add_done_callback(self._ended)

    async def _read(self) -> None:
        """Until nobody waits."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(MOST_KEYS, len(self._waiting)))]
            try:
                names = [name.encode() for name, _ in batch]  # bytes are packed sooner
                _share(batch, await self._redis.call(batch[0][0], "MGET", *names))
            except (RedisUnavailable, RedisRefused) as error:
                _fail(batch, error)
            finally:
                _fail(batch, RedisUnavailable(CLOSED))  # whoever has not been told yet

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """Here rather than in the task: one that is cancelled before it begins runs nothing."""
        self.under_way = False
        if task.cancelled():
            _fail(self._waiting, RedisUnavailable(CLOSED))
            self._waiting.clear()
        else:
            self._go_on()  # for those who came after its last look


def _checked(values: Any, number: int) -> list[bytes | None]:
    """So many values, whatever came."""
    if not isinstance(values, list) or len(values) != number or not set(map(type, values)) <= KINDS:
        raise RedisUnavailable("the reply to a read has another form")
    return values


def _share(batch: Sequence[Reader], values: Any) -> None:
    """To each reader its own."""
    for (_, found), value in zip(batch, _checked(values, len(batch)), strict=True):
        if not found.done():  # else its caller was cancelled
            found.set_result(value)


def _fail(batch: Iterable[Reader], error: Exception) -> None:
    for _, found in batch:
        if not found.done():
            found.set_exception(error)
            found.exception()  # seen: a caller that is cancelled right now never looks
