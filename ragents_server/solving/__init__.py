"""The solver: arithmetic, dates, comparisons and small puzzles are worked out, not guessed.

`solve` reads a text by a closed grammar, which the modules document: `arithmetic` and `idioms`, `equations`, `dates`,
`comparisons`, `orderings`, `propositions`, `syllogisms`, `assignments`, `knights`. All words of the text must belong
to it. A text that asks about anything else is outside, however many numbers it has, and so is the solver's silence
cheap: sympy and z3 are imported when something is computed.
"""

from ragents_server.solving.grammar import solve
from ragents_server.solving.solution import CANNOT_BE_TOLD, CONTRADICTION, Ambiguous, Kind, Solution

__all__ = ["CANNOT_BE_TOLD", "CONTRADICTION", "Ambiguous", "Kind", "Solution", "solve"]
