"""Which part of the grammar a text belongs to."""

import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial

from ragents_server.solving.arithmetic import solve_arithmetic
from ragents_server.solving.assignments import solve_assignments
from ragents_server.solving.comparisons import solve_comparisons
from ragents_server.solving.dates import solve_dates
from ragents_server.solving.equations import solve_equations
from ragents_server.solving.formulas import Backend
from ragents_server.solving.knights import solve_knights
from ragents_server.solving.offers import solve_offers
from ragents_server.solving.order_questions import solve_ordering
from ragents_server.solving.propositions import solve_propositions
from ragents_server.solving.reading import LONGEST, openings, plain, without_thanks, without_welcome
from ragents_server.solving.sentences import puzzle
from ragents_server.solving.solution import Ambiguous, Kind, OutsideError, Solution, UnsolvedError
from ragents_server.solving.syllogisms import solve_syllogisms

Solver = Callable[[str], Solution | Ambiguous]


def solve(text: str, *, today: date, backend: Backend = "auto") -> Solution | Ambiguous | None:
    """What the text asks, worked out; None where it is outside the grammar.

    A solution without a value says why it is not computed, such as a number of too many digits. `backend` solves the
    puzzles; the answer is the same with each.
    """
    if not 3 <= len(text) <= LONGEST:
        return None
    for kind, solver, reading in _attempts(without_thanks(text), today, backend):
        try:
            return solver(reading)
        except OutsideError:
            continue
        except UnsolvedError as error:
            return Solution(kind, "", str(error))
    return None


def _attempts(text: str, today: date, backend: Backend) -> Iterator[tuple[Kind, Solver, str]]:
    """Each solver with each reading of the text; arithmetic, which is content with an expression, comes last."""
    for joined in (True, False):
        readings = {plain(opening, joined=joined): opening for opening in openings(text)}
        numeric = {reading: opening for reading, opening in readings.items() if re.search(r"\d", reading)}
        for reading, opening in numeric.items():
            yield "comparison", partial(solve_offers, original=opening), reading
        for reading in numeric:
            yield "comparison", partial(solve_comparisons, today=today), reading
        for reading in readings:
            yield "date", partial(solve_dates, today=today), reading
        for reading in numeric:
            yield "arithmetic", solve_arithmetic, reading
            yield "arithmetic", solve_equations, reading
        if plain(text) == plain(text, joined=False):
            break
    yield "puzzle", partial(_solve_puzzle, backend=backend), without_welcome(text)


def _solve_puzzle(text: str, backend: Backend) -> Solution:
    """The text as one of the puzzles."""
    asked = puzzle(text)
    solvers: tuple[Callable[[], Solution], ...] = (
        partial(solve_knights, asked, backend),
        partial(solve_assignments, asked, backend),
        partial(solve_ordering, asked),
        partial(solve_syllogisms, asked, backend),
        partial(solve_propositions, asked, backend),
    )
    for solver in solvers:
        try:
            return solver()
        except OutsideError:
            continue
    raise OutsideError
