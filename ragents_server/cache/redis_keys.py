"""Names of what the cache keeps in Redis: a tenant's entries spread over 16 slots, each with its indexes beside it."""

import re
from functools import lru_cache
from hashlib import blake2b

from ragents_server.cache.stores import LAYERS, Key

PREFIX = "ragents:1:"  # 1: of this form of names and values
SHARDS = "0123456789abcdef"
ENTRY = re.compile(rf"ragents:1:\{{[0-9a-f]{{16}}:[0-9a-f]\}}:({'|'.join(LAYERS)}):[0-9a-f]+")
INDEX = re.compile(r"ragents:1:\{[0-9a-f]{16}:[0-9a-f]\}:[cd]:.*", re.DOTALL)
SPECIAL = re.compile(r"([\\*?\[\]])")  # in SCAN's patterns


@lru_cache(maxsize=4096)
def hashed(tenant: str) -> str:
    """What stands for a tenant: names of tenants may be long, and hold anything."""
    return blake2b(tenant.encode(), digest_size=8).hexdigest()


def tag(tenant: str, shard: str) -> str:
    """What the names of one slot begin with."""
    return f"{PREFIX}{{{hashed(tenant)}:{shard}}}"


def entry(key: Key) -> str:
    """The entry's name; its shard is the digest's first digit."""
    digest = key.digest.hex()
    return f"{PREFIX}{{{hashed(key.tenant)}:{digest[0]}}}:{key.layer}:{digest}"


def lease(key: Key) -> str:
    """The name of the lead in making the entry, in the entry's slot."""
    digest = key.digest.hex()
    return f"{tag(key.tenant, digest[0])}:lease:{key.layer}:{digest}"


def of_collection(start: str, collection: str) -> str:
    """The index of a collection's entries in one slot."""
    return f"{start}:c:{collection}"


def of_document(start: str, document: str) -> str:
    """The index of a document's entries in one slot."""
    return f"{start}:d:{document}"


def start_of(name: str) -> str:
    """What the names of this one's slot begin with."""
    return name[: name.index("}") + 1]


def counts(tenant: str | None) -> str:
    """Where a tenant's look-ups are counted, or those of all together."""
    return f"{PREFIX}{{{'all' if tenant is None else hashed(tenant)}}}:counts"


def layer_of(name: str) -> str:
    """The layer, where this is an entry's name; else nothing."""
    found = ENTRY.fullmatch(name)
    return found[1] if found else ""


def pattern(tenant: str | None, rest: str) -> str:
    """What SCAN matches: names of one tenant, or of all, that go on like this."""
    return f"{PREFIX}{{{'*' if tenant is None else hashed(tenant)}:?}}:{rest}"


def literal(text: str) -> str:
    """A text inside a pattern."""
    return SPECIAL.sub(r"\\\1", text)
