"""What a put inside a turn must find, and what it commits beside the checkpoint.

Around a turn a fence is raised; LangGraph's tasks inherit it. A put or a write of the fenced thread holds only while
the thread's token is the fence's and, for a checkpoint of the root namespace, while its parent is the thread's head.
Outside of turns savers behave as LangGraph's own.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ends: `outcome` is a serialized Run with nothing but its answer."""

    outcome: bytes


@dataclass(frozen=True, slots=True)
class Fence:
    """Guards one thread for one attempt of one run.

    `ending` is asked with the channel values of each root checkpoint: what it gives is committed in the transaction of
    that checkpoint, where the backend can do that; None while the run goes on.
    """

    thread: str  # LangGraph's thread_id
    token: int
    run: str
    ending: Callable[[Mapping[str, Any]], Ending | None]


_current: ContextVar[Fence | None] = ContextVar("fence", default=None)


def current_fence(thread: str) -> Fence | None:
    """The fence around this thread, where there is one."""
    fence = _current.get()
    return fence if fence is not None and fence.thread == thread else None


@contextmanager
def fenced(fence: Fence) -> Iterator[None]:
    """Raises the fence inside the block, and in tasks that are begun there."""
    token = _current.set(fence)
    try:
        yield
    finally:
        _current.reset(token)
