"""The way to one model at its provider: closed while it fails or wants to be left alone, tried again within a budget.

FAILURES calls in a row that fail close it; after a pause one call at a time is let through, and the first that is
answered opens it again. Failures are what a later call may find mended: no connection, a status 5xx, no answer in time,
an answer that cannot be read or is cut off. A spent quota closes it for as long as the provider says. A refused
request, or one that is too long, or a caller who leaves, say nothing about the model.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

from ragents_server.connections.breaker import Breaker, State
from ragents_server.errors import ContextTooLong, ModelQuota, ModelUnavailable
from ragents_server.execution import current_execution
from ragents_server.signals import tell

T = TypeVar("T")

ATTEMPTS = 3  # of one call, the first one among them
FAILURES = 5  # in a row
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 4.0  # seconds before a trial
PATIENCE = 5.0  # seconds with a trial, before another is made beside it
LONGEST_HOLD = 60.0  # seconds; a provider that names more is asked once in that time
BACKOFF, LONGEST_BACKOFF = 0.2, 2.0  # seconds: the first retry comes within the one, none after more than the other
LONGEST_WAIT = 2.0  # seconds that a call itself waits for a quota; more is for its caller to decide
SHARE, FIRST, MOST_KEPT = 0.1, 1.0, 10.0  # retries for each call, at the start, and that may be saved up
NEWEST = 0.2  # weight of the newest call in how long calls usually take


class RetryBudget:
    """Retries that calls have earned, so that a model that fails is asked at most 1 + SHARE times a call."""

    def __init__(self) -> None:
        self._retries = FIRST

    def earn(self) -> None:
        """A call has begun."""
        self._retries = min(self._retries + SHARE, MOST_KEPT)

    def spend(self) -> bool:
        """Whether there may be a retry; then it is used up."""
        if self._retries < 1:
            return False
        self._retries -= 1
        return True


class Upstream:
    """One model's breaker, hold and budget, shared by all who ask it. Belongs to one event loop."""

    def __init__(
        self,
        model: str,
        *,
        attempts: int = ATTEMPTS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.model = model
        self.breaker = Breaker(
            failures=FAILURES,
            pause=SHORTEST_PAUSE,
            longest=LONGEST_PAUSE,
            patience=PATIENCE,
            clock=clock,
            jitter=lambda: 0.8 + 0.2 * draw(),
        )
        self.budget = RetryBudget()
        self.read = self.written = 0  # tokens, as the model told
        self.most = attempts
        self.clock = clock
        self.sleep = sleep
        self._draw = draw
        self._held_until = 0.0
        self._usual = 0.0  # seconds of a call

    @property
    def usual(self) -> float:
        """Seconds that a call takes of late; 0 before the first."""
        return self._usual

    def attempts(self) -> "Attempts":
        """The attempts of one call."""
        return Attempts(self)

    async def serve(self, call: Callable[[], Awaitable[T]]) -> T:
        """What the call gives, made again where that may help. Raises ModelUnavailable and what the call raises."""
        async for attempt in self.attempts():
            with attempt:
                return await call()
        raise AssertionError("the last attempt ended without a word")

    def enter(self) -> None:
        """Returns where a call may be made now. Raises ModelQuota and ModelUnavailable with the wait."""
        if (wait := self._held_until - self.clock()) > 0:
            raise ModelQuota(f"the quota of the model {self.model} is spent", retry_after=wait)
        if not self.breaker.allow():
            wait = self.breaker.retry_after()
            raise ModelUnavailable(f"the model {self.model} fails, and is left alone for a while", retry_after=wait)

    def used(self, read: int, written: int) -> None:
        """It tells of so many tokens more."""
        self.read += read
        self.written += written

    def answers(self) -> None:
        """It has begun to answer: a trial has shown what it was to show."""
        if self.breaker.state is State.HALF_OPEN:
            self.breaker.succeeded()

    def answered(self, seconds: float) -> None:
        """A call went well, and took so long."""
        self.breaker.succeeded()
        self._usual += (seconds - self._usual) * (NEWEST if self._usual else 1.0)

    def failed(self, error: ModelUnavailable | ContextTooLong) -> None:
        """A call failed: the model, or only this request."""
        if isinstance(error, ModelQuota):
            self._held_until = max(self._held_until, self.clock() + min(error.retry_after or 0.0, LONGEST_HOLD))
        if isinstance(error, ContextTooLong | ModelQuota) or error.lasting:
            self.breaker.succeeded()  # it is there
        else:
            self.breaker.failed()

    def pause(self, retry: int, error: ModelUnavailable) -> float | None:
        """Seconds before retry number `retry`, from 1; None where there is to be none."""
        pause = self._draw() * min(BACKOFF * 2 ** (retry - 1), LONGEST_BACKOFF)
        if isinstance(error, ModelQuota):
            pause = max(pause, self._held_until - self.clock())
        left = current_execution().until - asyncio.get_running_loop().time()
        vain = error.lasting or self.breaker.state is not State.CLOSED  # it would be refused
        if vain or retry >= self.most or pause > LONGEST_WAIT or left <= pause + self._usual:
            return None
        return pause if self.budget.spend() else None


class Attempts:
    """`async for attempt in …: with attempt: …`: what fails inside is tried again, as long as that is allowed."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._last: Attempt | None = None
        upstream.budget.earn()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> "Attempt":
        number = 1
        if self._last is not None:
            if self._last.pause is None:
                raise StopAsyncIteration
            await self._upstream.sleep(self._last.pause)
            number = self._last.number + 1
        self._upstream.enter()
        self._last = Attempt(self._upstream, number)
        return self._last


class Attempt:
    """One attempt of a call, as a block. Whatever was told of it is not told again by another."""

    def __init__(self, upstream: Upstream, number: int) -> None:
        self.number = number
        self.told = False
        self.pause: float | None = None  # before the next one, where there is one
        self._upstream = upstream
        self._began = upstream.clock()
        self._first: float | None = None  # seconds to the first word

    def tell(self) -> None:
        """Something of the answer leaves."""
        if not self.told:
            self.told = True
            self._first = self._upstream.clock() - self._began
            self._upstream.answers()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        first = {} if self._first is None else {"first": self._first}
        seconds = self._upstream.clock() - self._began
        tell("model", seconds, "" if kind is None else kind.__name__, model=self._upstream.model, **first)
        if error is None:
            self._upstream.answered(seconds)
        elif isinstance(error, ModelUnavailable | ContextTooLong):
            self._upstream.failed(error)
            if isinstance(error, ModelUnavailable) and not self.told:
                self.pause = self._upstream.pause(self.number, error)
        return self.pause is not None
