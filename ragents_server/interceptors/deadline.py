"""The deadline guard: every call ends, with a deadline of its own or the server's, or with the server."""

import asyncio
import math
from dataclasses import dataclass
from typing import Any

from ragents_server.errors import DeadlineTooShort, Draining
from ragents_server.interceptors.around import Call, Guard, Serve

UPLOADS = frozenset({"/ragents.v1.DocumentService/PutDocuments"})
TICKS = 50  # a second; a call ends at the tick after its deadline


@dataclass(eq=False, slots=True)
class _Bound:
    """What ends one call: its task is cancelled, as asyncio.timeout does."""

    task: "asyncio.Task[Any]"
    cancelling: int  # how often the task had been asked to end before
    tick: int
    expired: bool = False

    def end(self) -> None:
        """Cancels the call, once: a deadline may pass while a drain ends it."""
        if not self.expired:
            self.expired = True
            self.task.cancel()

    def caught(self) -> bool:
        """Whether the cancellation was this one, and no other."""
        return self.expired and self.task.uncancel() <= self.cancelling


class _Bounds:
    """The bounds of all calls. Those due in one tick share a timer: one each would cost more than all other guards."""

    def __init__(self) -> None:
        self._due: dict[int, set[_Bound]] = {}

    def begin(self, seconds: float) -> _Bound:
        """Bounds the current task, from now on."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise RuntimeError("a call runs in a task")
        tick = math.ceil((loop.time() + seconds) * TICKS)
        due = self._due.get(tick)
        if due is None:
            due = self._due[tick] = set()
            loop.call_at(tick / TICKS, self._ring, tick)
        bound = _Bound(task, task.cancelling(), tick)
        due.add(bound)
        return bound

    def end(self, bound: _Bound) -> None:
        """The call has ended."""
        if (due := self._due.get(bound.tick)) is not None:
            due.discard(bound)

    def _ring(self, tick: int) -> None:
        for bound in self._due.pop(tick):
            bound.end()


def deadline(default: float, maximum: float, upload: float) -> Guard:
    """Gives a call without a deadline `default` seconds, and none more than `maximum` (`upload` for uploads)."""
    bounds = _Bounds()

    def guard(serve: Serve) -> Serve:
        async def bounded(call: Call) -> Any:
            longest = upload if call.method in UPLOADS else maximum
            usual = upload if call.method in UPLOADS else default
            remaining: float | None = call.context.time_remaining()  # None without a deadline, whatever its type says
            seconds = min(usual if remaining is None else remaining, longest)
            bound = bounds.begin(seconds)
            call.end, call.until = bound.end, asyncio.get_running_loop().time() + seconds
            try:
                if call.draining:
                    bound.end()
                return await serve(call)
            except asyncio.CancelledError:
                if not bound.caught():
                    raise
                if call.draining:
                    raise Draining("this replica is shutting down and could not finish the call in time") from None
                raise DeadlineTooShort(f"the call did not end within its {seconds:.3g} s") from None
            finally:
                bounds.end(bound)

        return bounded

    return guard
