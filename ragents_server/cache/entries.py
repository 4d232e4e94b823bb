"""An entry's bytes: the value with what it is and whose, so that whatever is read can be checked."""

import zstandard
from google.protobuf.message import DecodeError

from ragents_server.cache.stores import Key, Origin
from ragents_server.stored.v1.entry_pb2 import Entry

SCHEMA = 1
MAX_VALUE = 16 * 2**20  # bytes of a value when inflated; larger ones are not kept
COMPRESSED_FROM = 4096  # bytes; below, a reader's time is worth more than the bytes
PAYS = 0.9  # a value that stays larger than this share of itself is kept as it is

_compressor = zstandard.ZstdCompressor(level=3)  # writes the inflated size into the frame
_inflater = zstandard.ZstdDecompressor(max_window_size=2**24)


class Unreadable(Exception):
    """The bytes are no entry of this key and this release."""


def pack(entry: Entry, *, compress: bool) -> bytes:
    """The bytes to store; the value compressed where that pays."""
    if not compress or len(entry.value) < COMPRESSED_FROM:
        return entry.SerializeToString()
    compressed = _compressor.compress(entry.value)
    if len(compressed) > PAYS * len(entry.value):
        return entry.SerializeToString()
    packed = Entry()
    packed.CopyFrom(entry)
    packed.inflated, packed.value = len(entry.value), compressed
    return packed.SerializeToString()


def unpack(key: Key, stored: bytes) -> Entry:
    """The entry with its value inflated; Unreadable for another key's, another release's, or garbage."""
    entry = Entry()
    try:
        entry.ParseFromString(stored)
    except DecodeError:
        raise Unreadable("no entry") from None
    if entry.schema != SCHEMA:
        raise Unreadable("of another release")
    if (entry.tenant, entry.layer, entry.digest) != key:
        raise Unreadable("of another key")
    if entry.inflated:
        entry.value, entry.inflated = _inflate(entry.value, entry.inflated), 0
    return entry


def _inflate(value: bytes, size: int) -> bytes:
    """The frame's own header decides how much is allocated, so it is read before."""
    try:
        if not 0 < size <= MAX_VALUE or zstandard.frame_content_size(value) != size:
            raise Unreadable("of another size than it says")
        return _inflater.decompress(value)
    except zstandard.ZstdError:
        raise Unreadable("not compressed as it says") from None


def origin(entry: Entry) -> Origin:
    """What the entry was made from."""
    return Origin(tuple(entry.collections), tuple(entry.documents))
