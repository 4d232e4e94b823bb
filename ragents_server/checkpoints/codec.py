"""A checkpoint of LangGraph to what is stored, and back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    PendingWrite,
)

from ragents_server.checkpoints.fingerprints import fingerprint
from ragents_server.checkpoints.memory import Memory
from ragents_server.checkpoints.rows import FORMAT, Found, Row, WriteRow, typed, untyped
from ragents_server.checkpoints.seals import Seal
from ragents_server.checkpoints.serde import Serializer, Unreadable
from ragents_server.checkpoints.values import Parts, Pieces, Shape, Values
from ragents_server.errors import CheckpointCorrupt, CheckpointTooNew, InvalidRequest


class Place(NamedTuple):
    """Where a checkpoint is, or is looked for; without an id the latest."""

    thread: str
    ns: str
    id: str | None

    @classmethod
    def of(cls, config: RunnableConfig) -> "Place":
        """What LangGraph asks for. Raises InvalidRequest for names that cannot be stored."""
        names = config["configurable"]
        return cls(
            named(str(names["thread_id"])),
            named(names.get("checkpoint_ns") or ""),
            named(names.get("checkpoint_id") or "") or None,
        )

    @property
    def config(self) -> RunnableConfig:
        """As LangGraph names it."""
        names = {"thread_id": self.thread, "checkpoint_ns": self.ns, "checkpoint_id": self.id}
        return {"configurable": names}


def named(text: str) -> str:
    """A name as it is. Raises InvalidRequest for what no database takes as text."""
    if "\0" in text or not _is_unicode(text):
        raise InvalidRequest("a thread or checkpoint has a name that is no text")
    return text


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Encoded:
    """A checkpoint to put: its row, the parts that the store may lack, and what to learn once it is stored."""

    row: Row
    parts: Mapping[bytes, bytes]
    learned: Sequence[tuple[bytes, bytes]]

    @property
    def size(self) -> int:
        """Bytes that are sent to the store."""
        return len(self.row.body) + sum(len(part) for part in self.parts.values())

    @property
    def needs(self) -> bytes:
        """The digests of the parts that the store must have."""
        return b"".join(digest for digest in self.row.parts() if digest not in self.parts)


class Codec:
    """Reads and writes with one serializer."""

    def __init__(self, serde: Serializer, seal: Seal, memory: Memory) -> None:
        self._serde = serde
        self._seal = seal
        self._memory = memory

    def encode(self, place: Place, checkpoint: Checkpoint, metadata: CheckpointMetadata) -> Encoded:
        """`place` is the parent's. Raises InvalidRequest for what cannot be stored as it is."""
        values, parts = self._values(place.thread), Parts()
        small: dict[str, Any] = {}
        shapes: dict[str, Shape] = {}
        for channel, value in checkpoint["channel_values"].items():
            shape = values.cut(value, parts)
            if shape is None:
                small[channel] = value
            else:
                shapes[channel] = shape
        rest = {name: value for name, value in checkpoint.items() if name != "channel_values"}
        fingerprint(rest, self._serde)  # for what it refuses
        body = bytes((FORMAT,)) + typed(*self._serde.dumps_typed((rest, small, shapes)))
        row = Row(
            place.thread,
            place.ns,
            named(checkpoint["id"]),
            place.id,
            metadata.get("parents", {}).get("") if place.ns else None,
            _is_open(checkpoint, metadata),
            to_json(metadata),
            b"".join(parts.digests),
            body,
        )
        return Encoded(row.sealed(self._seal), parts.fresh, parts.learned)

    def held(self, found: Found) -> Pieces | None:
        """The parts that were not read; None where they have to be, as memory does not hold them as they were."""
        return self._values(found.row.thread).held(found)

    def decode(self, found: Found, held: Pieces | None = None) -> CheckpointTuple:
        """The checkpoint, of the parts that were read and those `held`.

        Raises CheckpointCorrupt, having run nothing that the bytes may name, or CheckpointTooNew.
        """
        row = found.row
        if not row.holds(self._seal) or not row.body:
            raise CheckpointCorrupt("A checkpoint is not as it was saved")
        if row.body[0] > FORMAT:
            raise CheckpointTooNew("A checkpoint was saved by a newer release")
        place = Place(row.thread, row.ns, row.id)
        try:
            checkpoint = self._checkpoint(found, held or {})
            metadata = cast("CheckpointMetadata", json.loads(row.metadata))
            parent = place._replace(id=row.parent).config if row.parent else None
            return CheckpointTuple(place.config, checkpoint, metadata, parent, self.pending(found.writes))
        except (Unreadable, ValueError, TypeError) as error:
            raise CheckpointCorrupt("A checkpoint cannot be read") from error

    def encode_writes(
        self, place: Place, writes: Sequence[tuple[str, Any]], task: str, path: str
    ) -> Sequence[WriteRow]:
        """Raises InvalidRequest for what cannot be stored as it is."""
        rows: dict[int, WriteRow] = {}
        for number, (channel, value) in enumerate(writes):
            fingerprint(value, self._serde)  # for what it refuses
            idx = WRITES_IDX_MAP.get(channel, number)
            body = typed(*self._serde.dumps_typed(value))
            row = WriteRow(place.thread, place.ns, place.id or "", named(task), idx, named(path), named(channel), body)
            rows[idx] = row.sealed(self._seal)
        return list(rows.values())

    def pending(self, writes: Sequence[WriteRow]) -> list[PendingWrite]:
        """In the order in which LangGraph applies them. Raises CheckpointCorrupt."""
        if not all(write.holds(self._seal) for write in writes):
            raise CheckpointCorrupt("A write to a channel is not as it was saved")
        try:
            return [
                (write.task, write.channel, self._serde.loads_typed(untyped(write.body)))
                for write in sorted(writes, key=lambda write: write.order)
            ]
        except Unreadable as error:
            raise CheckpointCorrupt("A write to a channel cannot be read") from error

    def _values(self, thread: str) -> Values:
        return Values(thread, self._serde, self._seal, self._memory)

    def _checkpoint(self, found: Found, held: Pieces) -> Checkpoint:
        rest, small, shapes = self._serde.loads_typed(untyped(found.row.body[1:]))
        values = self._values(found.row.thread)
        pieces = values.pieces(found, held)
        large = {channel: values.join(shape, found, pieces) for channel, shape in shapes.items()}
        return cast("Checkpoint", {**rest, "channel_values": {**small, **large}})


def _is_open(checkpoint: Checkpoint, metadata: CheckpointMetadata) -> bool:
    """A channel that was never written has no version, and nothing to rebuild."""
    versions, values = checkpoint["channel_versions"], checkpoint["channel_values"]
    deltas = metadata.get("counters_since_delta_snapshot") or {}
    return any(channel in versions and channel not in values for channel in deltas)


def to_json(metadata: Mapping[str, Any]) -> str:
    """What JSON and PostgreSQL's idea of it have in common. Raises InvalidRequest."""
    try:
        text = json.dumps(metadata, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"the metadata of a checkpoint is no JSON: {error}") from error
    if "\\u0000" in text or "\\ud" in text:
        text = json.dumps(_clean(metadata), separators=(",", ":"))
    return text


def _clean(value: Any) -> Any:
    """Without NUL, and with a question mark for each lone surrogate: only people read such text."""
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return {_clean(key): _clean(one) for key, one in value.items()}
    return [_clean(one) for one in value] if isinstance(value, list | tuple) else value
