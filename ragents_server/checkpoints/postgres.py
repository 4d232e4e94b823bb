"""Checkpoints in PostgreSQL, embedded or yours: a put is one statement, shared with whoever puts meanwhile."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Hashable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
from asyncpg import Record

from ragents_server.checkpoints.codec import Place, to_json
from ragents_server.checkpoints.committer import GroupCommit
from ragents_server.checkpoints.fences import Fence
from ragents_server.checkpoints.rows import Found, Row, WriteRow
from ragents_server.checkpoints.saver import Saver
from ragents_server.checkpoints.stores import Listing, Put, Writes
from ragents_server.connections.postgres import is_unavailable
from ragents_server.connections.statements import Connection, Pool, read_statements
from ragents_server.errors import LeaseLost

BATCH = 64  # items of one statement
READS = 16  # checkpoints of one statement, as each may be large
QUEUE = 1024  # items that wait; further callers wait too
PAGE = 50  # checkpoints of one read

LOST = "Another replica goes on with the thread"

_Get: TypeAlias = tuple[Place, Sequence[bytes]]  # and the digests of the parts that are held


@asynccontextmanager
async def open_postgres_saver(pool: Pool, *, keep: int | None = 10, key: bytes = b"") -> AsyncIterator[Saver]:
    """A saver over tables that the migrations have made; at the end of the block what waits is still written.

    A failure of the database comes as asyncpg raises it.
    """
    store = PostgresStore(pool)
    async with store.running():
        yield Saver(store, keep=keep, key=key)


async def delete_threads(connection: Connection, threads: Sequence[str]) -> None:
    """Leaves nothing of what these threads remember, within the caller's transaction."""
    await connection.execute(_sql("delete"), threads)


def _sql(*names: str) -> str:
    """Statements in parts: some go on from what another has found."""
    texts = read_statements("ragents_server.checkpoints", "checkpoints")
    return "\n".join(texts[name] for name in names)


class PostgresStore:
    """Plays `Store`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._put = _sql("put")
        self._get = _sql("get", "whole")
        self._items: GroupCommit[Put | Writes, bool] = GroupCommit(
            self._execute, size=BATCH, queue=QUEUE, keys=_keys, weight=_weight, undone=_is_undone
        )
        # Who reads the same thread may hold other parts of it: those of a statement are held by all that it is for.
        self._gets: GroupCommit[_Get, Found | None] = GroupCommit(
            self._execute_gets, size=READS, queue=QUEUE, keys=lambda get: (get[0].thread,), undone=_is_undone
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Reads and writes inside the block, and what waits at its end."""
        async with self._items.running(), self._gets.running():
            yield

    async def put(self, put: Put) -> bool:
        """With all that goes with it: the fence, the run's end, retention."""
        return await self._items.submit(put)

    async def put_writes(self, writes: Writes) -> None:
        """In the same statement as puts."""
        await self._items.submit(writes)

    async def get(self, place: Place, held: Sequence[bytes]) -> Found | None:
        """In one statement, shared with whoever reads other threads meanwhile."""
        return await self._gets.submit((place, held))

    async def list(self, listing: Listing) -> AsyncGenerator[Found, None]:
        """In pages."""
        sql, left, last = _sql("list", "whole"), listing.limit, None
        before = listing.before or Place("", "", None)
        contained = to_json(listing.filter) if listing.filter else None
        while left is None or left > 0:
            size = PAGE if left is None else min(left, PAGE)
            rows = await self._pool.fetch(
                sql,
                [],
                listing.thread,
                listing.ns,
                listing.id,
                contained,
                before.id,
                before.thread,
                before.ns,
                last,
                size,
            )
            for row in rows:
                yield _found(row)
            if len(rows) < size:
                break
            last = rows[-1]["n"]
            left = left - len(rows) if left is not None else None

    async def line(self, place: Place) -> AsyncGenerator[Found, None]:
        """In pages, each of which goes on with the parent of the last."""
        sql, seen = _sql("line", "whole"), set[str]()
        while True:
            rows = await self._pool.fetch(sql, [], *place, PAGE)
            for row in rows:
                if row["id"] in seen:  # only where somebody else has written
                    return
                seen.add(row["id"])
                yield _found(row)
            if len(rows) < PAGE or rows[-1]["parent"] is None:
                return
            place = place._replace(id=rows[-1]["parent"])

    async def delete(self, threads: Sequence[str], fence: Fence | None) -> None:  # noqa: ARG002 - the row is the fence
        """In one statement."""
        await self._pool.execute(_sql("delete"), threads)

    async def delete_runs(self, runs: Sequence[str]) -> None:
        """Looks at all checkpoints there are."""
        await self._pool.execute(_sql("delete_runs"), runs)

    async def prune(self, threads: Sequence[str]) -> None:
        """In one statement."""
        await self._pool.execute(_sql("prune"), sorted(set(threads)))

    async def rewind(self, thread: str, checkpoint: str | None, fence: Fence | None) -> bool:
        """In one statement, which moves the thread's head as well where it is fenced."""
        token = fence.token if fence is not None else None
        verdict = await self._pool.fetchval(_sql("rewind"), thread, checkpoint, token)
        if verdict == "lost":
            raise LeaseLost(LOST)
        return bool(verdict == "rewound")

    async def _execute(self, items: Sequence[Put | Writes]) -> Sequence[bool | Exception]:
        puts = [item for item in items if isinstance(item, Put)]
        several = [item for item in items if isinstance(item, Writes)]
        answers = await self._pool.fetch(self._put, *_of_puts(puts), *_of_writes(several))
        verdicts = {answer["item"]: answer["verdict"] for answer in answers if answer["lease"] is None}
        lost = {(answer["item"], answer["lease"]) for answer in answers}
        return [
            _outcome(verdicts[item.encoded.row.thread])
            if isinstance(item, Put)
            else item.fence is None or (item.fence.thread, item.fence.token) not in lost or LeaseLost(LOST)
            for item in items
        ]

    async def _execute_gets(self, several: Sequence[_Get]) -> Sequence[Found | None]:
        held = [digest for _, digests in several for digest in digests]
        rows = await self._pool.fetch(self._get, held, *_columns([place for place, _ in several], Place._fields))
        found = {row["place"]: _found(row) for row in rows}
        return [found.get(number) for number in range(1, len(several) + 1)]


def _of_puts(puts: Sequence[Put]) -> list[list[Any]]:
    parts = [(put.encoded.row.thread, *part) for put in puts for part in put.encoded.parts.items()]
    return [
        *_columns([put.encoded.row for put in puts], Row.__slots__),
        [put.encoded.needs for put in puts],
        [put.keep for put in puts],
        [put.fence.token if put.fence else None for put in puts],
        [put.fence.run if put.fence else None for put in puts],
        [put.ending.outcome if put.ending else None for put in puts],
        *([part[at] for part in parts] for at in range(3)),
    ]


def _of_writes(several: Sequence[Writes]) -> list[list[Any]]:
    tokens = [writes.fence.token if writes.fence else None for writes in several for _ in writes.rows]
    return [*_columns([row for writes in several for row in writes.rows], WriteRow.__slots__), tokens]


def _outcome(verdict: str) -> bool | Exception:
    return LeaseLost(LOST) if verdict == "refused" else verdict == "put"


def _columns(rows: Sequence[Row] | Sequence[WriteRow] | Sequence[Place], names: Sequence[str]) -> list[list[Any]]:
    return [[getattr(row, name) for row in rows] for name in names]


def _found(record: Record) -> Found:
    fields = {name: record[name] for name in Row.__slots__}
    row = Row(**(fields | {"digests": b"".join(record["digests"])}))
    columns = (record[name] or () for name in ("tasks", "idxs", "paths", "channels", "bodies", "tags"))
    writes = [WriteRow(row.thread, row.ns, row.id, *values) for values in zip(*columns, strict=True)]
    return Found(row, writes, dict(zip(record["parts"] or (), record["contents"] or (), strict=True)))


def _keys(item: Put | Writes) -> Collection[Hashable]:
    """One checkpoint of a thread at a time, and one call of a task: rows of the same name are not for one statement."""
    if isinstance(item, Put):
        return (item.encoded.row.thread,)
    first = item.rows[0]
    return ((first.thread, first.ns, first.checkpoint, first.task),)


def _weight(item: Put | Writes) -> int:
    if isinstance(item, Put):
        return len(item.encoded.row.body) + sum(map(len, item.encoded.parts.values()))
    return sum(len(row.body) for row in item.rows)


def _is_undone(error: Exception) -> bool:
    """The server refused the statement as a whole, for one of them perhaps, and stays."""
    if isinstance(error, asyncpg.LockNotAvailableError):
        return True
    return isinstance(error, asyncpg.PostgresError) and not is_unavailable(error)
