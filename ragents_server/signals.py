"""The seam for tracing and metrics: parts tell what they do, exporters listen, neither knows the other."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
