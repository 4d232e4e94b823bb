"""Proof that bytes are what was stored, and where: digests of parts, tags of rows; keyed where there is a key."""

import hmac
from hashlib import blake2b

import ormsgpack

SIZE = 16  # bytes of a digest or tag

Field = str | bytes | int | bool | None


class Seal:
    """Without a key it proves that nothing was damaged or swapped by accident; with one, that nobody else wrote it."""

    def __init__(self, key: bytes = b"") -> None:
        self._key = blake2b(key, digest_size=32, person=b"ragents state").digest() if key else b""

    def digest(self, thread: str, content: bytes) -> bytes:
        """The name of a part of a thread's state: the same bytes in another thread have another."""
        return self._hash(b"part", (thread, content))

    def tag(self, *fields: Field) -> bytes:
        """What a row of these fields must carry."""
        return self._hash(b"row", fields)

    def holds(self, tag: bytes, *fields: Field) -> bool:
        """Whether the row is as it was written."""
        return hmac.compare_digest(tag, self.tag(*fields))

    def _hash(self, kind: bytes, fields: tuple[Field, ...]) -> bytes:
        """Msgpack writes each field after its type and length: no two series of fields are the same bytes."""
        return blake2b(ormsgpack.packb(fields), digest_size=SIZE, key=self._key, person=kind).digest()
