"""The deadline guard: every call ends, with a deadline of its own or the server's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from ragents_server.errors import DeadlineTooShort
from ragents_server.interceptors.around import Call, Guard

UPLOADS = frozenset({"/ragents.v1.DocumentService/PutDocuments"})


def deadline(default: float, maximum: float, upload: float) -> Guard:
    """Gives a call without a deadline `default` seconds, and none more than `maximum` (`upload` for uploads)."""

    @asynccontextmanager
    async def bounded(call: Call) -> AsyncIterator[None]:
        longest = upload if call.method in UPLOADS else maximum
        usual = upload if call.method in UPLOADS else default
        remaining: float | None = call.context.time_remaining()  # None without a deadline, whatever its type says
        seconds = min(usual if remaining is None else remaining, longest)
        try:
            async with asyncio.timeout(seconds) as scope:
                yield
        except TimeoutError:
            if not scope.expired():
                raise
            raise DeadlineTooShort(f"the call did not end within its {seconds:.3g} s") from None

    def guard(call: Call) -> AbstractAsyncContextManager[None]:
        return bounded(call)

    return guard
