"""What is kept of conversations: read, forked from any checkpoint, deleted with nothing left behind."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ragents_client.v1.agent_pb2 import Checkpoint, Thread
from ragents_client.v1.answer_pb2 import Exchange
from ragents_server.agents.roster import Loaded, Roster
from ragents_server.caller import Caller
from ragents_server.checkpoints.fences import Fence, fenced
from ragents_server.errors import NotFound, RequestIdReused
from ragents_server.ids import identity
from ragents_server.index.page_tokens import after_token, page_token
from ragents_server.threads.request import thread_key
from ragents_server.threads.threads import Stored, Threads

if TYPE_CHECKING:
    from langgraph.checkpoint.base import CheckpointTuple
    from langgraph.types import StateSnapshot


class Conversations:
    """The threads of all callers, with their state."""

    def __init__(self, threads: Threads, roster: Roster) -> None:
        self._threads = threads
        self._roster = roster

    async def get(self, caller: Caller, thread_id: str) -> tuple[Thread, list[Exchange]]:
        """A thread and its exchanges, oldest first. Raises NotFound."""
        stored = await self._stored(caller, thread_id)
        saved = await self._saved(await self._roster.loaded(), stored)
        return stored.thread, [] if saved is None else _exchanges(saved.checkpoint["channel_values"])

    async def history(
        self, caller: Caller, thread_id: str, *, page_size: int, token: str
    ) -> tuple[Sequence[Checkpoint], str]:
        """A page of a thread's checkpoints, the latest first, and the next page's token or "". Raises NotFound."""
        listing = ("history", caller.tenant, caller.user, thread_id)
        after = after_token(token, *listing)
        stored = await self._stored(caller, thread_id)
        loaded = await self._roster.loaded()
        graph = loaded.graphs.get(stored.thread.agent) or next(iter(loaded.graphs.values()))
        before: Any = _config(stored.key, after) if after else None
        states = graph.aget_state_history(_config(stored.key), before=before, limit=page_size + 1)
        found = [_checkpoint(state) async for state in states]
        if not found and not after and stored.base is not None:
            raise _gone(loaded)
        more = len(found) > page_size
        return found[:page_size], page_token(found[page_size - 1].id, *listing) if more else ""

    async def fork(self, caller: Caller, thread_id: str, checkpoint_id: str, request_id: str) -> Thread:
        """A new thread that begins with a checkpoint of this one. Raises NotFound and RequestIdReused."""
        digest = hashlib.blake2b(f"{thread_id}\0{checkpoint_id}".encode(), digest_size=16).digest()
        forked_id = identity("forked thread", caller.tenant, caller.user, request_id)
        stored = await self._stored(caller, thread_id)
        begun = Thread(id=forked_id, agent=stored.thread.agent, title=stored.thread.title)
        known, done = await self._threads.begin_fork(caller, begun, digest)
        if known != digest:
            raise RequestIdReused("the request_id was used for another fork")
        if not done:
            await self._copy(stored, checkpoint_id, thread_key(caller, forked_id))
        return (await self._stored(caller, forked_id)).thread

    async def delete(self, caller: Caller, thread_id: str) -> None:
        """Deletes a thread with its runs, events and checkpoints; whoever is at it can save nothing more."""
        key = (await self._stored(caller, thread_id)).key
        token = await self._threads.fence(key)
        loaded = await self._roster.loaded()
        if token is not None and not loaded.ends_runs:  # else it is one transaction with the rest
            with fenced(Fence(key, token, "", lambda _: None)):
                await loaded.saver.adelete_thread(key)
        await self._threads.delete(key)

    async def _copy(self, stored: Stored, checkpoint_id: str, key: str) -> None:
        try:
            source = checkpoint_id or stored.base
            if source is None:
                raise NotFound("the thread has no checkpoint yet")
            saver = (await self._roster.loaded()).saver
            await saver.copy_checkpoint(stored.key, source, key)
            saved = await saver.aget_tuple(_config(key))
        except NotFound:
            await self._threads.delete(key)
            raise
        turns = 0 if saved is None else len(_exchanges(saved.checkpoint["channel_values"]))
        await self._threads.end_fork(key, source, turns)

    async def _stored(self, caller: Caller, thread_id: str) -> Stored:
        stored = await self._threads.get(caller, thread_id)
        if stored is None:
            raise NotFound("no such thread")
        return stored

    async def _saved(self, loaded: Loaded, stored: Stored) -> "CheckpointTuple | None":
        """The latest state; None where no turn has ended yet."""
        saved = await loaded.saver.aget_tuple(_config(stored.key))
        if saved is None and stored.base is not None:
            raise _gone(loaded)
        return saved

    async def list(self, caller: Caller, *, page_size: int, token: str) -> tuple[list[Thread], str]:
        """A page of the caller's threads, the latest first, and the next page's token or ""."""
        return await self._threads.list(caller, page_size=page_size, token=token)


def _gone(loaded: Loaded) -> Exception:
    from ragents_server.agents.saved import gone  # brings LangGraph, which is there now

    return gone(in_database=loaded.ends_runs)


def _config(key: str, checkpoint_id: str = "") -> Any:
    named = {"checkpoint_id": checkpoint_id} if checkpoint_id else {}
    return {"configurable": {"thread_id": key, "checkpoint_ns": "", **named}}


def _exchanges(values: Any) -> list[Exchange]:
    return [Exchange(question=asked, answer=answered) for asked, answered in values.get("exchanges", ())]


def _checkpoint(state: "StateSnapshot") -> Checkpoint:
    metadata: Any = state.metadata or {}
    found = Checkpoint(
        id=state.config["configurable"]["checkpoint_id"],
        step=metadata.get("step", 0),
        next=state.next,
        exchanges=_exchanges(state.values),
    )
    if state.parent_config is not None:
        found.parent_id = state.parent_config["configurable"]["checkpoint_id"]
    if state.created_at:
        found.create_time.FromDatetime(datetime.fromisoformat(state.created_at))
    return found
