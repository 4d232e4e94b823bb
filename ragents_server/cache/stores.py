"""The role `store`: the bytes of entries by key, bounded in bytes and in age, and free to forget."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

LAYERS = ("embedding", "retrieval", "rewrite", "answer")


class CacheUnavailable(Exception):
    """The store is away, busy or not understood; a look-up is then a miss."""


class Key(NamedTuple):
    """What an entry is of; `digest` (16 bytes) is over everything that its value depends on."""

    tenant: str
    layer: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Origin:
    """What an entry was made from: names of collections, ids of documents."""

    collections: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """Which entries to drop: all that is set must match."""

    tenant: str | None = None  # None: of all tenants
    layers: tuple[str, ...] = LAYERS
    collection: str = ""
    document: str = ""
    digest: bytes = b""  # one entry


@dataclass(frozen=True, slots=True)
class Size:
    """What is stored."""

    entries: int = 0
    bytes: int = 0

    def plus(self, entries: int, size: int) -> "Size":
        """With so much more."""
        return Size(self.entries + entries, self.bytes + size)


class Store(Protocol):
    """Where entries are kept. A store that is away raises CacheUnavailable, within a bounded time."""

    async def get(self, key: Key) -> bytes | None:
        """The entry's bytes."""
        ...

    async def put(self, key: Key, entry: bytes, seconds: float, origin: Origin) -> None:
        """Keeps the entry for so many seconds at most."""
        ...

    async def delete(self, key: Key) -> None:
        """Forgets the entry."""
        ...

    async def drop(self, scope: Scope) -> int:
        """Forgets what the scope names; the number of entries."""
        ...

    async def drop_documents(self, documents: Sequence[tuple[str, str]]) -> int:
        """Forgets what was made from these documents, each a tenant and an id; the number of entries."""
        ...

    async def sizes(self, tenant: str | None) -> Mapping[str, Size]:
        """What is stored of a tenant, or of all of them, by layer."""
        ...


class Counts(Protocol):
    """Where look-ups are counted."""

    async def add(self, counts: Iterable[tuple[str, str, str, int]]) -> None:
        """Adds rows of tenant, layer, what is counted and how many."""
        ...

    async def read(self, tenant: str | None) -> Mapping[tuple[str, str], int]:
        """The sums by layer and what is counted, of a tenant or of all of them."""
        ...
