"""LangGraph's checkpoints in a store that keeps each part of a thread's state once."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_serializable_checkpoint_metadata,
)

from ragents_server.checkpoints.codec import Codec, Encoded, Place
from ragents_server.checkpoints.copies import copied
from ragents_server.checkpoints.fences import current_fence
from ragents_server.checkpoints.histories import Histories
from ragents_server.checkpoints.memory import Memory
from ragents_server.checkpoints.rows import Found
from ragents_server.checkpoints.seals import Seal
from ragents_server.checkpoints.serde import Serializer
from ragents_server.checkpoints.stores import Listing, Put, Store, Writes
from ragents_server.errors import NotFound, StateUnavailable
from ragents_server.signals import span

ATTEMPTS = 3  # to put a checkpoint whose parts were removed meanwhile


class Saver(BaseCheckpointSaver[int]):
    """Plays LangGraph's checkpointer; of its methods those that begin with `a`.

    `keep` checkpoints of a thread stay, those of subgraphs included, and more only where it could not go on without
    them; None: all. With a `key` whatever was not written with it is refused.
    """

    serde: Serializer

    def __init__(self, store: Store, *, keep: int | None = 10, key: bytes = b"") -> None:
        super().__init__(serde=Serializer())
        self._store = store
        self._keep = keep
        self._seal = Seal(key)
        self._memory = Memory()

    @property
    def _codec(self) -> Codec:
        """LangGraph's `with_allowlist` makes clones with other serializers."""
        return Codec(self.serde, self._seal, self._memory)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that the config names, or the latest. Raises CheckpointCorrupt or CheckpointTooNew."""
        place = Place.of(config)
        found = await self._store.get(place, self._memory.held(place.thread, self.serde.allowed))
        held = self._codec.held(found) if found is not None else None
        if found is not None and held is None:  # somebody changed an object in place
            found = await self._store.get(place, ())
        return self._codec.decode(found, held) if found is not None else None

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """The newest first; `before` goes by the order in which checkpoints were saved, not by anybody's clock."""
        listing = _listing(config, filter, before, limit)
        async with aclosing(self._store.list(listing)) as several:
            async for found in several:
                yield self._codec.decode(found)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,  # noqa: ARG002 - what is new is told by what is in it
    ) -> RunnableConfig:
        """Raises LeaseLost inside a fence that no longer holds, InvalidRequest for what cannot be stored."""
        parent = Place.of(config)
        fence = current_fence(parent.thread)
        ending = fence.ending(checkpoint["channel_values"]) if fence is not None and not parent.ns else None
        plain = get_serializable_checkpoint_metadata(config, metadata)
        with span("checkpoint") as told:
            for _ in range(ATTEMPTS):
                encoded = self._codec.encode(parent, checkpoint, plain)
                told.set(bytes=encoded.size)
                if await self._store.put(Put(encoded, fence, ending, self._keep)):
                    self._learn(encoded)
                    return parent._replace(id=checkpoint["id"]).config
                self._memory.forget(parent.thread)
            raise StateUnavailable("The thread is being changed by others")

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Raises as `aput`."""
        place = Place.of(config)
        rows = self._codec.encode_writes(place, writes, task_id, task_path)
        if rows:
            await self._store.put_writes(Writes(rows, current_fence(place.thread)))

    async def adelete_thread(self, thread_id: str) -> None:
        """Leaves nothing of it."""
        await self._store.delete([str(thread_id)], current_fence(str(thread_id)))
        self._memory.forget(str(thread_id))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """The checkpoints that these runs made, with their writes."""
        if run_ids:
            await self._store.delete_runs([str(run) for run in run_ids])

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """`keep_latest` leaves what the threads need to go on, `delete` nothing."""
        if strategy not in ("keep_latest", "delete"):
            raise ValueError(f"no strategy {strategy!r}: keep_latest or delete")
        threads = [str(thread) for thread in thread_ids]
        if threads and strategy == "delete":
            await self._store.delete(threads, None)
        elif threads:
            await self._store.prune(threads)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """All checkpoints with their writes."""
        several = [found async for found in self._store.list(Listing(thread=str(source_thread_id)))]
        await self._copy(several[::-1], str(target_thread_id))

    async def copy_checkpoint(self, thread_id: str, checkpoint_id: str, to_thread_id: str) -> None:
        """One checkpoint of the root graph, without what waits on it, as the first of another thread.

        Where its state is rebuilt from writes to its ancestors they come along. Raises NotFound.
        """
        chain: list[Found] = []
        async with aclosing(self._store.line(Place(thread_id, "", checkpoint_id))) as several:
            async for found in several:
                chain.append(found if chain else replace(found, writes=()))
                if not found.row.open:
                    break
        if not chain:
            raise NotFound("No such checkpoint")
        await self._copy(chain[::-1], to_thread_id, orphaned=True)

    async def rewind(self, thread_id: str, checkpoint_id: str | None) -> None:
        """Drops every checkpoint, and every write, that came after this one of the root graph; None: all of them.

        Raises NotFound where there is no such checkpoint, LeaseLost inside a fence that no longer holds.
        """
        if not await self._store.rewind(thread_id, checkpoint_id, current_fence(thread_id)):
            raise NotFound("No such checkpoint")

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Raises CheckpointCorrupt rather than leaving out what is missing."""
        histories, first = Histories(channels), True
        if not channels:
            return {}
        async with aclosing(self._store.line(Place.of(config))) as several:
            async for found in several:
                if first:
                    histories.begin(found.row)
                    first = False
                elif histories.wanted:
                    histories.add(self._codec.decode(found), found.row)
                else:
                    break
        return histories.result()

    async def _copy(self, several: Sequence[Found], thread: str, *, orphaned: bool = False) -> None:
        """The oldest first; `orphaned`: that one has no parent any more."""
        for at, found in enumerate(several):
            encoded, writes = copied(found, thread, self._seal, orphaned=orphaned and at == 0)
            await self._store.put(Put(encoded))
            if writes:
                await self._store.put_writes(Writes(writes))

    def _learn(self, encoded: Encoded) -> None:
        for known, digest in encoded.learned:
            self._memory.learn(encoded.row.thread, known, digest)


def _listing(
    config: RunnableConfig | None, contained: dict[str, Any] | None, before: RunnableConfig | None, limit: int | None
) -> Listing:
    """Only what the configs name themselves: a namespace that is not named is any."""
    names = config["configurable"] if config is not None else {}
    place = Place.of(config) if config is not None else None
    earlier = None
    if before is not None and (id_ := before["configurable"].get("checkpoint_id")):
        others = {"thread_id": names.get("thread_id", ""), **before["configurable"]}
        earlier = Place(str(others["thread_id"]), others.get("checkpoint_ns", ""), id_)
    return Listing(
        thread=place.thread if place is not None else None,
        ns=place.ns if place is not None and names.get("checkpoint_ns") is not None else None,
        id=place.id if place is not None else None,
        filter=contained or None,
        before=earlier,
        limit=limit,
    )
