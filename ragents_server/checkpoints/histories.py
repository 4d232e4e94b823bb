"""What delta channels are rebuilt from: a stored value, and the writes that came after it."""

from collections.abc import Iterable, Mapping
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple, DeltaChannelHistory, PendingWrite

from ragents_server.checkpoints.rows import Row
from ragents_server.errors import CheckpointCorrupt


class Histories:
    """Of some channels, collected from one ancestor after the other, the nearest first."""

    def __init__(self, channels: Iterable[str]) -> None:
        self._writes: dict[str, list[PendingWrite]] = {channel: [] for channel in channels}
        self._seeds: dict[str, Any] = {}
        self.wanted = set(self._writes)  # those whose value has not been found yet
        self._missing = False

    def begin(self, row: Row) -> None:
        """The checkpoint itself, whose own writes are not in it yet."""
        self._missing = row.open and row.parent is not None

    def add(self, ancestor: CheckpointTuple, row: Row) -> None:
        """The writes to an ancestor made its child, so those of the one with the value count as well."""
        for write in reversed(ancestor.pending_writes or ()):
            if write[1] in self.wanted:
                self._writes[write[1]].append(write)
        values = ancestor.checkpoint["channel_values"]
        for channel in self.wanted & values.keys():
            self._seeds[channel] = values[channel]
            self.wanted.discard(channel)
        self._missing = row.open and row.parent is not None  # for as long as that does not come

    def result(self) -> Mapping[str, DeltaChannelHistory]:
        """The oldest write first. Raises CheckpointCorrupt where an ancestor is missing that was needed."""
        if self.wanted and self._missing:
            raise CheckpointCorrupt("A checkpoint that others are rebuilt from is missing")
        histories: dict[str, DeltaChannelHistory] = {}
        for channel, writes in self._writes.items():
            histories[channel] = {"writes": writes[::-1]}
            if channel in self._seeds:
                histories[channel]["seed"] = self._seeds[channel]
        return histories
