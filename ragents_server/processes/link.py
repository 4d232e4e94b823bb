"""A process' link to its parent: it tells that it lives and whether it is ready, and hears whether all are."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from ragents_server.processes import messages

log = logging.getLogger(__name__)


class Link:
    """Belongs to one event loop, whose blocking the parent notices by the silence."""

    def __init__(self, ends: messages.Ends) -> None:
        self._reader, self._writer = ends
        self._heard = asyncio.Event()  # something new
        self._asked = asyncio.Event()  # for metrics
        self.all_ready = False
        self.lost = asyncio.Event()  # the parent has gone

    def say(self, message: bytes) -> None:
        """Does not wait: a parent that does not listen is one that has gone, which is seen elsewhere."""
        if not self._writer.is_closing():
            self._writer.write(message)

    async def follow(self, set_ready: Callable[[bool], Awaitable[None]]) -> None:
        """Tells `set_ready` whether all processes are ready, now and whenever that changes, for ever."""
        while True:
            self._heard.clear()
            await set_ready(self.all_ready)
            await self._heard.wait()

    async def tell(self, metrics: Callable[[], Awaitable[bytes]]) -> None:
        """Sends the metrics whenever the parent asks, for ever."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            told = await metrics()
            self.say(b"%s%d\n%s" % (messages.METRICS, len(told), told))

    async def listen(self) -> None:
        """Hears the parent until it goes."""
        try:
            while line := await self._reader.readline():
                if line == messages.TELL_METRICS:
                    self._asked.set()
                    continue
                self.all_ready = line == messages.ALL_READY
                self._heard.set()
        except OSError as error:
            log.debug("the link is broken: %s", error)
        finally:
            self.lost.set()

    async def aclose(self) -> None:
        """Ends it."""
        await messages.closed(self._writer)

    async def live(self) -> None:
        """Gives signs of life, for ever."""
        while True:
            self.say(messages.ALIVE)
            await asyncio.sleep(messages.PULSE)


@asynccontextmanager
async def linked(descriptor: int) -> AsyncIterator[Link]:
    """The link over a socket that the parent handed down."""
    ours = socket.socket(fileno=descriptor)
    ours.set_inheritable(False)  # it came to us so, and is no child's of ours
    link = Link(await messages.opened(ours))
    tasks = [
        asyncio.create_task(link.listen(), name="hearing the parent"),
        asyncio.create_task(link.live(), name="giving signs of life"),
    ]
    try:
        yield link
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await link.aclose()
