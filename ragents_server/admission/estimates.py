"""How long work takes, by its kind: learnt from what was done last."""

from collections import deque
from collections.abc import Callable

KEPT = 64  # of the last ones of a kind
OLD = 30.0  # seconds after which they say nothing: whoever is refused for them teaches nothing new
FEWEST = 8  # before anything is said
SHARE = 0.25  # a quarter was faster: who has less time than that is hardly served
MOST_KINDS = 256


class Estimates:
    """Seconds that work of a kind takes at least, but for a quarter of it; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: dict[str, deque[tuple[float, float]]] = {}  # when, and how long
        self._told: dict[str, tuple[int, float]] = {}  # in which second this was found; to sort at each call takes time

    def learn(self, kind: str, seconds: float) -> None:
        """Work of this kind has taken so long."""
        if kind in self._last or len(self._last) < MOST_KINDS:
            self._last.setdefault(kind, deque(maxlen=KEPT)).append((self._clock(), seconds))
            self._told.pop(kind, None)

    def seconds(self, kind: str) -> float:
        """What work of this kind takes; 0 while too little is known."""
        last, now = self._last.get(kind), self._clock()
        if last is None:
            return 0.0
        told = self._told.get(kind)
        if told is None or told[0] != int(now):
            told = self._told[kind] = int(now), _quick(sorted(seconds for when, seconds in last if when >= now - OLD))
        return told[1]

    def longest(self) -> float:
        """What work of the slowest kind takes."""
        return max(map(self.seconds, self._last), default=0.0)


def _quick(lately: list[float]) -> float:
    return lately[int(len(lately) * SHARE)] if len(lately) >= FEWEST else 0.0
