"""A map of bounded bytes whose entries grow old: the least recently used makes room."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class _Kept(Generic[V]):
    value: V
    size: int  # bytes
    until: float  # on the clock


class Lru(Generic[K, V]):
    """At most `size` bytes by the sizes its entries are put in with.

    `left` is told of every entry that is no longer there, and whether it made room for another.
    """

    def __init__(
        self,
        size: int,
        *,
        left: Callable[[K, V, bool], None] = lambda _key, _value, _made_room: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.size = size
        self.bytes = 0
        self._left = left
        self._clock = clock
        self._kept: OrderedDict[K, _Kept[V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value, which is now the most recently used."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.until <= self._clock():
            self.pop(key)
            return None
        self._kept.move_to_end(key)
        return kept.value

    def put(self, key: K, value: V, size: int, seconds: float) -> None:
        """Keeps the value for so many seconds at most; one larger than the whole map is not kept."""
        self.pop(key)
        if size > self.size or seconds <= 0:
            return
        self._kept[key] = _Kept(value, size, self._clock() + seconds)
        self.bytes += size
        while self.bytes > self.size:
            self.pop(next(iter(self._kept)), made_room=True)

    def pop(self, key: K, *, made_room: bool = False) -> bool:
        """Forgets the entry; whether there was one."""
        kept = self._kept.pop(key, None)
        if kept is None:
            return False
        self.bytes -= kept.size
        self._left(key, kept.value, made_room)
        return True

    def peek(self, key: K) -> V | None:
        """The value, whatever its age, without counting as a use."""
        kept = self._kept.get(key)
        return None if kept is None else kept.value

    def by_use(self) -> list[K]:
        """All keys, the least recently used first."""
        return list(self._kept)
