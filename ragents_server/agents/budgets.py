"""What an attempt of a run may use, and what it has used: steps, tokens, time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from ragents_client.v1.answer_pb2 import Usage
from ragents_server.errors import BudgetSpent

MOST_TOKENS = 200_000
MOST_SECONDS = 300.0


@dataclass(slots=True)
class Budget:
    """Ends a loop with BudgetSpent; asked before every step and told of every call of a chat model.

    `max_steps` 0: the agent's own default, which it gives to `step`.
    """

    max_steps: int = 0
    max_tokens: int = MOST_TOKENS  # read and written
    max_seconds: float = MOST_SECONDS
    clock: Callable[[], float] = time.monotonic
    input_tokens: int = 0
    output_tokens: int = 0
    model_calls: int = 0
    model: str = ""  # the one that was called last
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    def step(self, number: int, most: int) -> None:
        """Before step `number`, from 1, of an agent that takes `most` steps by itself and never more than that."""
        limit = min(self.max_steps or most, most)
        if number > limit:
            raise BudgetSpent(f"the run used its {limit} steps and is not done")
        if self.input_tokens + self.output_tokens >= self.max_tokens:
            raise BudgetSpent(f"the run used its {self.max_tokens:,} tokens and is not done")
        if self.seconds_left <= 0:
            raise self.out_of_time()

    def out_of_time(self) -> BudgetSpent:
        """What to raise once its seconds are over."""
        return BudgetSpent(f"the run used its {self.max_seconds:.3g} s and is not done")

    def spend(self, model: str, input_tokens: int, output_tokens: int) -> None:
        """A call of a chat model has ended."""
        self.model = model
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens
        self.model_calls += 1

    @property
    def seconds_left(self) -> float:
        """Until nothing more may begin; what is under way is bounded by it too."""
        return self.max_seconds - (self.clock() - self._began)

    def usage(self, written: Usage | None = None) -> Usage:
        """All that was used; `written` is of a writer, who is not asked for steps."""
        used = Usage(
            model=self.model,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            model_calls=self.model_calls,
        )
        if written is not None:
            used.model = written.model or used.model
            used.input_tokens += written.input_tokens
            used.output_tokens += written.output_tokens
            used.model_calls += written.model_calls
        return used


_current: ContextVar[Budget | None] = ContextVar("budget", default=None)


def current_budget() -> Budget:
    """The budget of the run; outside of one, the usual one."""
    return _current.get() or Budget()


@contextmanager
def budgeted(budget: Budget) -> Iterator[Budget]:
    """Makes it the current one inside the block, and in tasks that are begun there."""
    token = _current.set(budget)
    try:
        yield budget
    finally:
        _current.reset(token)
