"""Keeps the processes of a server running, tells each whether all are ready, and ends them together."""

import asyncio
import logging
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Collection

from ragents_server.errors import EX_CONFIG
from ragents_server.processes.worker import Worker

DEATHS, WITHIN = 5, 60.0  # as many ends of one process within so many seconds, and the server gives up
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds before another is started, doubled at each end within that time
EX_SOFTWARE, EX_OSERR = 70, 71

log = logging.getLogger(__name__)

Begin = Callable[[int, bool], Awaitable[Worker]]


class GaveUpError(Exception):
    """The processes do not stay alive; `status` is the server's exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Supervisor:
    """`begin` starts the process with a number, as one of the first or in the place of another."""

    def __init__(self, processes: int, begin: Begin) -> None:
        self._processes = processes
        self._begin = begin
        self._workers: dict[int, Worker] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._stopping = False

    @property
    def all_ready(self) -> bool:
        """Every process that a client may meet is ready, and there is one."""
        met = [worker for worker in self._workers.values() if worker.counts]
        return not self._stopping and bool(met) and all(worker.ready for worker in met)

    @property
    def workers(self) -> Collection[Worker]:
        """Those that run."""
        return self._workers.values()

    async def run(self) -> int:
        """The exit status, once `stop` has ended them all, or they do not stay alive. No process is left."""
        self._tasks = {number: asyncio.create_task(self._kept(number)) for number in range(self._processes)}
        try:
            done, _ = await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                if not task.cancelled():
                    task.result()
        except GaveUpError as error:
            return error.status
        finally:
            self._stopping = True
            for task in self._tasks.values():
                task.cancel()
            await asyncio.wait(self._tasks.values())
        return 0

    async def stop(self, *, lame_duck: bool, seconds: float) -> None:
        """All say NOT_SERVING at once and end what they have under way; those that take longer are killed."""
        self._stopping = True
        self._tell()
        for number, task in self._tasks.items():
            if (worker := self._workers.get(number)) is not None:
                worker.send(signal.SIGTERM if lame_duck else signal.SIGINT)
            else:
                task.cancel()
        _, late = await asyncio.wait(self._tasks.values(), timeout=seconds)
        for task in late:
            log.error("a process did not end within %.3g s: it is killed", seconds)
            task.cancel()

    async def _kept(self, number: int) -> None:
        """Starts the process, and another whenever it ends, until all stop. Raises GaveUpError."""
        clock = asyncio.get_running_loop().time
        ends: deque[float] = deque(maxlen=DEATHS)
        first = True
        while True:
            status, served = await self._lived(number, first)
            if self._stopping:
                return
            if first and not served and status == EX_CONFIG:  # it has said itself what is wrong
                raise GaveUpError(EX_CONFIG)
            first = False
            ends.append(clock())
            young = sum(ended > clock() - WITHIN for ended in ends)
            if young == DEATHS:
                log.error("process %d ended %d times within %.3g s: giving up", number, DEATHS, WITHIN)
                raise GaveUpError(EX_SOFTWARE)
            pause = min(FIRST_PAUSE * 2 ** (young - 1), LONGEST_PAUSE)
            log.error("process %d ended by itself (status %d): another follows in %.3g s", number, status, pause)
            await asyncio.sleep(pause)

    async def _lived(self, number: int, first: bool) -> tuple[int, bool]:
        """One process from its start to its end: its exit status, and whether it was ready once."""
        try:
            worker = await self._begin(number, first)
        except OSError as error:
            log.error("process %d cannot be started: %s", number, error)
            return EX_OSERR, False
        self._workers[number] = worker
        try:
            worker.tell(self.all_ready)
            return await worker.watched(self._tell), worker.served
        finally:
            del self._workers[number]
            self._tell()

    def _tell(self) -> None:
        all_ready = self.all_ready
        for worker in self._workers.values():
            worker.tell(all_ready)
