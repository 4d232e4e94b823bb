"""Metadata and deadlines as a stranger might send them."""

import random
from collections.abc import Callable, Sequence

Metadata = tuple[tuple[str, str | bytes], ...]
PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
NAMES = ("x-ragents-user", "x-ragents-priority", "x-request-id", "traceparent", "authorization", "x-ratelimit-limit")
VALUES = ("", "0", "-1", "HIGH", "CRITICAL", "admin", "null", "Bearer", "Bearer ", "'; --", "../..", "%00", "9" * 400)
BINARY = ("x-ragents-user-bin", "authorization-bin", "x-request-id-bin", "grpc-trace-bin", "grpc-tags-bin", "x-bin")
TIMEOUTS = (0.0, 1e-6, 1e-3, 0.05, 1e5)  # seconds
DOUBLED, LONGEST = 0.2, 20_000  # share of headers that are sent twice; bytes of a value


class Headers:
    """Draws the metadata of each call; most keep the caller's credential, and so get past the first guard."""

    def __init__(self, draw: random.Random, credentials: Sequence[Metadata]) -> None:
        self._draw = draw
        self._credentials = credentials
        self._makers: Sequence[Callable[[], Metadata]] = (self._known, self._text, self._binary, self._long, self._many)

    def metadata(self) -> Metadata:
        """A valid credential alone, with strange company, or none."""
        chance = self._draw.random()
        valid = self._draw.choice(self._credentials)
        if chance < 0.6:
            return valid
        strange = self._draw.choice(self._makers)()
        return strange if chance > 0.9 else valid + strange

    def timeout(self, usual: float) -> float:
        """Seconds; now and then none, or more than there ever will be."""
        return self._draw.choice(TIMEOUTS) if self._draw.random() < 0.05 else usual

    def _printable(self, length: int) -> str:
        return "".join(self._draw.choices(PRINTABLE, k=length)).strip()

    def _known(self) -> Metadata:
        header = (self._draw.choice(NAMES), self._draw.choice(VALUES))
        return (header, header) if self._draw.random() < DOUBLED else (header,)

    def _text(self) -> Metadata:
        return ((self._draw.choice(NAMES), self._printable(self._draw.randint(1, 300))),)

    def _binary(self) -> Metadata:
        return ((self._draw.choice(BINARY), self._draw.randbytes(self._draw.randint(0, 200))),)

    def _long(self) -> Metadata:
        return ((self._draw.choice(NAMES), "a" * self._draw.choice((257, 4_000, LONGEST))),)

    def _many(self) -> Metadata:
        return tuple((f"x-{number}", "v") for number in range(self._draw.choice((50, 400))))
