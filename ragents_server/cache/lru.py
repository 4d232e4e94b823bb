"""A map of bounded bytes whose entries grow old: the least recently used makes room."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
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
    """At most `size` bytes by the sizes its entries are put in with; `evicted` is told of what makes room or is old."""

    def __init__(
        self,
        size: int,
        *,
        evicted: Callable[[K, V], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.size = size
        self.bytes = 0
        self._evicted = evicted
        self._clock = clock
        self._kept: OrderedDict[K, _Kept[V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

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
            oldest, kept = next(iter(self._kept.items()))
            self.pop(oldest)
            if self._evicted is not None:
                self._evicted(oldest, kept.value)

    def pop(self, key: K) -> V | None:
        """Forgets the entry; its value."""
        kept = self._kept.pop(key, None)
        if kept is None:
            return None
        self.bytes -= kept.size
        return kept.value

    def items(self) -> Iterator[tuple[K, V]]:
        """All entries that are not too old; the map must not change meanwhile."""
        now = self._clock()
        return ((key, kept.value) for key, kept in self._kept.items() if kept.until > now)
