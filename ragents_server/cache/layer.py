"""One layer of the cache: this process's memory in front of the shared store, every entry checked as it is read."""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from google.protobuf.message import DecodeError

from ragents_server.cache.clearings import Clearings
from ragents_server.cache.entries import MAX_VALUE, SCHEMA, Unreadable, origin, pack, unpack
from ragents_server.cache.memory import Memory
from ragents_server.cache.statistics import Statistics
from ragents_server.cache.stores import LAYERS, CacheUnavailable, Key, Origin, Store
from ragents_server.signals import span
from ragents_server.stored.v1.entry_pb2 import Entry

log = logging.getLogger(__name__)
T = TypeVar("T")
DIGEST = re.compile("[0-9a-f]{32}")


class Hit(NamedTuple, Generic[T]):
    """What was found: the value, its age in seconds, and the state of the collections it was stored with."""

    value: T
    age: float
    epochs: bytes


@dataclass(frozen=True, slots=True)
class Stores:
    """What all layers share."""

    memory: Memory
    shared: Store | None  # None: this process's memory is all there is
    clearings: Clearings
    statistics: Statistics


class Layer:
    """Values of one kind, by tenant and digest, for `seconds` at most; `compress` is for the shared store."""

    def __init__(
        self,
        name: str,
        stores: Stores,
        *,
        seconds: float,
        compress: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.seconds = seconds
        self._stores = stores
        self._remembers = stores.memory.keeps(name)
        self._compress = compress
        self._clock = clock

    def slot(self, tenant: str, digest: bytes) -> "Slot":
        """The place of one value. Take it before the value is made: a clearing from now on drops what is put there."""
        return Slot(self, Key(tenant, self.name, digest), self._stores.clearings.number)

    async def find(self, key: Key, read: Callable[[bytes], T], *, counted: bool) -> Hit[T] | None:
        """What is stored there, where it can be used; `read` raises ValueError or DecodeError for what it cannot."""
        with span("cache", layer=self.name) as told:
            hit = self._in_memory(key, read) if self._remembers else None
            hit = hit or await self._in_shared(key, read)
            told.set(hit=hit is not None)
        if counted:
            self._stores.statistics.count(key.tenant, self.name, "misses" if hit is None else "hits")
        return hit

    async def keep(self, key: Key, entry: Entry) -> None:
        """Stores the entry in both places; what cannot be stored is only counted."""
        if len(entry.value) > MAX_VALUE:
            return
        of = origin(entry)
        self._stores.memory.keep(key, pack(entry, compress=False), self.seconds, of)
        if self._stores.shared is None:
            return
        try:
            await self._stores.shared.put(key, pack(entry, compress=self._compress), self.seconds, of)
        except CacheUnavailable as error:
            self._failed(key, error)

    def new_entry(self, key: Key, value: bytes, of: Origin, *, clearing: int, epochs: bytes) -> Entry:
        """An entry that is made now."""
        return Entry(
            schema=SCHEMA,
            tenant=key.tenant,
            layer=key.layer,
            digest=key.digest,
            made_ms=int(self._clock() * 1000),
            clearing=clearing,
            collections=of.collections,
            documents=of.documents,
            epochs=epochs,
            value=value,
        )

    def _in_memory(self, key: Key, read: Callable[[bytes], T]) -> Hit[T] | None:
        stored = self._stores.memory.look(key)
        found = None if stored is None else self._usable(key, stored, read)
        if stored is not None and found is None:
            self._stores.memory.forget(key)
        return None if found is None else found[1]

    async def _in_shared(self, key: Key, read: Callable[[bytes], T]) -> Hit[T] | None:
        shared = self._stores.shared
        if shared is None:
            return None
        try:
            stored = await shared.get(key)
            if stored is None:
                return None
            found = self._usable(key, stored, read)
            if found is None:
                await shared.delete(key)
                return None
        except CacheUnavailable as error:
            self._failed(key, error)
            return None
        entry, hit = found
        if self._remembers:
            self._stores.memory.keep(key, stored, self.seconds - hit.age, origin(entry))
        return hit

    def _usable(self, key: Key, stored: bytes, read: Callable[[bytes], T]) -> tuple[Entry, Hit[T]] | None:
        """What the bytes hold, unless they are another's, garbage, cleared or too old."""
        try:
            entry = unpack(key, stored)
            value = read(entry.value)
        except (Unreadable, DecodeError, ValueError) as error:
            self._failed(key, error)
            return None
        age = max(0.0, self._clock() - entry.made_ms / 1000)
        if age >= self.seconds or self._is_cleared(key, entry):
            return None
        return entry, Hit(value, age, entry.epochs)

    def _is_cleared(self, key: Key, entry: Entry) -> bool:
        clearings = self._stores.clearings
        return entry.clearing < clearings.number and clearings.drop(key, origin(entry), entry.clearing)

    def _failed(self, key: Key, error: Exception) -> None:
        self._stores.statistics.count(key.tenant, self.name, "errors")
        log.debug("cache, layer %s: %s", self.name, error)


class Slot(NamedTuple):
    """The place of one value; `clearing` is the last one known when it was taken."""

    layer: Layer
    key: Key
    clearing: int

    @property
    def entry_id(self) -> str:
        """The entry's name for callers."""
        return f"{self.key.layer}-{self.key.digest.hex()}"

    async def get(self, read: Callable[[bytes], T]) -> Hit[T] | None:
        """What is stored, where it can be used; `read` makes it of the value's bytes, or raises ValueError."""
        return await self.layer.find(self.key, read, counted=True)

    async def peek(self, read: Callable[[bytes], T]) -> Hit[T] | None:
        """The same, without counting a look-up."""
        return await self.layer.find(self.key, read, counted=False)

    async def put(self, value: bytes, of: Origin = Origin(), *, epochs: bytes = b"") -> None:  # noqa: B008 - immutable
        """Stores the value."""
        made = self.layer.new_entry(self.key, value, of, clearing=self.clearing, epochs=epochs)
        await self.layer.keep(self.key, made)


def entry_key(tenant: str, entry_id: str) -> Key | None:
    """The key of an entry by its name for callers, which is of this tenant alone; None for what is no name."""
    layer, _, digest = entry_id.partition("-")
    if layer not in LAYERS or not DIGEST.fullmatch(digest):
        return None
    return Key(tenant, layer, bytes.fromhex(digest))
