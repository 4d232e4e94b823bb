"""What the solver says: a solution with its steps, or the readings between which somebody has to choose."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["arithmetic", "date", "comparison", "puzzle"]


@dataclass(frozen=True, slots=True)
class Solution:
    """A result that was computed.

    `value` is the short result: a number, an ISO date, "yes", a name; empty where it was understood what is asked but
    not computed, and `text` says why. `text` is one sentence that answers, `steps` how it was found.
    """

    kind: Kind
    value: str
    text: str
    steps: tuple[str, ...] = ()

    @property
    def solved(self) -> bool:
        """Whether there is a result."""
        return bool(self.value)


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A text with several readings: what to ask, an option a reading, and the text that each option stands for."""

    question: str
    options: tuple[str, ...]
    texts: tuple[str, ...]


class OutsideError(Exception):
    """The text is outside the grammar."""


class UnsolvedError(Exception):
    """It is understood what is asked, and not computed; the text, a sentence, says why."""


CANNOT_BE_TOLD = "cannot be told"
CONTRADICTION = "contradiction"
