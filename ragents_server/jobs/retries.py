"""What becomes of a job that failed: its failure is told, or it is tried again after a pause."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from ragents_server.errors import (
    DeadlineTooShort,
    Draining,
    ModelUnavailable,
    Overloaded,
    RagentsError,
    RateLimited,
    StateUnavailable,
)

PASSING = (ModelUnavailable, StateUnavailable, DeadlineTooShort)  # another attempt may go well
NOT_NOW = (Overloaded, RateLimited, Draining)  # it was not even tried: no attempt is spent
BASE, LONGEST = 1.0, 60.0  # seconds that a pause may have after the first attempt, and ever


@dataclass(frozen=True, slots=True)
class Pause:
    """Try again after so many seconds; whether the attempt that failed counts."""

    seconds: float
    counted: bool


@dataclass(frozen=True, slots=True)
class Retries:
    """At most so many `attempts`; what is refused for want of room is put off for `patience` seconds at most."""

    attempts: int
    patience: float
    draw: Callable[[], float] = random.random  # 0 to 1

    def after(self, error: RagentsError, attempt: int, age: float) -> Pause | None:
        """The pause before the next attempt; None: the failure is for good."""
        if isinstance(error, NOT_NOW):
            counted, again = False, age < self.patience
        else:
            counted, again = True, isinstance(error, PASSING) and attempt < self.attempts
        if not again:
            return None
        most = min(LONGEST, BASE * 2 ** min(attempt - 1, 16))
        return Pause((error.retry_after or 0.0) + self.draw() * most, counted)

    def is_dead(self, error: RagentsError) -> bool:
        """Whether an error that is for good makes a dead letter: it might have gone well."""
        return isinstance(error, PASSING + NOT_NOW)
