"""The store in this process: a bounded map a layer. Embedded it is the cache; elsewhere it stands before Redis."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ragents_server.cache.lru import Lru
from ragents_server.cache.stores import Key, Origin, Scope, Size

OVERHEAD = 600  # bytes of an entry beside its own: key, map and index, as measured
OVERHEAD_OF_DOCUMENT = 150


@dataclass(frozen=True, slots=True)
class _Held:
    entry: bytes
    origin: Origin


class Memory:
    """At most `sizes[layer]` bytes a layer; plays `Store`, and answers without waiting."""

    def __init__(
        self,
        sizes: Mapping[str, int],
        *,
        evicted: Callable[[Key], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._evicted = evicted
        self._layers = {layer: Lru[Key, _Held](size, left=self._left, clock=clock) for layer, size in sizes.items()}
        self._of_document: defaultdict[tuple[str, str], set[Key]] = defaultdict(set)
        self._sizes: dict[tuple[str, str], Size] = {}  # by tenant and layer: to look at every entry would take too long

    def keeps(self, layer: str) -> bool:
        """Whether there is any room for the layer."""
        return self._layers[layer].size > 0

    def look(self, key: Key) -> bytes | None:
        """The entry's bytes, at once."""
        held = self._layers[key.layer].get(key)
        return None if held is None else held.entry

    def keep(self, key: Key, entry: bytes, seconds: float, origin: Origin) -> None:
        """Keeps the entry, at once."""
        self.forget(key)
        size = len(entry) + OVERHEAD + OVERHEAD_OF_DOCUMENT * len(origin.documents)
        layer = self._layers[key.layer]
        if size > layer.size or seconds <= 0:
            return
        for document in origin.documents:
            self._of_document[key.tenant, document].add(key)
        self._measure(key, 1, len(entry))
        layer.put(key, _Held(entry, origin), size, seconds)

    def forget(self, key: Key) -> bool:
        """Forgets the entry, at once; whether there was one."""
        return self._layers[key.layer].pop(key)

    async def get(self, key: Key) -> bytes | None:
        """The entry's bytes."""
        return self.look(key)

    async def put(self, key: Key, entry: bytes, seconds: float, origin: Origin) -> None:
        """Keeps the entry for so many seconds at most."""
        self.keep(key, entry, seconds, origin)

    async def delete(self, key: Key) -> None:
        """Forgets the entry."""
        self.forget(key)

    async def drop(self, scope: Scope) -> int:
        """Forgets what the scope names; the number of entries."""
        return sum(self.forget(key) for key in self._named(scope))

    async def drop_documents(self, documents: Sequence[tuple[str, str]]) -> int:
        """Forgets what was made from these documents, each a tenant and an id; the number of entries."""
        found = {key for document in documents for key in self._of_document.get(document, ())}
        return sum(self.forget(key) for key in found)

    async def sizes(self, tenant: str | None) -> Mapping[str, Size]:
        """What is stored of a tenant, or of all of them, by layer."""
        found = dict.fromkeys(self._layers, Size())
        for (whose, layer), size in self._sizes.items():
            if tenant in {None, whose}:
                found[layer] = found[layer].plus(size.entries, size.bytes)
        return found

    def _named(self, scope: Scope) -> list[Key]:
        """The keys that a scope names; only where it names neither an entry nor a document all are looked at."""
        if scope.tenant is not None and scope.digest:
            keys = [Key(scope.tenant, layer, scope.digest) for layer in scope.layers]
        elif scope.tenant is not None and scope.document:
            keys = list(self._of_document.get((scope.tenant, scope.document), ()))
        else:
            keys = [key for layer in scope.layers for key in self._layers[layer].by_use()]
        return [
            key for key in keys if (held := self._layers[key.layer].peek(key)) and _matches(scope, key, held.origin)
        ]

    def _left(self, key: Key, held: _Held, made_room: bool) -> None:
        """The entry is gone, for whatever reason."""
        self._measure(key, -1, -len(held.entry))
        for document in held.origin.documents:
            keys = self._of_document[key.tenant, document]
            keys.discard(key)
            if not keys:
                del self._of_document[key.tenant, document]
        if made_room:
            self._evicted(key)

    def _measure(self, key: Key, entries: int, size: int) -> None:
        place = key.tenant, key.layer
        self._sizes[place] = self._sizes.get(place, Size()).plus(entries, size)
        if not self._sizes[place].entries:
            del self._sizes[place]


def _matches(scope: Scope, key: Key, origin: Origin) -> bool:
    return (
        scope.tenant in {None, key.tenant}
        and key.layer in scope.layers
        and (not scope.collection or scope.collection in origin.collections)
        and (not scope.document or scope.document in origin.documents)
        and (not scope.digest or scope.digest == key.digest)
    )
