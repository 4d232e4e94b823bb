"""The drain's guard: it knows the calls under way, so that a drain ends with the last of them, or ends them."""

import asyncio
from typing import Any

from ragents_server.interceptors.around import Call, Serve


class UnderWay:
    """The calls that are being served; probes and their watches, which never end by themselves, are not among them."""

    def __init__(self) -> None:
        self._calls: dict[int, Call] = {}
        self._none = asyncio.Event()
        self._none.set()

    def __call__(self, serve: Serve) -> Serve:
        """Lets the call be ended from outside."""

        async def guarded(call: Call) -> Any:
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
