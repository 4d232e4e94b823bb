"""Turns: whoever has had fewest of late is next.

Start-time fair queueing (P. Goyal, H. Vin, H. Cheng, 1996) where all turns cost the same. Whoever comes after a while
goes before those who never cease to ask, and whoever asks for more than its share waits for its own earlier turns only.
"""

REMEMBERED = 1024  # of those who do not wait


class Turns:
    """The turns of those who wait, by name."""

    def __init__(self) -> None:
        self._now = 0  # the turn that was taken last
        self._due: dict[str, int] = {}  # of each that waits, the turn that it has next
        self._later: dict[str, int] = {}  # the same of those who do not wait, and have had turns of the time to come

    def join(self, name: str) -> None:
        """It waits from now on."""
        if name not in self._due:
            self._due[name] = max(self._now, self._later.pop(name, 0))

    def leave(self, name: str) -> None:
        """It does not wait any more; what it has had counts as long as others wait."""
        due = self._due.pop(name)
        if not self._due:
            self._later.clear()
        elif due > self._now:
            if len(self._later) >= REMEMBERED:
                del self._later[next(iter(self._later))]
            self._later[name] = due

    def next(self) -> str:
        """Whose turn it is."""
        return min(self._due, key=self._due.__getitem__)

    def take(self, name: str) -> None:
        """It has its turn."""
        self._now = self._due[name]
        self._due[name] += 1

    def before(self, place: int, mine: str, sizes: dict[str, int]) -> int:
        """What has its turn before the one at `place` of `mine`; `sizes` says how many of each wait."""
        turn, before, earlier = self._due[mine] + place, place, True
        for name, due in self._due.items():
            if name == mine:
                earlier = False
            else:
                before += min(max(turn - due + earlier, 0), sizes[name])
        return before
