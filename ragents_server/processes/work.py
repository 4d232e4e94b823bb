"""One of a server's processes: it serves its share, and tells clients what is true of all processes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from ragents_server.measuring import Measured
from ragents_server.operations import drain, kept, require_sound, spare_collector, until_prepared
from ragents_server.processes import messages
from ragents_server.processes.link import Link, linked
from ragents_server.processes.shares import share_of
from ragents_server.server import Server, listening
from ragents_server.settings import Settings
from ragents_server.wiring import Parts, opened

log = logging.getLogger(__name__)

Stopped = Callable[[], Awaitable[bool]]


async def work(settings: Settings, number: int, descriptor: int, stopped: Stopped, *, first: bool) -> int:
    """Serves until `stopped` returns or the parent has gone.

    One that takes the place of another listens only once it is prepared: to clients the server has been there.
    """
    require_sound(settings)
    share = share_of(settings, number)
    async with linked(descriptor) as link, opened(share) as parts:
        if not first:
            await until_prepared(parts)
        async with listening(share, parts, ready=not first and link.all_ready) as server:
            server.serving.started = not first
            spare_collector()
            log.info("ragents-server %s listens on %s", version("ragents-grpc"), server.address)
            await _served(share, parts, server, link, stopped)
    log.info("stopped")
    return 0


async def _served(share: Settings, parts: Parts, server: Server, link: Link, stopped: Stopped) -> None:
    async def tell(ready: bool) -> None:
        server.serving.started = server.serving.started or ready  # what clients are told, the parent says
        link.say(messages.READY if ready else messages.NOT_READY)

    await tell(server.serving.started)  # one that is prepared already makes no difference to the others
    async with _telling(link, server.measured), kept(tell, parts, server.monitor):
        async with _following(link, server):
            lame_duck = await _stopped_or_lost(stopped, link)
        link.say(messages.LEAVING)
        await drain(server, parts, share.lame_duck if lame_duck else 0, share.grace)


@asynccontextmanager
async def _following(link: Link, server: Server) -> AsyncIterator[None]:
    task = asyncio.create_task(link.follow(server.set_ready), name="telling what is true of all")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def _telling(link: Link, measured: Measured | None) -> AsyncIterator[None]:
    """The parent has the page."""
    if measured is None:
        yield
        return
    from ragents_server.telemetry.merging import packed

    async def metrics() -> bytes:
        return packed(await measured.families())

    task = asyncio.create_task(link.tell(metrics), name="telling metrics")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _stopped_or_lost(stopped: Stopped, link: Link) -> bool:
    asked = asyncio.ensure_future(stopped())
    lost = asyncio.create_task(link.lost.wait())
    try:
        await asyncio.wait([asked, lost], return_when=asyncio.FIRST_COMPLETED)
        return asked.done() and asked.result()
    finally:
        asked.cancel()
        lost.cancel()
