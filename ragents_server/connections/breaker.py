"""A circuit breaker: after failures in a row nobody tries any more, until one trial after a pause went well."""

import time
from collections.abc import Callable
from enum import Enum, auto


class State(Enum):
    """Whether calls go through."""

    CLOSED = auto()  # they do
    OPEN = auto()  # none does until the pause is over
    HALF_OPEN = auto()  # one is on trial


def _steady() -> float:
    return 1.0


class Breaker:
    """For the calls of one event loop to one dependency. Call `allow` before a call, `succeeded` or `failed` after it.

    The pause doubles with every failed trial, from `pause` to `longest` seconds. A trial that says nothing within
    `patience` seconds, as its caller was cancelled, makes room for another. `jitter` is a factor on each pause, drawn
    anew, so that replicas do not try all at once.
    """

    def __init__(
        self,
        *,
        failures: int = 1,
        pause: float = 0.25,
        longest: float = 5.0,
        patience: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = _steady,
    ) -> None:
        self.state = State.CLOSED
        self._most = failures
        self._shortest = pause
        self._longest = longest
        self._patience = patience
        self._clock = clock
        self._jitter = jitter
        self._failures = 0  # in a row
        self._pause = pause  # the next one
        self._until = 0.0  # when the pause, or the patience with a trial, is over

    def allow(self) -> bool:
        """Whether to make a call now; while open, True makes it the trial."""
        if self.state is State.CLOSED:
            return True
        if self._clock() < self._until:
            return False
        self.state = State.HALF_OPEN
        self._until = self._clock() + self._patience
        return True

    def succeeded(self) -> None:
        """A call went well; one that began before the breaker opened proves nothing about now."""
        if self.state is not State.OPEN:
            self.state = State.CLOSED
            self._failures = 0
            self._pause = self._shortest

    def failed(self) -> None:
        """A call failed because the dependency is away."""
        self._failures += 1
        if self.state is State.HALF_OPEN or (self.state is State.CLOSED and self._failures >= self._most):
            self.state = State.OPEN
            self._until = self._clock() + self._pause * self._jitter()
            self._pause = min(self._pause * 2, self._longest)

    def retry_after(self) -> float:
        """Seconds until a call may be allowed."""
        return 0.0 if self.state is State.CLOSED else max(0.0, self._until - self._clock())
