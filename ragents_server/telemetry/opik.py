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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from google.protobuf.message import Message

from ragents_server.signals import Span
from ragents_server.telemetry.records import Records

log = logging.getLogger(__name__)

MOST_WAITING = 5000  # spans
MOST_BYTES = 32 * 2**20  # of the requests and replies among them
BATCH = 200  # spans
PAUSE = 0.5  # seconds that a span waits at most for others
CONNECT, PATIENCE = 2.0, 5.0  # seconds for a connection, and for an answer
ATTEMPTS = 3  # of a batch
FLUSH = 5.0  # seconds at the end
SHORTEST_BACKOFF, LONGEST_BACKOFF = 0.5, 10.0  # seconds without a try where Opik fails


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
        try:
            made = self._records.of(spans)
        except Exception:
            log.exception("spans could not be told")
            self._dropped(len(spans))
            return
        for span in spans:
            span.shown = None  # a task that outlives the call may hold the span
        for method, path, body, number in made:
            if not self._sent(way, method, path, body):
                self._dropped(number)

    def _sent(self, way: httpx.Client, method: str, path: str, body: Mapping[str, Any]) -> bool:
        """Whether Opik has it: it is tried again while Opik fails, not where Opik does not want it."""
        packed = gzip.compress(json.dumps(body, ensure_ascii=False).encode(errors="replace"), 1)
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
    """Bytes of the messages that it holds."""
    shown = (span.shown or {}).values()
    return sum(
        len(one) if isinstance(one, bytes | str) else one.ByteSize() if isinstance(one, Message) else 500
        for one in shown
    )
