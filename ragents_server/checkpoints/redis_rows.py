"""What the scripts are told of a checkpoint or a write, and what they tell: names, JSON, and packed rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import ormsgpack

from ragents_server.checkpoints.codec import Place
from ragents_server.checkpoints.rows import Found, Row, WriteRow
from ragents_server.checkpoints.seals import SIZE
from ragents_server.connections.redis import Argument
from ragents_server.errors import CheckpointCorrupt

PREFIX = "ragents:state:"
KINDS = ("t", "i", "c", "s", "w")  # facts, index, rows, parts, writes
ANY_INDEX = f"{PREFIX}{{*}}:*:i"  # what SCAN matches


def keys(thread: str) -> list[str]:
    """The thread's keys, of one slot whatever is in its name."""
    start = f"{PREFIX}{{{blake2b(thread.encode(), digest_size=8).hexdigest()}}}:{thread}"
    return [f"{start}:{kind}" for kind in KINDS]


def thread_of(index: str) -> str:
    """The thread of an index."""
    return index[len(PREFIX) + 2 * 8 + 3 : -2]


def name(ns: str, id_: str) -> str:
    """A checkpoint's among those of its thread."""
    return f"{ns}\0{id_}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A checkpoint in its thread's index."""

    place: Place
    n: int
    parent: str | None
    root: str | None


def entries(thread: str, index: Mapping[bytes, bytes] | Sequence[bytes]) -> list[Entry]:
    """All of a thread. Raises CheckpointCorrupt."""
    pairs = index.items() if isinstance(index, Mapping) else zip(index[::2], index[1::2], strict=True)
    try:
        several = []
        for field, seen in pairs:
            ns, id_ = field.decode().split("\0")
            facts = json.loads(seen)
            several.append(Entry(Place(thread, ns, id_), int(facts["n"]), facts["parent"], facts["root"]))
        return several
    except (ValueError, TypeError, LookupError) as error:
        raise CheckpointCorrupt("A thread's checkpoints cannot be listed") from error


def entry(row: Row) -> str:
    """What the scripts look at."""
    seen = {"parent": row.parent, "root": row.root, "open": row.open, "digests": row.digests.hex()}
    return json.dumps(seen)


def packed(row: Row) -> bytes:
    """The rest."""
    return ormsgpack.packb((row.metadata, row.body, row.tag))


def written(write: WriteRow) -> list[Argument]:
    """A write's name, whether it replaces one, and the write."""
    field = f"{name(write.ns, write.checkpoint)}\0{write.task}\0{write.idx}"
    return [field, int(write.idx < 0), ormsgpack.packb((write.path, write.channel, write.body, write.tag))]


def hexes(digests: bytes) -> list[str]:
    """Each digest as the scripts name it."""
    return [digests[at : at + SIZE].hex() for at in range(0, len(digests), SIZE)]


def found(thread: str, ns: str, reply: Any) -> Found:
    """A checkpoint as the script told it. Raises CheckpointCorrupt for what no replica of ours has written."""
    try:
        id_, seen, rest, writes, parts = reply
        facts = json.loads(seen)
        parent, root, digests = (_plain(facts[field], str | None) for field in ("parent", "root", "digests"))
        metadata, body, tag = _fields(rest, str, bytes, bytes)
        return Found(
            Row(
                thread,
                ns,
                id_.decode(),
                parent,
                root,
                facts["open"] is True,
                metadata,
                bytes.fromhex(digests),
                body,
                tag,
            ),
            [_write(thread, *pair) for pair in zip(writes[::2], writes[1::2], strict=True)],
            {bytes.fromhex(digest.decode()): part for digest, part in zip(parts[::2], parts[1::2], strict=True)},
        )
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise CheckpointCorrupt("A checkpoint cannot be read") from error


def _write(thread: str, field: bytes, value: bytes) -> WriteRow:
    ns, checkpoint, task, idx = field.decode().split("\0")
    path, channel, body, tag = _fields(value, str, str, bytes, bytes)
    return WriteRow(thread, ns, checkpoint, task, int(idx), path, channel, body, tag)


def _fields(value: bytes, *kinds: type) -> list[Any]:
    fields = ormsgpack.unpackb(value)
    return [_plain(one, kind) for one, kind in zip(fields, kinds, strict=True)]


def _plain(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError("of another kind")
    return value
