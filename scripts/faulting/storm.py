"""Carries a workload out on several replicas, whatever happens to them meanwhile, and has every answer judged."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Iterator
from contextlib import AsyncExitStack
from time import monotonic
from typing import TypeVar

import grpc
from google.protobuf.struct_pb2 import Struct

from ragents_client.v1.answer_pb2 import CACHE_MODE_NONE, Answer, Question
from scripts.evaluation.progress import Progress
from scripts.faulting.calls import RETRIEVE, Calls, Reply
from scripts.faulting.errors import FaultError
from scripts.faulting.ledger import EDITION, Asked, Edition, Ledger, Place, signature
from scripts.faulting.replicas import Replica
from scripts.faulting.tally import Tally
from scripts.faulting.workload import KEYS, KINDS, Alter, Ask, Clear, Operation, Workload, key_of, places, text_of

T = TypeVar("T")
AT_A_FROZEN_ONE = 5  # workers that may wait for a frozen replica; the others go on at the rest
CHASERS = 64  # questions on their way at a frozen replica besides


class Storm:
    """One run of a workload; `tally` says what came of it."""

    def __init__(self, replicas: list[Replica], operations: int, seed: int) -> None:
        self.tally = Tally()
        self._total = operations
        self._replicas = replicas
        self._calls = {(one, key): Calls(one, key) for one in replicas for key in KEYS}
        self._ledger = Ledger()
        self._workload = Workload(seed, len(replicas))
        self._turns: defaultdict[Place, asyncio.Lock] = defaultdict(asyncio.Lock)  # a place's changes, one by one
        self._ids: dict[Place, str] = {}
        self._began = self._pause = 0.0
        self._taken = self._done = 0
        self._step = asyncio.Condition()
        self._chasers = asyncio.Semaphore(CHASERS)
        self._chasing: asyncio.TaskGroup | None = None

    async def run(self, workers: int, rate: float) -> None:
        """All operations: so many at once, and not more in a second than `rate`."""
        self._began, self._pause = monotonic(), 1 / rate
        operations, progress = self._workload.operations(self._total), Progress("operations", self._total)
        async with asyncio.TaskGroup() as self._chasing, asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(operations, progress))
        progress.end()

    async def reached(self, share: float) -> None:
        """Returns when this share of the operations is done."""
        async with self._step:
            await self._step.wait_for(lambda: self._done >= share * self._total)

    async def next_step(self) -> None:
        """Returns when one more operation is done; FaultError when none is left."""
        async with self._step:
            if self._done >= self._total:
                raise FaultError("the operations were over before all was broken that should be")
            await self._step.wait()

    async def _work(self, operations: Iterator[Operation], progress: Progress) -> None:
        for operation in operations:
            self._taken += 1
            await asyncio.sleep(self._began + self._taken * self._pause - monotonic())
            match operation:
                case Ask():
                    await self._ask(operation, self._route(operation.replica))
                case Alter():
                    await self._alter(operation)
                case Clear():
                    await self._clear(operation)
            progress.step()
            async with self._step:
                self._done += 1
                self._step.notify_all()

    def _route(self, wanted: int) -> Replica:
        """The replica wanted, another one when enough wait for it already."""
        replica = self._replicas[wanted]
        if replica.frozen and len(replica.in_flight) >= AT_A_FROZEN_ONE:
            return self._running(wanted)
        return replica

    def _running(self, wanted: int) -> Replica:
        """The replica wanted, or another while it is frozen."""
        return next(one for one in (self._replicas[wanted], *self._replicas) if not one.frozen)

    async def _ask(self, ask: Ask, replica: Replica) -> None:
        frozen = replica.frozen
        self.tally.counts["asked_of_the_stopped"] += frozen
        reply = await self._reply(ask, replica, may_time_out=frozen)
        if reply is None:
            return
        if ask.refused:
            self.tally.blame("foreign", f"{list(ask.question.collections)} was answered to {ask.key.collections}")
        asked = Asked(ask.key.tenant, tuple(ask.question.collections), reply.began, reply.ended)
        if reply.answer is not None:
            self.tally.answered(ask.key.tenant, ask.question, reply, replica.name)
        if self._judged(asked, reply):
            await self._compare(ask, asked, reply)

    async def _reply(self, ask: Ask, replica: Replica, *, may_time_out: bool = False) -> Reply | None:
        """None when the call failed, as it must where a collection is not granted."""
        self.tally.counts["asks"] += 1
        try:
            return await self._calls[replica, ask.key].ask(ask.rpc, ask.question)
        except grpc.aio.AioRpcError as error:
            code = error.code()
            if ask.refused and code is grpc.StatusCode.PERMISSION_DENIED:
                self.tally.counts["refused"] += 1
            elif may_time_out and code is grpc.StatusCode.DEADLINE_EXCEEDED:
                self.tally.counts["timed_out_at_the_stopped"] += 1
            else:
                self.tally.blame("failed", f"{ask.rpc} at {replica.name}: {code.name} {error.details()}")
        return None

    def _judged(self, asked: Asked, reply: Reply) -> bool:
        """Whether nothing is wrong with what is shown; else the answer counts once as stale, once as foreign."""
        verdict = self._ledger.judge(asked, reply.passages)
        if reply.answer is not None:
            verdict.stale += _contradictions(reply, reply.answer)
        for kind, found in (("stale", verdict.stale), ("foreign", verdict.foreign)):
            if found:
                self.tally.blame(kind, "; ".join(found))
        return not (verdict.stale or verdict.foreign)

    async def _compare(self, ask: Ask, asked: Asked, reply: Reply) -> None:
        """With a fresh retrieval, where nothing was being changed from the question's beginning to that one's end."""
        if not self._ledger.quiet(asked, monotonic()):
            return
        question = Question()
        question.CopyFrom(ask.question)
        question.cache_mode = CACHE_MODE_NONE
        fresh = await self._reply(Ask(ask.key, RETRIEVE, question, ask.replica), self._running(ask.replica))
        if fresh is None or not self._ledger.quiet(asked, fresh.ended):
            return
        self.tally.counts["compared"] += 1
        shown, found = signature(reply.passages), signature(fresh.passages)
        if shown != found:
            self.tally.blame("stale", f"{ask.rpc} {ask.question.text!r} showed {shown}, a fresh retrieval {found}")

    async def _alter(self, alter: Alter) -> None:
        if alter.chased:
            await self._ask_others(alter)
        async with self._turns[alter.place]:
            await self._change(alter, self._ledger.now_at(alter.place))
        if alter.chased:
            await self._ask_others(alter)

    async def _ask_others(self, alter: Alter) -> None:
        """Before a change, so that the other replicas hold what it will change, and as soon as it has returned."""
        for at, replica in enumerate(self._replicas):
            if replica.frozen:
                await self._chase(self._workload.about(alter.place, at), replica)
            elif at != alter.replica:
                await self._ask(self._workload.about(alter.place, at), replica)

    async def _chase(self, ask: Ask, frozen: Replica) -> None:
        """Asks a frozen replica without waiting for it."""
        if self._chasing is None or self._chasers.locked():
            return
        await self._chasers.acquire()
        task = self._chasing.create_task(self._ask(ask, frozen))
        task.add_done_callback(lambda _: self._chasers.release())

    async def _change(self, alter: Alter, now: Edition | None) -> None:
        place, calls = alter.place, self._calls[self._route(alter.replica), key_of(alter.place.tenant)]
        if now is None or alter.how == "bytes":
            await self._put(calls, self._ledger.edition(place))
        elif alter.how == "metadata":
            await self._put(calls, self._ledger.edition(place, word_of=now))
        elif alter.how == "same":
            await self._tried(calls.put(place.collection, place.name, *_upload(now)))
        else:
            change = self._ledger.begin(place, None, monotonic())
            if await self._tried(calls.delete(self._ids[place])):
                change.returned = monotonic()

    async def _put(self, calls: Calls, edition: Edition) -> None:
        place = edition.place
        change = self._ledger.begin(place, edition, monotonic())
        if document := await self._tried(calls.put(place.collection, place.name, *_upload(edition))):
            change.returned = monotonic()
            self._ids[place] = document.id

    async def _clear(self, clear: Clear) -> None:
        """Deletes a whole collection while nothing else changes in it."""
        here = [place for place in places() if (place.tenant, place.collection) == (clear.tenant, clear.collection)]
        async with AsyncExitStack() as stack:
            for place in here:
                await stack.enter_async_context(self._turns[place])
            if not any(self._ledger.now_at(place) for place in here):
                return
            changes = [self._ledger.begin(place, None, monotonic()) for place in here]
            calls = self._calls[self._route(clear.replica), key_of(clear.tenant)]
            if await self._tried(calls.delete_collection(clear.collection)):
                for change in changes:
                    change.returned = monotonic()

    async def _tried(self, change: Awaitable[T]) -> T | None:
        """None when the change failed; the ledger then takes it for one that may still come about."""
        self.tally.counts["changes"] += 1
        try:
            return await change
        except grpc.aio.AioRpcError as error:
            self.tally.blame("failed", f"a change: {error.code().name} {error.details()}")
            return None


def _contradictions(reply: Reply, answer: Answer) -> list[str]:
    """What an answer says that its passages, or the deltas before it, do not."""
    shown = [passage.text for passage in reply.passages]
    found = []
    if any(one.quote not in shown[one.number - 1] for one in answer.citations):
        found.append(f"{answer.text!r} was written from other passages than are shown")
    if reply.deltas not in {"", answer.text}:
        found.append(f"{answer.text!r} was streamed as {reply.deltas!r}")
    return found


def _upload(edition: Edition) -> tuple[bytes, Struct]:
    metadata = Struct()
    metadata.update({EDITION: edition.number, "kind": KINDS[edition.number % len(KINDS)]})
    return text_of(edition).encode(), metadata
