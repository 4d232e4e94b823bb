"""The seam for tracing and metrics: parts tell what they do, exporters listen, neither knows the other."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

Value = str | int | float | bool


@dataclass(slots=True)
class Span:
    """One timed piece of work, told to the listeners when it ends."""

    name: str
    attributes: dict[str, Value] = field(default_factory=dict)
    started: float = 0.0  # seconds, monotonic
    seconds: float = 0.0
    error: str = ""  # the exception's class, empty when it went well

    def set(self, **attributes: Value) -> None:
        """Adds attributes."""
        self.attributes.update(attributes)


Listener = Callable[[Span], None]
_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tells `listener` of every span that ends inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def span(name: str, **attributes: Value) -> Iterator[Span]:
    """Times a piece of work; costs next to nothing while nobody listens."""
    current = Span(name, dict(attributes), time.monotonic())
    try:
        yield current
    except BaseException as error:
        current.error = type(error).__name__
        raise
    finally:
        current.seconds = time.monotonic() - current.started
        for listener in tuple(_listeners):
            listener(current)


def tell(name: str, seconds: float, error: str = "", **attributes: Value) -> None:
    """Tells the listeners of work that whoever did it has timed itself."""
    if _listeners:
        told = Span(name, attributes, time.monotonic() - seconds, seconds, error)
        for listener in tuple(_listeners):
            listener(told)


_call: ContextVar[tuple[str, str] | None] = ContextVar("call", default=None)


def name_call(request_id: str, trace_id: str) -> None:
    """Names the call that the current task, and all that it starts, works for."""
    _call.set((request_id, trace_id))


def current_call() -> tuple[str, str] | None:
    """Request and trace id of the call that is worked for; None outside of one."""
    return _call.get()
