"""One piece of work of a user's: it waits for its tokens, then for its turn, and is done."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ragents_server.caller import PRIORITIES, Caller
from ragents_server.errors import DeadlineTooShort
from ragents_server.execution import Execution, Gate, executing
from ragents_server.limits.law import Decision
from ragents_server.limits.limiter import Limiter
from ragents_server.limits.quotas import Quotas

T = TypeVar("T")


class Processing:
    """The limits and the gate; what every call of the server goes through."""

    def __init__(self, limiter: Limiter, quotas: Quotas, gate: Gate, *, most_wait: float) -> None:
        self._limiter = limiter
        self._quotas = quotas
        self._gate = gate
        self._most_wait = most_wait

    async def process_with_rate_limit(
        self, user: Caller, func: Callable[[], Awaitable[T]], priority: str = "NORMAL", timeout: float = 30.0
    ) -> T:
        """What `func` gives, once the user's tokens are there and a slot is free, by priority.

        Both may take `timeout` seconds between them. Raises RateLimited, Overloaded and DeadlineTooShort.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        execution = Execution(self._gate, user, kind=getattr(func, "__qualname__", ""), priority=rank(priority, user))

        async def work() -> T:
            try:
                async with asyncio.timeout_at(until):
                    await execution.take_slot()
            except TimeoutError:
                raise DeadlineTooShort(f"no slot became free within {timeout:.3g} s") from None
            return await func()

        return await self.process(execution, work, seconds=timeout)

    async def process(
        self,
        execution: Execution,
        func: Callable[[], Awaitable[T]],
        *,
        seconds: float,
        told: Callable[[Decision], None] | None = None,
    ) -> T:
        """What `func` gives as this execution, which takes a slot when it has to be worked for.

        `told` gets what the limiter decided. Raises RateLimited.
        """
        quota = self._quotas.of(execution.caller.quota)
        if quota is None:
            with executing(execution):
                return await func()
        most_wait = min(self._most_wait, seconds)
        async with self._limiter.admitted(execution.caller, quota, most_wait=most_wait, seconds=seconds) as decision:
            if told is not None:
                told(decision)
            with executing(execution):
                return await func()


def rank(priority: str, user: Caller) -> int:
    """The place of a priority in PRIORITIES, no higher than the user's ceiling; ValueError for an unknown one."""
    return min(PRIORITIES.index(priority), PRIORITIES.index(user.priority))
