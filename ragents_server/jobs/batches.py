"""Batches as their callers see them."""

import asyncio
import hashlib
from collections.abc import Sequence

from ragents_client.v1.answer_pb2 import Question
from ragents_client.v1.batch_pb2 import (
    BATCH_STATE_CANCELLED,
    BATCH_STATE_DONE,
    BATCH_STATE_QUEUED,
    BATCH_STATE_RUNNING,
    Batch,
    BatchItem,
    BatchState,
)
from ragents_server.caller import Caller, to_text
from ragents_server.errors import NotFound, RequestIdReused
from ragents_server.ids import identity
from ragents_server.jobs.queue import Queue, Stored, Submission
from ragents_server.jobs.records import Records
from ragents_server.jobs.workers import Workers

AT_ONCE = 500  # questions written before others have the event loop


class Batches:
    """Submits, tells and cancels; a batch belongs to its tenant and user."""

    def __init__(self, queue: Queue, workers: Workers, records: Records) -> None:
        self._queue = queue
        self._workers = workers
        self._records = records

    async def submit(self, caller: Caller, request_id: str, questions: Sequence[Question], priority: int) -> Batch:
        """The batch, stored; the same request once more is the same batch. Raises RequestIdReused and Overloaded."""
        batch, text = identity("batch", caller.tenant, caller.user, request_id), to_text(caller)
        digest, stored = hashlib.blake2b(digest_size=16), list[bytes]()
        for index, question in enumerate(questions):
            if index % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            content = question.SerializeToString(deterministic=True)
            digest.update(len(content).to_bytes(4) + content)
            stored.append(self._records.question(batch, index, text, question))
        asked = Submission(batch, caller.tenant, caller.user, text, priority, digest.digest(), stored)
        found = await self._queue.submit(asked)
        if found.digest != asked.digest:
            raise RequestIdReused("the request_id names a batch of other questions")
        self._workers.wake()
        return _batch(found)

    async def find(self, caller: Caller, batch: str, first: int, most: int) -> tuple[Batch, list[BatchItem]]:
        """A batch of the caller's, and its items from `first` on. Raises NotFound."""
        found = await self._found(caller, batch)
        outcomes = await self._queue.outcomes(batch, first, most)
        items = [self._records.told(batch, index, one) for index, one in enumerate(outcomes, first)]
        return _batch(found), items

    async def cancel(self, caller: Caller, batch: str) -> Batch:
        """A batch of the caller's, of which nothing is done any more; what is done stays. Raises NotFound."""
        await self._found(caller, batch)
        cancelled = await self._queue.cancel(batch)
        if cancelled is None:
            raise _unknown()
        self._workers.cancel(batch)
        return _batch(cancelled)

    async def _found(self, caller: Caller, batch: str) -> Stored:
        found = await self._queue.find(batch)
        if found is None or (found.tenant, found.user) != (caller.tenant, caller.user):
            raise _unknown()
        return found


def _unknown() -> NotFound:
    return NotFound("no such batch")


def _batch(stored: Stored) -> Batch:
    batch = Batch(id=stored.id, state=_state(stored), total=stored.total, done=stored.done)
    batch.create_time.FromMilliseconds(stored.created)
    batch.update_time.FromMilliseconds(stored.updated)
    return batch


def _state(stored: Stored) -> "BatchState.ValueType":
    if stored.cancelled:
        return BATCH_STATE_CANCELLED
    if stored.done == stored.total:
        return BATCH_STATE_DONE
    return BATCH_STATE_RUNNING if stored.done else BATCH_STATE_QUEUED
