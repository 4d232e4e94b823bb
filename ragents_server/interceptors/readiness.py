"""The readiness guard: until the database has answered once, calls are UNAVAILABLE rather than wrong."""

from typing import Any

from ragents_server.errors import StateUnavailable
from ragents_server.interceptors.around import Call, Serve


class Readiness:
    """Whether the server has started; what happens to its database later, each call finds out itself."""

    def __init__(self) -> None:
        self.started = False
        self.draining = False  # then it is NOT_SERVING for good

    def __call__(self, serve: Serve) -> Serve:
        """Refuses calls until the server has started."""

        async def guarded(call: Call) -> Any:
            if not self.started:
                raise StateUnavailable("the server is starting: its database does not answer yet")
            return await serve(call)

        return guarded
