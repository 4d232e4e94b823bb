"""The deadline guard: every call ends, with a deadline of its own or the server's, or with the server."""

import asyncio
from typing import Any

from ragents_server.errors import DeadlineTooShort, Draining
from ragents_server.interceptors.around import Call, Guard, Serve

UPLOADS = frozenset({"/ragents.v1.DocumentService/PutDocuments"})


def deadline(default: float, maximum: float, upload: float) -> Guard:
    """Gives a call without a deadline `default` seconds, and none more than `maximum` (`upload` for uploads)."""

    def guard(serve: Serve) -> Serve:
        async def bounded(call: Call) -> Any:
            longest = upload if call.method in UPLOADS else maximum
            usual = upload if call.method in UPLOADS else default
            remaining: float | None = call.context.time_remaining()  # None without a deadline, whatever its type says
            seconds = min(usual if remaining is None else remaining, longest)
            try:
                async with asyncio.timeout(0 if call.draining else seconds) as call.scope:
                    return await serve(call)
            except TimeoutError:
                if call.scope is None or not call.scope.expired():
                    raise
                if call.draining:
                    raise Draining("this replica is shutting down and could not finish the call in time") from None
                raise DeadlineTooShort(f"the call did not end within its {seconds:.3g} s") from None

        return bounded

    return guard
