"""The seam for traces and metrics: parts tell what they do, exporters listen, neither knows the other."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType

Value = str | int | float | bool


@dataclass(slots=True, eq=False)
class Span:
    """One timed piece of work, told to the listeners when it ends; of a traced call, with its place in the tree."""

    name: str
    attributes: dict[str, Value] = field(default_factory=dict)
    started: float = 0.0  # seconds, monotonic
    seconds: float = 0.0
    error: str = ""  # the exception's class, empty when it went well
    parent: "Span | None" = None
    root: "Span | None" = None  # the whole call's, where the call is traced
    said: str = ""  # the exception's own words, where the call is traced
    shown: dict[str, object] | None = None  # contents, `input` and `output`
    scores: dict[str, float] | None = None  # 0..1, of a root
    _id: str = ""

    @property
    def id(self) -> str:
        """A UUID of version 7 (RFC 9562), made when somebody asks."""
        if not self._id:
            began = time.time() - (time.monotonic() - self.started)
            self._id = uuid7(int(began * 1000))
        return self._id

    def set(self, **attributes: Value) -> None:
        """Adds attributes."""
        self.attributes.update(attributes)

    def show(self, **contents: object) -> None:
        """Adds what went in or came out: plain values and the contract's messages, kept only where it is traced."""
        if self.root is not None:
            self.shown = {**(self.shown or {}), **contents}

    def __enter__(self) -> "Span":
        self.started = time.monotonic()
        parent = _current.get()
        if parent is not None:
            self.parent, self.root = parent, parent.root
            _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.monotonic() - self.started
        if kind is not None:
            self.error = kind.__name__
        if self.parent is not None:
            self.said = str(error) if error is not None else ""
            if _current.get() is self:  # a generator may be closed by another task, which has a place of its own
                _current.set(self.parent)
        for listener in tuple(_listeners):
            listener(self)


Listener = Callable[[Span], None]
_listeners: list[Listener] = []
_current: ContextVar[Span | None] = ContextVar("span", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tells `listener` of every span that ends inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def span(name: str, **attributes: Value) -> Span:
    """Times a piece of work as a block; costs next to nothing while nobody listens."""
    return Span(name, attributes)


def tell(name: str, seconds: float, error: str = "", **attributes: Value) -> None:
    """Tells the listeners of work that whoever did it has timed itself."""
    if _listeners:
        told = Span(name, attributes, time.monotonic() - seconds, seconds, error)
        if (parent := _current.get()) is not None:
            told.parent, told.root = parent, parent.root
        for listener in tuple(_listeners):
            listener(told)


def begin_trace(name: str) -> Span:
    """Traces the current task, and all that it starts, from now on; whoever begins it ends it and tells of it."""
    root = Span(name, {}, time.monotonic())
    root.root = root
    _current.set(root)
    return root


def current_span() -> Span | None:
    """The innermost span under way; None where the call is not traced."""
    return _current.get()


def note(**attributes: Value) -> None:
    """Adds attributes to the whole call, where it is traced."""
    if (current := _current.get()) is not None and current.root is not None:
        current.root.attributes.update(attributes)


def trace_headers() -> dict[str, str]:
    """What tells a service that is asked now which trace its work belongs to; empty outside of a call."""
    call, current = _call.get(), _current.get()
    if call is None:
        return {}
    if current is None or current.root is None:
        return {"traceparent": f"00-{call[1]}-{random.getrandbits(64) | 1:016x}-00"}
    trace = str(current.root.attributes.get("caller_trace") or current.root.id)
    span = current.id.replace("-", "")[-16:]
    return {
        "traceparent": f"00-{call[1]}-{span}-01",
        "opik_trace_id": trace,
        "opik_parent_span_id": current.id,
    }


def uuid7(milliseconds: int) -> str:
    """A UUID whose first 48 bits are this time since 1970; two of one millisecond have no order."""
    bits = (milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | random.getrandbits(12) << 64
    text = f"{bits | 2 << 62 | random.getrandbits(62):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


_call: ContextVar[tuple[str, str] | None] = ContextVar("call", default=None)


def name_call(request_id: str, trace_id: str) -> None:
    """Names the call that the current task, and all that it starts, works for."""
    _call.set((request_id, trace_id))


def current_call() -> tuple[str, str] | None:
    """Request and trace id of the call that is worked for; None outside of one."""
    return _call.get()
