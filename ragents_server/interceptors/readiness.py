"""The readiness guard: until the database has answered once, calls are UNAVAILABLE rather than wrong."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ragents_server.errors import StateUnavailable
from ragents_server.interceptors.around import Call


class Readiness:
    """Whether the server has started; what happens to its database later, each call finds out itself."""

    def __init__(self) -> None:
        self.started = False
        self.draining = False  # then it is NOT_SERVING for good

    @asynccontextmanager
    async def __call__(self, _call: Call) -> AsyncIterator[None]:
        """Refuses calls until the server has started."""
        if not self.started:
            raise StateUnavailable("the server is starting: its database does not answer yet")
        yield
