"""The drain's guard: it knows the calls under way, so that a drain ends with the last of them, or ends them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ragents_server.errors import Draining
from ragents_server.interceptors.around import Call


class UnderWay:
    """The calls that are being served; probes and their watches, which never end by themselves, are not among them."""

    def __init__(self) -> None:
        self._scopes: set[asyncio.Timeout] = set()
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def __call__(self, _call: Call) -> AsyncIterator[None]:
        """Lets the call be ended from outside."""
        scope = asyncio.timeout_at(None)  # until a drain sets a time
        try:
            async with scope:
                self._scopes.add(scope)
                yield
        except TimeoutError:
            if not scope.expired():
                raise
            raise Draining("this replica is shutting down and could not finish the call in time") from None
        finally:
            self._scopes.discard(scope)
            async with self._changed:
                self._changed.notify_all()

    async def finish(self, grace: float) -> None:
        """Waits until all calls have ended; those that have not after `grace` seconds are told to come again."""
        try:
            async with asyncio.timeout(grace):
                await self._none()
        except TimeoutError:
            now = asyncio.get_running_loop().time()
            for scope in self._scopes:
                scope.reschedule(now)

    async def _none(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._scopes)
