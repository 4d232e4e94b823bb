"""A checkpoint as another thread's: the same bytes under other digests and tags, as those name the thread."""

from collections.abc import Sequence
from dataclasses import replace

from ragents_server.checkpoints.codec import Encoded
from ragents_server.checkpoints.rows import Found, WriteRow
from ragents_server.checkpoints.seals import Seal
from ragents_server.errors import CheckpointCorrupt


def copied(found: Found, thread: str, seal: Seal, *, orphaned: bool = False) -> tuple[Encoded, Sequence[WriteRow]]:
    """What to put. Raises CheckpointCorrupt: what was changed by others must not become right by being copied."""
    row = found.row
    whole = all(
        digest in found.parts and seal.digest(row.thread, found.parts[digest]) == digest for digest in row.parts()
    )
    if not whole or not row.holds(seal) or not all(write.holds(seal) for write in found.writes):
        raise CheckpointCorrupt("A checkpoint is not as it was saved")
    parts = {seal.digest(thread, found.parts[digest]): found.parts[digest] for digest in row.parts()}
    renamed = replace(row, thread=thread, parent=None if orphaned else row.parent, digests=b"".join(parts))
    writes = [replace(write, thread=thread).sealed(seal) for write in found.writes]
    return Encoded(renamed.sealed(seal), parts, ()), writes
