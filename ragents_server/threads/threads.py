"""Threads as they are stored: read, listed, forked, deleted with all that the database has of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ragents_client.v1.agent_pb2 import RUN_STATE_INTERRUPTED, Run, Thread
from ragents_server.caller import Caller
from ragents_server.connections.statements import Pool, read_statements
from ragents_server.index.page_tokens import after_place, page_token
from ragents_server.threads.request import thread_key


@dataclass(frozen=True, slots=True)
class Stored:
    """A thread with what people are not told: what it is stored under, and the checkpoint of its last answer."""

    thread: Thread
    key: str
    base: str | None


class Threads:
    """The threads of all callers; somebody else's are as absent as those that never were."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = read_statements("ragents_server.threads", "threads")

    async def get(self, caller: Caller, thread_id: str) -> Stored | None:
        """One thread."""
        row = await self._pool.fetchrow(self._sql["get"], thread_key(caller, thread_id))
        return None if row is None else Stored(_thread(row), row["key"], row["base"])

    async def begin_fork(self, caller: Caller, thread: Thread, digest: bytes) -> tuple[bytes, bool]:
        """The row of a thread that is forked: the digest that it was begun with, and whether its state is there."""
        arguments = (thread_key(caller, thread.id), caller.tenant, caller.user, thread.id, thread.agent, thread.title)
        row = await self._pool.fetchrow(self._sql["fork"], *arguments, digest)
        return row["fork"] or b"", row["head"] is not None

    async def end_fork(self, key: str, checkpoint: str, turns: int) -> None:
        """The forked thread's state is there."""
        await self._pool.execute(self._sql["forked"], key, checkpoint, turns)

    async def fence(self, key: str) -> int | None:
        """Shuts out whoever is at the thread now; the token that is above theirs, None where there is no thread."""
        token: int | None = await self._pool.fetchval(self._sql["fence"], key)
        return token

    async def delete(self, key: str) -> None:
        """Deletes a thread with its runs, events and checkpoints, in one transaction."""
        await self._pool.execute(self._sql["delete"] + self._sql["with_checkpoints"], key)

    async def expire(self, seconds: float, most: int = 100) -> None:
        """The same for threads that nobody used for so long; of several replicas each takes others."""
        await self._pool.execute(self._sql["expire"] + self._sql["with_checkpoints"], timedelta(seconds=seconds), most)

    async def forget_runs(self, seconds: float, most: int = 1000) -> None:
        """Drops runs that ended so long ago, but each thread's latest; their request_ids mean nothing any more."""
        await self._pool.execute(self._sql["forget_runs"], timedelta(seconds=seconds), most)

    async def list(self, caller: Caller, *, page_size: int, token: str) -> tuple[list[Thread], str]:
        """A page of the caller's threads, the latest first, and the next page's token or ""."""
        listing = ("threads", caller.tenant, caller.user)
        after, key = after_place(token, _place, *listing) or (None, "")
        rows = await self._pool.fetch(self._sql["list"], caller.tenant, caller.user, after, key, page_size + 1)
        found = [_thread(row) for row in rows[:page_size]]
        if len(rows) <= page_size:
            return found, ""
        last = rows[page_size - 1]
        return found, page_token(f"{last['update_time'].isoformat()} {last['key']}", *listing)


def _place(name: str) -> tuple[datetime, str]:
    """When the last thread of a page was updated, and its key; ValueError and OverflowError for what is no such."""
    time, _, key = name.partition(" ")
    return datetime.fromisoformat(time).astimezone(UTC), key


def _thread(row: Mapping[str, Any]) -> Thread:
    thread = Thread(id=row["id"], agent=row["agent"], title=row["title"], turns=row["turns"])
    if row["leased"] and row["run"]:
        thread.run_id = row["run"]
    if row["state"] == RUN_STATE_INTERRUPTED:
        thread.interrupt.CopyFrom(Run.FromString(row["outcome"]).interrupt)
    thread.create_time.FromDatetime(row["create_time"])
    thread.update_time.FromDatetime(row["update_time"])
    return thread
