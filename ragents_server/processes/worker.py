"""One process as its parent knows it: what it says, how long it is silent, and its end."""

import asyncio
import logging
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from ragents_server.processes import messages

SILENCE = 10.0  # seconds without a sign of life after which a process is taken to hang, and is killed
START = 120.0  # the same until it listens: models are loaded, and providers' packages imported, without a pause

log = logging.getLogger(__name__)


class Worker:
    """A running process. `first` says that it listens from its start, as those do that the server begins with."""

    def __init__(self, number: int, process: Process, ends: messages.Ends, *, first: bool, silence: float) -> None:
        self.number = number
        self.process = process
        self.listens = False
        self.ready = False
        self.served = False  # was ready once
        self.leaving = False
        self._first = first
        self._silence = silence
        self._silent = 0.0
        self.metrics = b""  # as it told them last
        self._telling: asyncio.Future[None] | None = None  # what the parent waits for
        self._reader, self._writer = ends

    @property
    def counts(self) -> bool:
        """Whether clients may meet it, so that its readiness is the server's."""
        return (self._first or self.listens) and not self.leaving

    def tell(self, all_ready: bool) -> None:
        """Does not wait for one that hangs."""
        if not self._writer.is_closing():
            self._writer.write(messages.ALL_READY if all_ready else messages.NOT_ALL_READY)

    async def tell_metrics(self, seconds: float) -> None:
        """Returns when `metrics` are new. Raises TimeoutError where it says nothing for so long."""
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_future()
            if not self._writer.is_closing():
                self._writer.write(messages.TELL_METRICS)
        async with asyncio.timeout(seconds):
            await asyncio.shield(self._telling)  # others may wait for it too

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, should it still be there."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)

    async def watched(self, changed: Callable[[], None]) -> int:
        """Its exit status, once it has ended; `changed` is called whenever what it says changes."""
        tasks = [
            asyncio.create_task(self._listen(changed), name=f"hearing process {self.number}"),
            asyncio.create_task(self._look(), name=f"watching process {self.number}"),
        ]
        try:
            return await self.process.wait()
        finally:
            self.send(signal.SIGKILL)
            await self.process.wait()
            if self._telling is not None:
                self._telling.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await messages.closed(self._writer)

    async def _listen(self, changed: Callable[[], None]) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):  # it has ended, which is seen elsewhere
            while line := await self._reader.readline():
                self._silent = 0.0
                if line.startswith(messages.METRICS):
                    self.metrics = await self._reader.readexactly(int(line.removeprefix(messages.METRICS)))
                    if self._telling is not None and not self._telling.done():
                        self._telling.set_result(None)
                    continue
                if line == messages.LEAVING:
                    self.leaving = True
                elif line in (messages.READY, messages.NOT_READY):
                    self.listens, self.ready = True, line == messages.READY
                    self.served = self.served or self.ready
                else:
                    continue
                changed()

    async def _look(self) -> None:
        """Kills it when it says nothing for too long. Looks are counted, so that a pause of our own counts once."""
        while self._silent < (self._silence if self.listens else START):
            await asyncio.sleep(messages.PULSE)
            self._silent += messages.PULSE
        log.error("process %d (pid %d) gave no sign of life for %.3g s", self.number, self.process.pid, self._silent)
        self.send(signal.SIGKILL)


async def spawn(
    command: Sequence[str], environment: Mapping[str, str], *, number: int, first: bool, silence: float = SILENCE
) -> Worker:
    """Starts the command with the link's descriptor as one more argument.

    In a session of its own, so that a terminal's Ctrl-C reaches the parent alone, who ends all in order.
    """
    ours, theirs = socket.socketpair()
    ends = await messages.opened(ours)
    with theirs:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=dict(environment),
                start_new_session=True,
            )
        except BaseException:
            await messages.closed(ends[1])
            raise
    return Worker(number, process, ends, first=first, silence=silence)
