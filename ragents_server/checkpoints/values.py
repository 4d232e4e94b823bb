"""A channel's value in parts that are stored once: the lists that grow are cut so that few of them ever change.

A list of n items is cut at the places that its length written in base 8 names: 400 items are 6 parts of 64 and 2 of 8.
So an appended item is one new part, eight parts of a size become one of the next, and an item is written again only
once for each of the sizes. Where the cuts are depends on nothing but the length: any replica makes the same ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.serde.types import _DeltaSnapshot

from ragents_server.checkpoints.fingerprints import Fingerprint, fingerprint
from ragents_server.checkpoints.memory import Held, Memory
from ragents_server.checkpoints.rows import Found, typed, untyped
from ragents_server.checkpoints.seals import Seal
from ragents_server.checkpoints.serde import Serializer, Unreadable

INLINE = 256  # bytes; smaller values stand in the checkpoint itself
BASE, LARGEST = 8, 8**4  # items of a part
WHOLE, LIST, SNAPSHOT = 0, 1, 2  # how a value is made of its parts

Pieces = Mapping[bytes, Any]  # parts' values by digest
Shape = tuple[int, Sequence[int]]  # one of these, and the places of the parts among the checkpoint's digests


def cuts(count: int) -> Iterator[tuple[int, int]]:
    """The parts of a list of so many items, each from one place to another."""
    start, size = 0, LARGEST
    while size:
        for _ in range((count - start) // size):
            yield start, start + size
            start += size
        size //= BASE


@dataclass(slots=True)
class Parts:
    """What a checkpoint refers to, while it is put together."""

    digests: list[bytes] = field(default_factory=list)
    fresh: dict[bytes, bytes] = field(default_factory=dict)  # of which the store may know nothing yet
    learned: list[tuple[bytes, bytes]] = field(default_factory=list)  # fingerprint and digest, once they are stored

    def place(self, digest: bytes) -> int:
        """Where it stands among the digests."""
        if digest not in self.digests:
            self.digests.append(digest)
        return self.digests.index(digest)


class Values:
    """The values of one thread's channels, to parts and back."""

    def __init__(self, thread: str, serde: Serializer, seal: Seal, memory: Memory) -> None:
        self._thread = thread
        self._serde = serde
        self._seal = seal
        self._memory = memory

    def cut(self, value: Any, parts: Parts) -> Shape | None:
        """How the value is made of parts; None where it is small. Raises InvalidRequest."""
        shape, whole = WHOLE, value
        if type(value) is list:
            shape = LIST
        elif type(value) is _DeltaSnapshot and type(value.value) is list:
            shape, whole = SNAPSHOT, value.value
        pieces = [whole[start:stop] for start, stop in cuts(len(whole))] if shape != WHOLE else [whole]
        prints = [fingerprint(piece, self._serde) for piece in pieces]
        if sum(one.size for one in prints) < INLINE and type(value) is not bytearray:
            return None
        return shape, [self._store(*one, parts) for one in zip(pieces, prints, strict=True)]

    def _store(self, piece: Any, known: Fingerprint, parts: Parts) -> int:
        digest = self._memory.digest(self._thread, known.digest)
        if digest is None:
            stored = typed(*self._serde.dumps_typed(piece))
            digest = self._seal.digest(self._thread, stored)
            parts.fresh[digest] = stored
            parts.learned.append((known.digest, digest))
        return parts.place(digest)

    def held(self, found: Found) -> Pieces | None:
        """The parts that were not read; None where memory holds one of them no longer, or it was changed there."""
        held = {}
        for digest in found.row.parts():
            if digest not in found.parts:
                items = self._held(digest)
                if items is None:
                    return None
                held[digest] = items
        return held

    def pieces(self, found: Found, held: Pieces) -> Pieces:
        """The parts' values, those read and those `held`. Raises Unreadable."""
        digests = found.row.parts()
        if any(digest not in found.parts and digest not in held for digest in digests):
            raise Unreadable("a part is missing")
        return {digest: held[digest] if digest in held else self._read(found, digest) for digest in digests}

    def join(self, shape: Shape, found: Found, pieces: Pieces) -> Any:
        """The value again, of objects that other readers may have too. Raises Unreadable."""
        how, places = shape
        digests = found.row.parts()
        try:
            several = [pieces[digests[place]] for place in places]
            if how == WHOLE:
                return list(several[0]) if type(several[0]) is list else several[0]
            items = [item for piece in several for item in piece]  # a new list: the pieces stay what they are
        except (LookupError, TypeError):
            raise Unreadable("refers to nothing") from None
        return items if how == LIST else _DeltaSnapshot(items)

    def _held(self, digest: bytes) -> Sequence[Any] | None:
        held = self._memory.items(self._thread, digest)
        if held is None or held.allowed != self._serde.allowed:
            return None
        if fingerprint(held.items, self._serde).digest == held.fingerprint:
            return held.items
        self._memory.release(self._thread, digest)  # somebody changed an item in place
        return None

    def _read(self, found: Found, digest: bytes) -> Any:
        stored = found.parts[digest]
        if self._seal.digest(self._thread, stored) != digest:
            raise Unreadable("a part was changed")
        piece = self._serde.loads_typed(untyped(stored))
        known = fingerprint(piece, self._serde)
        self._memory.learn(self._thread, known.digest, digest)
        if type(piece) is list and known.whole:  # else a change to what is not in the fingerprint would not be seen
            self._memory.hold(self._thread, digest, Held(piece, known.digest, known.size, self._serde.allowed))
        return piece
