"""Sends spans to Opik: in batches, from a thread of its own, bounded in number, size and time.

It posts to the batch endpoints that Opik's own SDK posts to; the SDK does more of its work while the call waits. What
does not fit is dropped and counted, never waited for.
"""

import gzip
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx
from google.protobuf.message import Message

from ragents_server.signals import Span
from ragents_server.telemetry.records import Records

log = logging.getLogger(__name__)

MOST_WAITING = 5000  # spans
MOST_BYTES = 16 * 2**20  # of them, with the requests and replies that they hold
OWN = 1000  # bytes of a span, or of a value, besides its text
BATCH = 200  # spans
PAUSE = 0.5  # seconds that a span waits at most for others
CONNECT, PATIENCE = 2.0, 5.0  # seconds for a connection, and for an answer
MOST_AT_ONCE, BREATH = 5, 0.0002  # spans, and seconds after them: while they are told, the event loop cannot run
ATTEMPTS = 3  # of a batch
FLUSH = 5.0  # seconds at the end
SHORTEST_BACKOFF, LONGEST_BACKOFF = 0.5, 10.0  # seconds without a try where Opik fails
# Traces first: Opik shows a span only below its trace.
ENDPOINTS = {
    "traces": ("POST", "/v1/private/traces/batch"),
    "spans": ("POST", "/v1/private/spans/batch"),
    "scores": ("PUT", "/v1/private/traces/feedback-scores"),
}


@dataclass(frozen=True, slots=True)
class Destination:
    """Where traces go."""

    url: str  # of the API, such as http://127.0.0.1:5173/api
    key: str = ""
    workspace: str = ""

    def headers(self) -> dict[str, str]:
        """Of every request."""
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        if self.key:
            headers["authorization"] = self.key
        if self.workspace:
            headers["comet-workspace"] = self.workspace
        return headers


class Opik:
    """A listener of spans; those of calls that are not traced it passes by."""

    def __init__(self, destination: Destination, records: Records, dropped: Callable[[int], None]) -> None:
        self._destination = destination
        self._records = records
        self._dropped = dropped
        self._waiting = deque[tuple[Span, int]]()
        self._bytes = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ends: float | None = None  # on the monotonic clock
        self._rest = 0.0  # until when Opik is left alone
        self._backoff = SHORTEST_BACKOFF
        self._thread = threading.Thread(target=self._run, name="sending traces", daemon=True)

    def __call__(self, span: Span) -> None:
        """Takes the span, or drops it where too many wait."""
        if span.root is None:
            return
        if span.name == "answer":  # no work of its own: it judges the call
            span.root.scores = {name: float(value) for name, value in span.attributes.items()}
            return
        size = _size(span)
        if len(self._waiting) >= MOST_WAITING or self._bytes + size > MOST_BYTES:
            self._dropped(1)
            return
        with self._lock:
            self._bytes += size
        self._waiting.append((span, size))
        if len(self._waiting) >= BATCH:
            self._wake.set()

    @property
    def failing(self) -> bool:
        """Whether Opik is left alone because it failed a moment ago."""
        return self._rest > time.monotonic()

    def start(self) -> None:
        """Sends from now on."""
        self._thread.start()

    def close(self) -> None:
        """Sends what is left, for at most FLUSH seconds."""
        self._ends = time.monotonic() + FLUSH
        self._wake.set()
        self._thread.join(FLUSH)
        if left := len(self._waiting):
            self._dropped(left)
            log.warning("%d spans were not sent: Opik did not take them in time", left)

    def _run(self) -> None:
        with httpx.Client(timeout=httpx.Timeout(PATIENCE, connect=CONNECT), headers=self._destination.headers()) as way:
            while self._ends is None or self._waiting:
                if self._ends is None:
                    self._wake.wait(PAUSE)
                    self._wake.clear()
                elif time.monotonic() > self._ends:
                    return
                while self._waiting and not self._rests():
                    self._send(way, self._taken())

    def _rests(self) -> bool:
        """Whether Opik failed a moment ago; at the end nothing is waited for."""
        left = self._rest - time.monotonic()
        if left > 0 and self._ends is not None:
            time.sleep(min(left, 0.1))
        return left > 0

    def _taken(self) -> list[Span]:
        taken = list[Span]()
        while self._waiting and len(taken) < BATCH:
            span, size = self._waiting.popleft()
            with self._lock:
                self._bytes -= size
            taken.append(span)
        return taken

    def _send(self, way: httpx.Client, spans: Sequence[Span]) -> None:
        told: dict[str, list[str]] = {kind: [] for kind in ENDPOINTS}
        for number, span in enumerate(spans, 1):
            try:
                for kind, record in self._records.of(span):
                    told[kind].append(json.dumps(record, ensure_ascii=False))
            except Exception:
                log.exception("a span could not be told")
                self._dropped(1)
            span.shown = None  # a task that outlives the call may hold the span
            if number % MOST_AT_ONCE == 0 and self._ends is None:
                time.sleep(BREATH)
        for kind, records in told.items():
            if records and not self._sent(way, kind, records) and kind == "spans":
                self._dropped(len(records))

    def _sent(self, way: httpx.Client, kind: str, records: Sequence[str]) -> bool:
        """Whether Opik has it: it is tried again while Opik fails, not where Opik does not want it."""
        method, path = ENDPOINTS[kind]
        body = f'{{"{kind}": [{", ".join(records)}]}}'
        packed = gzip.compress(body.encode(errors="replace"), 1)
        for _ in range(ATTEMPTS):
            if self._ends is not None and time.monotonic() > self._ends:
                return False
            try:
                status = way.request(method, self._destination.url.rstrip("/") + path, content=packed).status_code
            except (httpx.HTTPError, OSError) as error:
                self._failed(type(error).__name__)
            else:
                if status < 300:
                    self._backoff, self._rest = SHORTEST_BACKOFF, 0.0
                    return True
                self._failed(f"status {status}")
                if status < 500 and status not in (408, 429):
                    return False
            self._wait()
        return False

    def _failed(self, why: str) -> None:
        log.warning("Opik does not take traces, calls go on without: %s", why)
        self._rest = time.monotonic() + self._backoff
        self._backoff = min(self._backoff * 2, LONGEST_BACKOFF)

    def _wait(self) -> None:
        until = self._rest if self._ends is None else min(self._rest, self._ends)
        while time.monotonic() < until and self._ends is None:
            time.sleep(0.05)


def _size(span: Span) -> int:
    """About the bytes that it holds."""
    return OWN + sum(map(_held, (span.shown or {}).values()))


def _held(shown: object) -> int:
    if isinstance(shown, bytes | str):
        return len(shown)
    if isinstance(shown, Message):
        return OWN + shown.ByteSize()
    if isinstance(shown, list | tuple):
        return sum(map(_held, shown))
    return OWN
