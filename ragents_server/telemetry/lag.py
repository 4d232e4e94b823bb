"""How late the event loop is: whoever waits for it waits that much longer."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PAUSE = 0.25  # seconds between looks
WINDOW = 10.0  # seconds that a look counts


class Lag:
    """Sleeps, and looks how much longer that took than it should."""

    def __init__(self) -> None:
        self._late: deque[float] = deque([0.0], maxlen=int(WINDOW / PAUSE))

    @property
    def longest(self) -> float:
        """Seconds, of the last WINDOW."""
        return max(self._late)

    @asynccontextmanager
    async def looking(self) -> AsyncIterator["Lag"]:
        """Looks inside the block."""
        task = asyncio.create_task(self._look(), name="looking how late the loop is")
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _look(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            await asyncio.sleep(PAUSE)
            self._late.append(max(clock() - began - PAUSE, 0.0))
