"""The guard of start and drain: a server takes calls once it has started, and knows those under way until they end."""

import asyncio
from contextlib import suppress
from typing import Any

from ragents_server.errors import StateUnavailable
from ragents_server.interceptors.around import Call, Serve

UNWIND = 3.0  # seconds that a call that is ended may take to let go of what it has


class Serving:
    """Whether the server has started, whether it drains, and its calls.

    What happens to its database later, each call finds out itself. Probes and their watches, which never end by
    themselves, are not among the calls.
    """

    def __init__(self) -> None:
        self.started = False
        self.draining = False  # then it is NOT_SERVING for good
        self._calls: dict[int, Call] = {}
        self._none = asyncio.Event()
        self._none.set()

    def __call__(self, serve: Serve) -> Serve:
        """Refuses calls until the server has started, rather than answer wrong; lets them be ended from outside."""

        async def guarded(call: Call) -> Any:
            if not self.started:
                raise StateUnavailable("the server is starting: its database does not answer yet")
            self._calls[id(call)] = call
            self._none.clear()
            try:
                return await serve(call)
            finally:
                del self._calls[id(call)]
                if not self._calls:
                    self._none.set()

        return guarded

    async def finish(self, grace: float) -> None:
        """Waits until all calls have ended; those that have not after `grace` seconds are told to come again."""
        try:
            async with asyncio.timeout(grace):
                await self._none.wait()
        except TimeoutError:
            for call in self._calls.values():
                call.draining = True
                if call.end is not None:
                    call.end()
            with suppress(TimeoutError):
                async with asyncio.timeout(UNWIND):  # so that each has its status, and none is cut off by the transport
                    await self._none.wait()
