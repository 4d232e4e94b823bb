"""Checkpoints in a plain Redis: core commands and scripts, a thread in one slot, gone when not used for a time."""

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from ragents_server.checkpoints import redis_rows as rows
from ragents_server.checkpoints.codec import Place
from ragents_server.checkpoints.committer import GroupCommit
from ragents_server.checkpoints.fences import Fence
from ragents_server.checkpoints.redis_scripts import Call, Scripts
from ragents_server.checkpoints.rows import Found
from ragents_server.checkpoints.saver import Saver
from ragents_server.checkpoints.stores import Listing, Put, Writes
from ragents_server.connections.redis import Argument, Redis, RedisRefused, RedisUnavailable
from ragents_server.errors import CheckpointCorrupt, LeaseLost, StateUnavailable

__all__ = ["RedisStore", "open_redis_saver"]

BATCH, QUEUE = 64, 1024  # writes in one round trip; that wait
PAGE = 50  # checkpoints of one read
BARRED = 600_000  # milliseconds after a deletion, for whoever has an older lease

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_redis_saver(
    redis: Redis, *, keep: int | None = 10, ttl: float | None = 3600.0, key: bytes = b""
) -> AsyncIterator[Saver]:
    """A saver whose threads last for `ttl` seconds after their last use; None: for ever.

    At the end of the block what waits is still written. It raises StateUnavailable while that Redis is away or refuses.
    """
    store = RedisStore(redis, ttl=ttl)
    async with store.running():
        yield Saver(store, keep=keep, key=key)


class RedisStore:
    """Plays `Store`."""

    def __init__(self, redis: Redis, *, ttl: float | None) -> None:
        self._redis = redis
        self._ttl: Argument = int(ttl * 1000) if ttl is not None else ""
        self._scripts = Scripts(redis)
        self._calls: GroupCommit[Call, Any] = GroupCommit(
            self._execute, size=BATCH, queue=QUEUE, weight=lambda call: call.size
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Writes inside the block, and what waits at its end."""
        async with self._calls.running():
            yield

    async def put(self, put: Put) -> bool:
        """With all that goes with it but the end of a run, which is for a database."""
        row, needs = put.encoded.row, rows.hexes(put.encoded.needs)
        parts = [one for digest, part in put.encoded.parts.items() for one in (digest.hex(), part)]
        keep = put.keep if put.keep is not None else ""
        about = (rows.name(row.ns, row.id), rows.entry(row), rows.packed(row), int(put.ending is not None))
        arguments = (_token(put.fence), self._ttl, keep, *about, len(needs), *needs, *parts)
        return await self._written(Call("put", row.thread, arguments)) == b"put"

    async def put_writes(self, writes: Writes) -> None:
        """In one step."""
        several = [one for row in writes.rows for one in rows.written(row)]
        arguments = (_token(writes.fence), self._ttl, *several)
        await self._written(Call("put_writes", writes.rows[0].thread, arguments))

    async def get(self, place: Place, held: Sequence[bytes]) -> Found | None:
        """In one step, which lets the thread live on."""
        with _available():
            reply = await self._scripts.call(self._read(place, held))
        return rows.found(place.thread, place.ns, reply) if reply is not None else None

    async def list(self, listing: Listing) -> AsyncGenerator[Found, None]:
        """Those of one thread in the order in which they came, those of several by their ids."""
        entries: list[rows.Entry] = []
        async for thread in self._threads(listing.thread):
            entries += _chosen(await self._entries(thread), listing)
        order = _by_n if listing.thread is not None else _by_id
        async for found in self._read_all([entry.place for entry in sorted(entries, key=order, reverse=True)], listing):
            yield found

    async def line(self, place: Place) -> AsyncGenerator[Found, None]:
        """In pages."""
        entries = [entry for entry in await self._entries(place.thread) if entry.place.ns == place.ns]
        by_id = {entry.place.id: entry for entry in entries}
        line: list[Place] = []
        one = by_id.pop(place.id, None) if place.id else max(entries, key=_by_n, default=None)
        while one is not None:
            line.append(one.place)
            one = by_id.pop(one.parent, None)
        async for found in self._read_all(line, Listing()):
            yield found

    async def delete(self, threads: Sequence[str], fence: Fence | None) -> None:
        """One after the other; inside a fence its token stays for a while."""
        for thread in threads:
            await self._written(Call("delete", thread, (_token(fence), BARRED)))

    async def delete_runs(self, runs: Sequence[str]) -> None:
        """Looks at all checkpoints there are."""
        gone: dict[str, list[str]] = defaultdict(list)
        async for found in self.list(Listing()):
            if json.loads(found.row.metadata).get("run_id") in runs:
                gone[found.row.thread].append(rows.name(found.row.ns, found.row.id))
        for thread, names in gone.items():
            await self._written(Call("drop", thread, names))

    async def prune(self, threads: Sequence[str]) -> None:
        """One after the other."""
        for thread in threads:
            await self._written(Call("prune", thread, ()))

    async def rewind(self, thread: str, checkpoint: str | None, fence: Fence | None) -> bool:
        """In one step."""
        arguments = (_token(fence), self._ttl, checkpoint or "")
        return await self._written(Call("rewind", thread, arguments)) == b"rewound"

    async def _written(self, call: Call) -> bytes:
        with _available():
            verdict = await self._calls.submit(call)
        if verdict == b"lost":
            raise LeaseLost("Another replica goes on with the thread")
        return bytes(verdict)

    async def _execute(self, calls: Sequence[Call]) -> Sequence[Any]:
        """A server that is away is felt only by those whose threads it has."""
        servers: dict[str, list[int]] = defaultdict(list)
        for at, call in enumerate(calls):
            servers[self._redis.server(call.keys[0])].append(at)
        replies: list[Any] = [None] * len(calls)
        several = await asyncio.gather(*(self._run([calls[at] for at in places]) for places in servers.values()))
        for places, answers in zip(servers.values(), several, strict=True):
            for at, answer in zip(places, answers, strict=True):
                replies[at] = answer
        return replies

    async def _run(self, calls: Sequence[Call]) -> Sequence[Any]:
        try:
            return await self._scripts.run(calls)
        except RedisRefused as error:
            if len(calls) == 1:
                return [error]
        except RedisUnavailable as error:
            return [error] * len(calls)
        return [(await self._run([call]))[0] for call in calls]  # so that only the one that is refused fails

    async def _threads(self, thread: str | None) -> AsyncIterator[str]:
        """That one, or all."""
        if thread is not None:
            yield thread
            return
        seen = set[str]()
        with _available():
            async for names in self._redis.scan(rows.ANY_INDEX):
                for name in names:
                    if name not in seen:
                        seen.add(name)
                        yield rows.thread_of(name)

    async def _entries(self, thread: str) -> Sequence[rows.Entry]:
        index = rows.keys(thread)[1]
        with _available():
            return rows.entries(thread, await self._redis.call(index, "HGETALL", index))

    async def _read_all(self, places: Sequence[Place], listing: Listing) -> AsyncGenerator[Found, None]:
        left = listing.limit if listing.limit is not None else len(places)
        for at in range(0, len(places), PAGE):
            page = places[at : at + PAGE]
            for found in await asyncio.gather(*(self.get(place, ()) for place in page)):
                if left > 0 and found is not None and _contains(json.loads(found.row.metadata), listing.filter or {}):
                    left -= 1
                    yield found
            if left <= 0:
                return

    def _read(self, place: Place, held: Sequence[bytes]) -> Call:
        arguments = (self._ttl, place.ns, place.id or "", *(digest.hex() for digest in held))
        return Call("get", place.thread, arguments)


@contextmanager
def _available() -> Iterator[None]:
    """Says of Redis what savers say."""
    try:
        yield
    except RedisUnavailable as error:
        raise StateUnavailable("The state store does not answer") from error
    except RedisRefused as error:
        if "CORRUPT" in str(error):
            raise CheckpointCorrupt("A checkpoint cannot be read") from error
        log.warning("the Redis of checkpoints refuses: %s", error)
        raise StateUnavailable("The state store refuses") from error


def _token(fence: Fence | None) -> Argument:
    return fence.token if fence is not None else ""


def _by_n(entry: rows.Entry) -> int:
    return entry.n


def _by_id(entry: rows.Entry) -> str:
    return entry.place.id or ""


def _chosen(entries: Sequence[rows.Entry], listing: Listing) -> list[rows.Entry]:
    """All but what needs a look at the metadata."""
    of_before = [entry for entry in entries if listing.before and entry.place[1:] == listing.before[1:]]
    ns = {entry.place.id: entry.n for entry in entries if entry.place.ns == ""}
    chosen = []
    for entry in entries:
        wanted = listing.ns in (None, entry.place.ns) and listing.id in (None, entry.place.id)
        if wanted and (listing.before is None or _is_before(entry, listing.before, of_before, ns)):
            chosen.append(entry)
    return chosen


def _is_before(entry: rows.Entry, before: Place, found: Sequence[rows.Entry], roots: dict[str | None, int]) -> bool:
    if not found:  # it is gone, or never was
        return _by_id(entry) < (before.id or "")
    under = roots.get(entry.root) if entry.place.ns and not before.ns else None
    return (under if under is not None else entry.n) < found[0].n


def _contains(whole: Any, part: Any) -> bool:
    """As PostgreSQL's @> of JSON, but for lists, which must be equal."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _contains(whole[key], value) for key, value in part.items())
    return bool(whole == part)
