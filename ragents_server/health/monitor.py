"""Looks at every part again and again, and keeps a row for each."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from ragents_client.v1.health_pb2 import (
    COMPONENT_STATE_DOWN,
    COMPONENT_STATE_UNSPECIFIED,
    Component,
    ComponentState,
)
from ragents_server.health.looks import Look, Part
from ragents_server.health.steadiness import Steadiness

log = logging.getLogger(__name__)

PAUSE, SHORT_PAUSE = 1.0, 0.2  # seconds between looks at a part, and at one that is down or in doubt
# A part that hangs is known to be down after PAUSE + 2 PATIENCE + SHORT_PAUSE: less than 5 seconds.
PATIENCE = 1.5  # seconds that one look may take


class Monitor:
    """Rows of the parts; `clock` is the time of day, in seconds since 1970."""

    def __init__(self, parts: Sequence[Part], clock: Callable[[], float] = time.time) -> None:
        self._parts = parts
        self._clock = clock
        self._states = {part.name: Steadiness() for part in parts}
        self._looks = {part.name: Look(COMPONENT_STATE_UNSPECIFIED, "not looked at yet") for part in parts}
        self._news = asyncio.Event()

    def components(self) -> list[Component]:
        """A row a part, as of now."""
        return [self._row(part.name) for part in self._parts]

    async def states(self, name: str) -> AsyncGenerator[ComponentState.ValueType, None]:
        """The part's state once it is known, and whenever another one counts, for ever."""
        told = COMPONENT_STATE_UNSPECIFIED
        while True:
            news, state = self._news, self._states[name].state
            if state != told:
                told = state
                yield state
            else:
                await news.wait()

    @asynccontextmanager
    async def looking(self) -> AsyncIterator["Monitor"]:
        """Looks inside the block, at each part on its own: one that hangs holds up no other."""
        tasks = [asyncio.create_task(self._keep(part), name=f"looking at {part.name}") for part in self._parts]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, part: Part) -> None:
        steady = self._states[part.name]
        try:
            while True:
                await self._look(part, steady)
                doubtful = steady.in_doubt or steady.state == COMPONENT_STATE_DOWN
                await asyncio.sleep(SHORT_PAUSE if doubtful else PAUSE)
        finally:
            await part.aclose()

    async def _look(self, part: Part, steady: Steadiness) -> None:
        look = await looked(part)
        if steady.see(look.state, self._clock()):
            self._looks[part.name] = look
            log.info("%s is %s: %s", part.name, ComponentState.Name(look.state).rpartition("_")[2], look.detail)
            self._news.set()
            self._news = asyncio.Event()
        elif look.state == steady.state:
            self._looks[part.name] = look

    def _row(self, name: str) -> Component:
        steady, look = self._states[name], self._looks[name]
        row = Component(name=name, state=steady.state, detail=look.detail)
        if steady.since:
            row.since.FromMilliseconds(int(steady.since * 1000))
        if look.seconds:
            row.latency.FromMicroseconds(int(look.seconds * 1_000_000))
        return row


async def looked(part: Part) -> Look:
    """One look, down where it fails or takes too long; why is for the log, as it may tell an address."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await part.look()
    except TimeoutError:
        return Look(COMPONENT_STATE_DOWN, f"does not answer within {PATIENCE:g} s")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
        log.debug("no answer of %s: %s", part.name, error)
        return Look(COMPONENT_STATE_DOWN, "cannot be reached, or breaks off")
