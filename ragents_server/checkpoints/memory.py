"""What this replica remembers of the parts of threads' states, so that neither side sends or decodes them again.

Nothing here is believed: a database is asked whether it still has a part that is referred to, and a value is used only
while its fingerprint is what it was when it was read.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_BYTES = 64 * 2**20
MOST_KNOWN = 512  # parts of a thread of which the digest is known
MOST_HELD = 64  # parts of a thread of which the items are held; each is named in each read of it
ENTRY = 200  # bytes, about, that anything remembered costs beside its items
OBJECTS = 4  # items in memory are about so many times larger than packed


@dataclass(frozen=True, slots=True)
class Held:
    """The items of a part of a list as they were decoded, and their fingerprint then."""

    items: Sequence[Any]
    fingerprint: bytes
    size: int
    allowed: frozenset[tuple[str, ...]]  # the serializer's; another one decodes to other objects


@dataclass(slots=True)
class _Thread:
    known: "OrderedDict[bytes, bytes]" = field(default_factory=OrderedDict)
    held: "OrderedDict[bytes, Held]" = field(default_factory=OrderedDict)
    size: int = ENTRY


class Memory:
    """Of the threads used last, as many as there is room for."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._threads: OrderedDict[str, _Thread] = OrderedDict()
        self._size = 0

    def digest(self, thread: str, fingerprint: bytes) -> bytes | None:
        """The digest of what is stored of a value with this fingerprint."""
        found = self._threads.get(thread)
        return found.known.get(fingerprint) if found is not None else None

    def learn(self, thread: str, fingerprint: bytes, digest: bytes) -> None:
        """Remembers that the store has it."""
        with_it = self._thread(thread)
        if fingerprint not in with_it.known:
            self._grow(with_it, ENTRY)
        with_it.known[fingerprint] = digest
        with_it.known.move_to_end(fingerprint)
        if len(with_it.known) > MOST_KNOWN:
            with_it.known.popitem(last=False)
            self._grow(with_it, -ENTRY)
        self._shrink()

    def held(self, thread: str, allowed: frozenset[tuple[str, ...]]) -> list[bytes]:
        """The digests of the parts that need not be read."""
        found = self._threads.get(thread)
        return [digest for digest, one in found.held.items() if one.allowed == allowed] if found is not None else []

    def items(self, thread: str, digest: bytes) -> Held | None:
        """What is held of a part; to be compared with its fingerprint before it is used."""
        found = self._threads.get(thread)
        if found is None or digest not in found.held:
            return None
        found.held.move_to_end(digest)
        return found.held[digest]

    def hold(self, thread: str, digest: bytes, held: Held) -> None:
        """Remembers what was decoded."""
        self.release(thread, digest)
        with_it = self._thread(thread)
        with_it.held[digest] = held
        self._grow(with_it, ENTRY + OBJECTS * held.size)
        if len(with_it.held) > MOST_HELD:
            self.release(thread, next(iter(with_it.held)))
        self._shrink()

    def release(self, thread: str, digest: bytes) -> None:
        """Forgets the items: they have changed."""
        found = self._threads.get(thread)
        if found is not None and (held := found.held.pop(digest, None)) is not None:
            self._grow(found, -ENTRY - OBJECTS * held.size)

    def forget(self, thread: str) -> None:
        """Forgets the thread: it is gone, or the store has less of it than was known."""
        found = self._threads.pop(thread, None)
        if found is not None:
            self._size -= found.size

    def _thread(self, thread: str) -> _Thread:
        found = self._threads.get(thread)
        if found is None:
            found = self._threads[thread] = _Thread()
            self._size += found.size
        self._threads.move_to_end(thread)
        return found

    def _grow(self, thread: _Thread, by: int) -> None:
        thread.size += by
        self._size += by

    def _shrink(self) -> None:
        while self._size > self._most and self._threads:
            self.forget(next(iter(self._threads)))
