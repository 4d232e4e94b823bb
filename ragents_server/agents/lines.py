"""Turns of one thread stand in line, so that of each replica one at a time asks for the thread's lease."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ragents_server.errors import ThreadBusy


class _Line:
    def __init__(self) -> None:
        self.places = deque[object]()
        self.moved = asyncio.Event()


class Place:
    """One's place in a line."""

    def __init__(self, line: _Line) -> None:
        self._line = line
        line.places.append(self)

    @property
    def position(self) -> int:
        """How many are before it."""
        return self._line.places.index(self)

    async def moves(self) -> None:
        """Returns when somebody has left the line."""
        await self._line.moved.wait()


class Lines:
    """A line for each thread; at most `most` wait in one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def standing(self, key: str) -> AsyncIterator[Place]:
        """A place in the thread's line, given up at the end of the block. Raises ThreadBusy when it is too long."""
        line = self._lines.setdefault(key, _Line())
        if len(line.places) > self._most:
            raise ThreadBusy(f"{self._most} turns wait for this thread already")
        place = Place(line)
        try:
            yield place
        finally:
            line.places.remove(place)
            moved, line.moved = line.moved, asyncio.Event()
            moved.set()
            if not line.places:
                del self._lines[key]
