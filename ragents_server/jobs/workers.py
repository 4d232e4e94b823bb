"""Workers: they take jobs, keep the leases while they work, and tell the outcome."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from ragents_client.v1.answer_pb2 import Answer, Question
from ragents_client.v1.batch_pb2 import BatchItem
from ragents_server.caller import Caller, act_for
from ragents_server.connections.postgres import is_unavailable
from ragents_server.errors import InternalError, RagentsError, StateUnavailable
from ragents_server.facts import telling
from ragents_server.incidents import known
from ragents_server.jobs.queue import Job, Lease, Queue
from ragents_server.jobs.records import Records
from ragents_server.jobs.retries import Pause, Retries
from ragents_server.jobs.turns import Turns

log = logging.getLogger(__name__)

SHORTEST, LONGEST = 0.05, 1.0  # seconds between looks at a queue that had nothing
RENEWAL = 0.75  # seconds; a cancelled job ends within them
SWEEP = 60.0  # seconds between sweeps
UNWIND = 3.0  # seconds that workers have to let go at the end
TELLING = (0.1, 0.5, 1.0, 2.0)  # seconds between tries to tell the queue what became of a job


class Run(Protocol):
    """What answers a question as its caller; `priority` is a place in PRIORITIES."""

    def __call__(self, caller: Caller, question: Question, priority: int) -> Awaitable[Answer]:
        """The answer."""
        ...


class Workers:
    """So many as `number` says; they work inside `working`."""

    def __init__(self, queue: Queue, run: Run, records: Records, retries: Retries, *, number: int) -> None:
        self._queue = queue
        self._run = run
        self._records = records
        self._retries = retries
        self._turns = Turns()
        self._free = asyncio.Semaphore(number)
        self._running: dict[Lease, asyncio.Task[None]] = {}
        self._news = asyncio.Event()  # something to take, perhaps, or the end of the taking
        self._none = asyncio.Event()  # nothing runs
        self._none.set()
        self._stopped = False
        self._away = False  # the queue's store, as the last look found

    @property
    def running(self) -> Collection[Lease]:
        """What is worked at."""
        return self._running.keys()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Takes jobs inside the block; at its end those under way are given back at once."""
        tasks = [
            asyncio.create_task(self._take(), name="taking jobs"),
            asyncio.create_task(self._again(RENEWAL, self._renew), name="renewing jobs' leases"),
            asyncio.create_task(self._again(SWEEP, self._queue.sweep), name="sweeping batches"),
        ]
        try:
            yield
        finally:
            self.stop()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._give_back()

    def wake(self) -> None:
        """There is something to take."""
        self._news.set()

    def stop(self) -> None:
        """Takes nothing more."""
        self._stopped = True
        self._news.set()

    async def drain(self, seconds: float) -> None:
        """Takes nothing more, and waits so long for what is worked at."""
        self.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._none.wait()

    def cancel(self, batch: str) -> None:
        """Ends what is worked at of a batch that was cancelled."""
        for lease, task in list(self._running.items()):
            if lease.batch == batch:
                task.cancel()

    async def _take(self) -> None:
        pause = SHORTEST
        while not self._stopped:
            await self._free.acquire()
            self._news.clear()
            job = await self._next()
            if job is not None:
                pause = SHORTEST
                self._begin(job)
                continue
            self._free.release()
            try:
                async with asyncio.timeout(pause):
                    await self._news.wait()
                    pause = SHORTEST
            except TimeoutError:
                pause = min(pause * 2, LONGEST)

    async def _next(self) -> Job | None:
        if self._stopped:
            return None
        try:
            job = await self._queue.take(self._turns.order())
        except Exception as error:  # noqa: BLE001 - the next look tries again
            if not self._away:  # once, not with every look
                _note("taking a job", error)
            self._away = _is_away(error)
            return None
        self._away = False
        if job is not None:
            self._turns.took(job.priority)
        return job

    def _begin(self, job: Job) -> None:
        task = asyncio.create_task(self._work(job), name="a job")
        self._running[job.lease] = task
        self._none.clear()

        def ended(task: asyncio.Task[None]) -> None:
            self._running.pop(job.lease, None)
            self._free.release()
            if not self._running:
                self._none.set()
            if not task.cancelled() and (error := task.exception()) is not None:
                _note("ending a job", error)

        task.add_done_callback(ended)

    async def _work(self, job: Job) -> None:
        """The job, to its outcome or to the pause before its next attempt."""
        lease = job.lease
        try:
            if job.attempt > self._retries.attempts:  # whoever had it ended, each time, without a word
                raise InternalError(f"{job.attempt - 1} servers ended while they worked at the question")
            item = await self._answered(job)
        except Exception as error:  # noqa: BLE001 - becomes the item's Failure, a bug as an incident id
            failed = known(error, "a batch")
            if (pause := self._retries.after(failed, job.attempt, job.age)) is not None:
                await self._tell(lambda: self._put_off(lease, pause))
                return
            dead = self._retries.is_dead(failed) or job.attempt > self._retries.attempts
            item = BatchItem(index=lease.index, failure=failed.failure())
        else:
            dead = False
        if dead:
            log.warning("dead letter: question %d of batch %s, attempt %d", lease.index, lease.batch, job.attempt)
        outcome = self._records.outcome(lease.batch, item)
        await self._tell(lambda: self._queue.finish(lease, outcome, dead=dead))

    async def _answered(self, job: Job) -> BatchItem:
        caller, question = self._records.asked(job)
        act_for(caller)  # the task is the job's own
        with telling(question.cache_mode) as facts:
            answer = await self._run(caller, question, job.priority)
        return BatchItem(index=job.lease.index, answer=answer, cache=facts.answer)

    async def _put_off(self, lease: Lease, pause: Pause) -> bool:
        return await self._queue.put_off(lease, pause.seconds, counted=pause.counted)

    async def _tell(self, tell: Callable[[], Awaitable[bool]]) -> None:
        """Tells the queue, for as long as the lease is likely to hold; told twice, it changes nothing."""
        for pause in (*TELLING, None):
            try:
                if not await tell():
                    log.info("a job's lease was lost, and its outcome is another one's")
                return
            except Exception as error:
                if pause is None or not _is_away(error):
                    raise
                await asyncio.sleep(pause)

    async def _renew(self) -> None:
        asked = list(self._running)
        if not asked:
            return
        kept = await self._queue.renew(asked)
        for lease in asked:
            if lease not in kept and (task := self._running.get(lease)) is not None:
                task.cancel()

    async def _give_back(self) -> None:
        """Ends what is worked at, so that others take it at once."""
        leases = dict(self._running)
        if not leases:
            return
        for task in leases.values():
            task.cancel()
        try:
            async with asyncio.timeout(UNWIND):
                await asyncio.wait(leases.values())
                given = (self._queue.put_off(lease, 0.0, counted=False) for lease in leases)
                await asyncio.gather(*given)
        except Exception as error:  # noqa: BLE001 - then their leases run out
            _note("giving jobs back", error)

    async def _again(self, pause: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(pause)
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - the next time tries again
                _note("keeping the queue", error)


def _is_away(error: BaseException) -> bool:
    return isinstance(error, StateUnavailable) or is_unavailable(error)


def _note(what: str, error: BaseException) -> None:
    told = error.message if isinstance(error, RagentsError) else type(error).__name__
    log.warning("%s failed: %s", what, told, exc_info=None if _is_away(error) else error)
