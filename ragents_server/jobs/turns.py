"""Whose turn it is: the higher priority, but none is passed over for ever."""

from collections.abc import Sequence

from ragents_server.caller import PRIORITIES

PASSED = 19  # so that each priority has at least 5 % of what is taken


class Turns:
    """What one taker looks at first; what all of them take has each priority's share, as what each takes has."""

    def __init__(self) -> None:
        self._passed = [0] * len(PRIORITIES)  # times that a higher priority was served since this one was

    def order(self) -> Sequence[int]:
        """The priorities, the one to be looked at first in front."""
        usual = range(len(PRIORITIES) - 1, -1, -1)
        starved = [priority for priority in reversed(usual) if self._passed[priority] >= PASSED]
        return [*starved, *(priority for priority in usual if priority not in starved)]

    def took(self, priority: int) -> None:
        """A job of this priority was taken."""
        self._passed[priority] = 0
        for lower in range(priority):
            self._passed[lower] += 1
