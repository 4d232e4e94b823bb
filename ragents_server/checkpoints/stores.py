"""What a saver needs of the database or the Redis in which it keeps its rows."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ragents_server.checkpoints.codec import Encoded, Place
from ragents_server.checkpoints.fences import Ending, Fence
from ragents_server.checkpoints.rows import Found, WriteRow


@dataclass(frozen=True, slots=True)
class Put:
    """A checkpoint to put."""

    encoded: Encoded
    fence: Fence | None = None
    ending: Ending | None = None
    keep: int | None = None  # checkpoints of its thread that may stay; None: all


@dataclass(frozen=True, slots=True)
class Writes:
    """What one task wrote to channels, to put."""

    rows: Sequence[WriteRow]
    fence: Fence | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Which checkpoints are asked for; None: any."""

    thread: str | None = None
    ns: str | None = None
    id: str | None = None
    filter: Mapping[str, Any] | None = None  # what their metadata must contain
    before: Place | None = None
    limit: int | None = None


class Store(Protocol):
    """Rows and parts, whatever is in them. Raises StateUnavailable, or the driver's own errors where it is away."""

    async def put(self, put: Put) -> bool:
        """False where parts that are referred to are missing: nothing was stored. Raises LeaseLost."""
        ...

    async def put_writes(self, writes: Writes) -> None:
        """Adds them; those with an idx below zero replace others. Raises LeaseLost."""
        ...

    async def get(self, place: Place, held: Sequence[bytes]) -> Found | None:
        """The checkpoint, without the parts that are held."""
        ...

    def list(self, listing: Listing) -> AsyncGenerator[Found]:
        """The newest first."""
        ...

    def line(self, place: Place) -> AsyncGenerator[Found]:
        """The checkpoint, its parent, the parent's parent and so on."""
        ...

    async def delete(self, threads: Sequence[str], fence: Fence | None) -> None:
        """Whole threads; inside a fence whoever has an older one can put nothing there any more."""
        ...

    async def delete_runs(self, runs: Sequence[str]) -> None:
        """The checkpoints whose metadata names one of these runs."""
        ...

    async def prune(self, threads: Sequence[str]) -> None:
        """All but what the threads need to go on."""
        ...

    async def rewind(self, thread: str, checkpoint: str | None, fence: Fence | None) -> bool:
        """Drops what came after this checkpoint of the root graph; False where there is none such."""
        ...
