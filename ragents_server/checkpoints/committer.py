"""Group commit: what callers submit while a statement is under way is executed by the next one, together.

One task owns the queue. A caller who is cancelled takes nothing back and sends nothing twice: what was accepted is
executed once, whoever waits for it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from ragents_server.errors import StateUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    keys: Collection[Hashable]
    weight: int
    done: "asyncio.Future[Result]"


DRAIN_SECONDS = 10.0
ALONE_SECONDS = 5.0  # for trying each of a batch by itself
MOST_WEIGHT = 8 * 2**20

log = logging.getLogger(__name__)

STOPPED = "The state store is being closed"


class GroupCommit(Generic[Item, Result]):
    """Executes items in batches of at most `size`, one batch at a time; `queue` items may wait, further callers too.

    `execute` gives a result, or an exception, for each item. Two items with a key in common never share a batch, and
    are executed in the order in which they came. `undone` tells of an exception of `execute` whether nothing was done
    for want of one item: then each is tried by itself, so that only that one's caller sees it. Any other exception is
    seen by all of the batch, and nothing is repeated: the outcome is unknown.
    """

    def __init__(
        self,
        execute: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        size: int,
        queue: int,
        keys: Callable[[Item], Collection[Hashable]] = lambda _: (),
        weight: Callable[[Item], int] = lambda _: 0,
        undone: Callable[[Exception], bool] = lambda _: False,
    ) -> None:
        self._execute = execute
        self._size = size
        self._keys = keys
        self._weight = weight
        self._undone = undone
        self._room = asyncio.Semaphore(queue)
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._called = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    async def submit(self, item: Item) -> Result:
        """The item's own result, or its exception. Raises StateUnavailable once this is closed."""
        keys, weight = self._keys(item), self._weight(item)
        await self._room.acquire()
        if self._closed:
            self._room.release()
            raise StateUnavailable(STOPPED)
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_seen)
        self._waiting.append(_Waiting(item, keys, weight, done))
        self._idle.clear()
        self._called.set()
        return await asyncio.shield(done)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Executes inside the block; at its end what waits is executed, for `DRAIN_SECONDS` at most."""
        owner = asyncio.create_task(self._run(), name="group commit")
        try:
            yield
        finally:
            self._closed = True
            try:
                async with asyncio.timeout(DRAIN_SECONDS):
                    await self._idle.wait()
            except TimeoutError:
                log.warning("closed with %d writes of state that were not executed", len(self._waiting))
            finally:
                owner.cancel()
                await asyncio.wait([owner])
            if not owner.cancelled():
                owner.result()

    async def _run(self) -> None:
        try:
            while True:
                await self._called.wait()
                self._called.clear()
                while self._waiting:
                    await self._commit(self._batch())
                self._idle.set()
        finally:
            self._closed = True  # however it ends, nobody is left waiting for it
            self._fail(self._waiting, StateUnavailable(STOPPED))
            self._waiting.clear()
            self._idle.set()

    def _batch(self) -> list[_Waiting[Item, Result]]:
        """The next items, in order; one that shares a key with an item before it, taken or not, waits."""
        batch = list[_Waiting[Item, Result]]()
        left = deque[_Waiting[Item, Result]]()
        seen: set[Hashable] = set()
        weight = 0
        while self._waiting and len(batch) < self._size and weight < MOST_WEIGHT:
            one = self._waiting.popleft()
            if seen.isdisjoint(one.keys):
                batch.append(one)
                weight += one.weight
            else:
                left.append(one)
            seen.update(one.keys)
        self._waiting.extendleft(reversed(left))
        return batch

    async def _commit(self, batch: Sequence[_Waiting[Item, Result]]) -> None:
        try:
            await self._attempt(batch)
        except asyncio.CancelledError:
            self._fail(batch, StateUnavailable(STOPPED))
            raise
        except Exception as error:  # noqa: BLE001 - each caller of the batch sees it
            self._fail(batch, error)
        finally:
            for _ in batch:
                self._room.release()

    async def _attempt(self, batch: Sequence[_Waiting[Item, Result]]) -> None:
        try:
            results = await self._execute([one.item for one in batch])
        except Exception as error:
            if len(batch) == 1 or not self._undone(error):
                raise
            await self._each_alone(batch, error)
            return
        for one, result in zip(batch, results, strict=True):
            _settle(one.done, result)

    async def _each_alone(self, batch: Sequence[_Waiting[Item, Result]], error: Exception) -> None:
        """For so long at most: where each of them fails after a wait, all who come later wait too."""
        limit = asyncio.get_running_loop().time() + ALONE_SECONDS
        for one in batch:
            if asyncio.get_running_loop().time() > limit:
                self._fail([one], error)
            else:
                await self._alone(one)

    async def _alone(self, one: _Waiting[Item, Result]) -> None:
        """Its failure is its own; where the store has gone away meanwhile, the others find that out too."""
        try:
            (result,) = await self._execute([one.item])
        except Exception as error:  # noqa: BLE001 - its caller sees it
            self._fail([one], error)
        else:
            _settle(one.done, result)

    def _fail(self, batch: Collection[_Waiting[Item, Result]], error: Exception) -> None:
        for one in batch:
            if not one.done.done():
                one.done.set_exception(error)


def _settle(done: "asyncio.Future[Result]", result: Result | Exception) -> None:
    if isinstance(result, Exception):
        done.set_exception(result)
    else:
        done.set_result(result)


def _seen(done: "asyncio.Future[Result]") -> None:
    """A caller that was cancelled never looks at the exception."""
    if not done.cancelled():
        done.exception()
