"""The events of runs, so that a run can be followed on any replica: appended in batches, not fsynced, read on.

A replica tells its callers an event when it is stored, so that whoever goes on with the run knows all that was told.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any

from ragents_client.v1.agent_pb2 import Run, RunState
from ragents_client.v1.event_pb2 import Event
from ragents_server.checkpoints.committer import GroupCommit
from ragents_server.connections.postgres import is_refused
from ragents_server.connections.statements import Pool, read_statements
from ragents_server.errors import LeaseLost
from ragents_server.stored.v1.events_pb2 import Events

BATCH, QUEUE = 256, 4096  # appends, or looks, in one statement; that may wait


@dataclass(frozen=True, slots=True)
class Append:
    """Events of one attempt from `seq` on; `outcome` stands for one that tells the run's outcome, which the run has."""

    run: str
    attempt: int
    seq: int
    events: Sequence[Event]
    outcome: bool = False

    @property
    def last(self) -> int:
        """The number of the last one."""
        return self.seq if self.outcome else self.seq + len(self.events) - 1


@dataclass(frozen=True, slots=True)
class Seen:
    """A run, and what came after an event of it; `leased`: somebody is at it."""

    state: "RunState.ValueType"
    outcome: Run
    leased: bool
    events: tuple[Event, ...]  # the outcome is not among them
    outcome_seq: int  # 0: not told yet


class EventLog:
    """Appends and follows."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = read_statements("ragents_server.threads", "events")
        self._appends = GroupCommit[Append, None](self._append, size=BATCH, queue=QUEUE, undone=is_refused)
        self._looks = GroupCommit[tuple[str, int], Seen | None](self._watch, size=BATCH, queue=QUEUE)

    async def append(self, append: Append) -> None:
        """Stores events. Raises LeaseLost where the run is at another attempt, or gone."""
        await self._appends.submit(append)

    async def watch(self, run: str, after: int) -> Seen | None:
        """The run with up to some hundred events after `after`; None where there is none. One read for all who ask."""
        return await self._looks.submit((run, after))

    async def expire(self, seconds: float, most: int = 100) -> None:
        """Drops the events of some runs that ended so long ago."""
        await self._pool.execute(self._sql["expire"], timedelta(seconds=seconds), most)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Appends and looks inside the block; at its end what was asked for before is stored."""
        async with self._looks.running(), self._appends.running():
            yield

    async def _append(self, batch: Sequence[Append]) -> list[Exception | None]:
        rows = [(one.run, one.attempt, one.seq, one.last, _bytes(one)) for one in batch]
        columns = (list(column) for column in zip(*rows, strict=True))
        stored = {(row["run"], row["seq"]) for row in await self._pool.fetch(self._sql["append"], *columns)}
        lost = LeaseLost("another replica goes on with the run, or it was deleted")
        return [None if (one.run, one.seq) in stored else lost for one in batch]

    async def _watch(self, batch: Sequence[tuple[str, int]]) -> list[Seen | None]:
        runs, afters = zip(*batch, strict=True)
        rows = await self._pool.fetch(self._sql["watch"], runs, afters)
        found = {number: list(group) for number, group in groupby(rows, lambda row: row["n"])}
        return [_seen(found[at], after) for at, (_, after) in enumerate(batch, 1)]


def _bytes(append: Append) -> bytes:
    return b"" if append.outcome else Events(events=append.events).SerializeToString()


def _seen(rows: Sequence[Any], after: int) -> Seen | None:
    first = rows[0]
    if first["state"] is None:
        return None
    told = [event for row in rows if row["events"] for event in Events.FromString(row["events"]).events]
    return Seen(
        state=first["state"],
        outcome=Run.FromString(first["outcome"] or b""),
        leased=bool(first["leased"]),
        events=tuple(event for event in told if event.seq > after),
        outcome_seq=first["outcome_seq"] or 0,
    )
