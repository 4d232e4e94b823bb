"""How long work takes, by its kind: learnt from what was done last."""

from collections import deque

KEPT = 64  # of the last ones of a kind
FEWEST = 8  # before anything is said
SHARE = 0.25  # a quarter was faster: who has less time than that is hardly served
MOST_KINDS = 256


class Estimates:
    """Seconds that work of a kind takes at least, but for a quarter of it."""

    def __init__(self) -> None:
        self._last: dict[str, deque[float]] = {}
        self._known: dict[str, float] = {}

    def learn(self, kind: str, seconds: float) -> None:
        """Work of this kind has taken so long."""
        if kind not in self._last and len(self._last) >= MOST_KINDS:
            return
        last = self._last.setdefault(kind, deque(maxlen=KEPT))
        last.append(seconds)
        if len(last) >= FEWEST:
            self._known[kind] = sorted(last)[int(len(last) * SHARE)]

    def seconds(self, kind: str) -> float:
        """What work of this kind takes; 0 while too little is known."""
        return self._known.get(kind, 0.0)

    def longest(self) -> float:
        """What work of the slowest kind takes."""
        return max(self._known.values(), default=0.0)
