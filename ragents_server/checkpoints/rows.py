"""What is stored: a checkpoint, the writes that wait on it, and parts of values that many checkpoints refer to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ragents_server.checkpoints.seals import SIZE, Field, Seal
from ragents_server.checkpoints.serde import Unreadable

FORMAT = 1  # of a body, in its first byte; what tags are made of never changes


@dataclass(frozen=True, slots=True)
class Row:
    """A checkpoint: what is looked at by the store, and a body that only a codec reads."""

    thread: str
    ns: str
    id: str
    parent: str | None
    root: str | None  # of a subgraph's checkpoint: the root graph's one that it was made under
    open: bool  # channels of it are rebuilt from what was written to its parent
    metadata: str  # JSON
    digests: bytes  # of the parts it refers to, one after the other
    body: bytes
    tag: bytes = b""

    def sealed(self, seal: Seal) -> "Row":
        """The same with its tag."""
        return replace(self, tag=seal.tag(*self._fields()))

    def holds(self, seal: Seal) -> bool:
        """Whether it is as it was written."""
        return seal.holds(self.tag, *self._fields())

    def parts(self) -> list[bytes]:
        """The digests."""
        return [self.digests[at : at + SIZE] for at in range(0, len(self.digests), SIZE)]

    def _fields(self) -> tuple[Field, ...]:
        head = (self.thread, self.ns, self.id, self.parent, self.root, self.open)
        return "checkpoint", *head, self.metadata, self.digests, self.body


@dataclass(frozen=True, slots=True)
class WriteRow:
    """One value that a task wrote to a channel after a checkpoint."""

    thread: str
    ns: str
    checkpoint: str
    task: str
    idx: int  # below zero: the next one of the same replaces it
    path: str
    channel: str
    body: bytes
    tag: bytes = b""

    def sealed(self, seal: Seal) -> "WriteRow":
        """The same with its tag."""
        return replace(self, tag=seal.tag(*self._fields()))

    def holds(self, seal: Seal) -> bool:
        """Whether it is as it was written."""
        return seal.holds(self.tag, *self._fields())

    @property
    def order(self) -> tuple[str, str, int]:
        """As LangGraph applies them."""
        return self.path, self.task, self.idx

    def _fields(self) -> tuple[Field, ...]:
        key = (self.thread, self.ns, self.checkpoint, self.task, self.idx)
        return "write", *key, self.path, self.channel, self.body


@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint as it was read, with its writes and those of its parts that were asked for, by digest."""

    row: Row
    writes: Sequence[WriteRow]
    parts: Mapping[bytes, bytes]


def typed(kind: str, content: bytes) -> bytes:
    """A serializer's kind and bytes in one."""
    name = kind.encode()
    return bytes((len(name),)) + name + content


def untyped(stored: bytes) -> tuple[str, bytes]:
    """Both again. Raises Unreadable."""
    try:
        end = 1 + stored[0]
        return stored[1:end].decode("ascii"), stored[end:]
    except (IndexError, UnicodeDecodeError):
        raise Unreadable("without a kind") from None
