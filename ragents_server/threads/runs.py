"""Runs as they are stored: looked for, taken under a lease, ended; what many ask for at once is one statement."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeAlias

from ragents_client.v1.agent_pb2 import (
    RUN_STATE_ANSWERED,
    RUN_STATE_CANCELLED,
    RUN_STATE_INTERRUPTED,
    RUN_STATE_UNSPECIFIED,
    Run,
    RunState,
    Turn,
)
from ragents_client.v1.event_pb2 import Event
from ragents_server.caller import Caller, from_text, to_text
from ragents_server.checkpoints.committer import GroupCommit
from ragents_server.connections.postgres import is_refused
from ragents_server.connections.statements import Pool, read_statements
from ragents_server.threads.request import TurnRequest

LEASE = 3.0  # seconds that a run's replica may be silent before another one goes on with it
BATCH, QUEUE = 256, 4096  # asked for in one statement; that may wait
OVER = frozenset({RUN_STATE_INTERRUPTED, RUN_STATE_ANSWERED, RUN_STATE_CANCELLED})  # for good

_Asked: TypeAlias = Sequence[Any]  # a statement's arguments for one of those that ask
_Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """A run that is there; `outcome` is a Run with nothing else set."""

    id: str
    digest: bytes
    state: "RunState.ValueType"
    outcome: Run


@dataclass(frozen=True, slots=True)
class Look:
    """What is there for a request: its thread, its run, and the run that replied to the same interrupt before it."""

    thread: bool
    agent: str
    token: int | None
    leased: bool
    latest: str | None  # the thread's latest run
    latest_state: "RunState.ValueType"
    run: Known | None
    replied: tuple[str, Turn] | None
    seq: int  # of the event that tells the outcome, where there is one


@dataclass(frozen=True, slots=True)
class Taken:
    """The lease of a thread, for one attempt of a run."""

    key: str
    run: str
    token: int
    base: str | None  # the checkpoint that the last answered turn ended with
    attempt: int
    seq: int  # of the last event that earlier attempts stored
    kept: bool  # the database has that checkpoint


@dataclass(frozen=True, slots=True)
class Orphan:
    """A detached run whose replica has gone."""

    caller: Caller
    turn: Turn


class Runs:
    """The runs of all callers."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = read_statements("ragents_server.threads", "runs")
        self._looks: GroupCommit[_Asked, _Row] = GroupCommit(partial(self._read, "look"), size=BATCH, queue=QUEUE)
        self._gets: GroupCommit[_Asked, _Row] = GroupCommit(partial(self._read, "get"), size=BATCH, queue=QUEUE)
        self._takes: GroupCommit[_Asked, Taken | None] = GroupCommit(
            self._take, size=BATCH, queue=QUEUE, keys=lambda asked: (asked[0], asked[6]), undone=is_refused
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What is asked for at once is asked in one statement; `look`, `take` and `get` work inside the block."""
        async with self._looks.running(), self._gets.running(), self._takes.running():
            yield

    async def look(self, request: TurnRequest) -> Look:
        """What is there now; it may be another thing a moment later, which `take` notices."""
        row = await self._looks.submit((request.key, request.run_id, request.reply_to))
        run = _known(row) if row["id"] is not None else None
        replied = None if row["replied"] is None else (row["replied"], Turn.FromString(row["replied_turn"]))
        return Look(
            thread=row["key"] is not None,
            agent=row["agent"] or "",
            token=row["token"],
            leased=bool(row["leased"]),
            latest=row["latest"],
            latest_state=row["latest_state"] or RUN_STATE_UNSPECIFIED,
            run=run,
            replied=replied,
            seq=row["seq"] or 0,
        )

    async def take(self, request: TurnRequest, look: Look, *, agent: str, title: str) -> Taken | None:
        """The thread's lease with the run begun or begun again, committed; None when somebody was faster."""
        taking = (
            request.key,
            request.caller.tenant,
            request.caller.user,
            request.thread_id,
            agent,
            title,
            request.run_id,
            look.token,
            request.digest,
            request.turn.SerializeToString(deterministic=True),
            to_text(request.caller),
            request.reply_to,
            request.turn.detached,
        )
        return await self._takes.submit(taking)

    async def finish(self, taken: Taken, state: "RunState.ValueType", outcome: Run, *, base: str | None = None) -> bool:
        """Ends the attempt and gives the lease back, in one transaction; False when the lease was lost or it had ended.

        `base` is the checkpoint that an answered turn ended with.
        """
        arguments = (taken.key, taken.token, taken.run, state, outcome.SerializeToString(), base)
        return await self._pool.fetchval(self._sql["finish"], *arguments) is not None

    async def restart(self, run: str, attempt: int) -> int | None:
        """The number of a new attempt after this one, so that what was told is void; None: somebody else is at it."""
        following: int | None = await self._pool.fetchval(self._sql["restart"], run, attempt)
        return following

    async def release(self, taken: Taken) -> None:
        """Gives the lease back; the run stays as it is, for somebody to go on with."""
        await self._pool.execute(self._sql["release"], taken.key, taken.token)

    async def cancel(self, key: str, run: str, outcome: Run) -> None:
        """Ends a run for good, wherever it is under way; nothing when it is over."""
        await self._pool.execute(self._sql["cancel"], key, run, outcome.SerializeToString())

    async def get(self, caller: Caller, run: str) -> tuple[Run, str] | None:
        """A run of the caller's, and what its thread is stored under."""
        row = await self._gets.submit((run, caller.tenant, caller.user))
        return None if row["key"] is None else (to_run(row), row["key"])

    async def orphans(self, most: int = 10) -> list[Orphan]:
        """Detached runs that nobody is at."""
        rows = await self._pool.fetch(self._sql["orphans"], most)
        return [_orphan(row) for row in rows]

    async def _read(self, name: str, asked: Sequence[_Asked]) -> list[_Row]:
        """A row for each."""
        rows: list[_Row] = await self._pool.fetch(self._sql[name], *_columns(asked))
        return rows

    async def _take(self, several: Sequence[_Asked]) -> list[Taken | None]:
        rows = await self._pool.fetch(self._sql["take"], *_columns(several), timedelta(seconds=LEASE))
        taken = {row["key"]: row for row in rows}
        return [_taken(taken[one[0]], one[6]) if one[0] in taken else None for one in several]


def _columns(rows: Sequence[_Asked]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _taken(row: _Row, run: str) -> Taken:
    return Taken(row["key"], run, row["token"], row["base"], row["attempt"], row["seq"] or 0, row["kept"])


def to_run(row: Mapping[str, Any]) -> Run:
    """A row as the contract has it."""
    turn = Turn.FromString(row["turn"])
    run = Run.FromString(row["outcome"] or b"")
    run.id, run.state, run.thread_id, run.request_id = row["id"], row["state"], row["thread_id"], turn.request_id
    run.agent = turn.agent or row["thread_agent"]
    _set_time(run.create_time, row["create_time"])
    _set_time(run.update_time, row["update_time"])
    return run


def _known(row: Mapping[str, Any]) -> Known:
    return Known(row["id"], row["digest"], row["state"], Run.FromString(row["outcome"] or b""))


def _orphan(row: Mapping[str, Any]) -> Orphan:
    turn = Turn.FromString(row["turn"])
    return Orphan(from_text(row["caller"]), turn)


def _set_time(field: Any, value: datetime) -> None:
    field.FromDatetime(value)


def last_event(outcome: Run, seq: int) -> Event:
    """The event that ends a run."""
    if outcome.HasField("interrupt"):
        return Event(seq=seq, interrupt=outcome.interrupt)
    return Event(seq=seq, answer=outcome.answer)
