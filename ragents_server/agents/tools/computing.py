"""The tools that compute: `calculate` and `date`. They are exact, know nothing of documents, and run no code."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import Field

from ragents_server.agents.tools.functions import tool_of
from ragents_server.agents.tools.tool import Outcome, Tool
from ragents_server.errors import InvalidRequest

LONGEST = 1_000  # characters of what is to be computed


def utc_today() -> date:
    """The date that "today" means where nobody says otherwise."""
    return datetime.now(UTC).date()


def calculate(today: Callable[[], date] = utc_today) -> Tool:
    """The tool `calculate`."""

    def calculate(
        expression: Annotated[
            str,
            Field(max_length=LONGEST, description="An expression, an equation, or a question about numbers or units."),
        ],
    ) -> Outcome:
        """Computes exactly: arithmetic, equations, percentages, units."""
        return _solved(expression, today())

    return tool_of(calculate)


def dates(today: Callable[[], date] = utc_today) -> Tool:
    """The tool `date`."""

    def tell(
        question: Annotated[
            str,
            Field(max_length=LONGEST, description="A question about dates, such as: how many days from … to …"),
        ],
    ) -> Outcome:
        """Answers questions about dates: today's, differences, days of the week, so many days before or after."""
        return _solved(question, today())

    return tool_of(tell, name="date")


def _solved(text: str, today: date) -> Outcome:
    from ragents_server.solving import Ambiguous, solve  # it takes a while to import

    solution = solve(text, today=today)
    if solution is None:
        raise InvalidRequest("this cannot be computed as it is written")
    if isinstance(solution, Ambiguous):
        raise InvalidRequest(f"{solution.question} It may be: {'; '.join(solution.texts)}")
    if not solution.solved:
        raise InvalidRequest(solution.text)
    steps = solution.steps if len(solution.steps) > 1 else ()  # a single one says what the sentence says
    return Outcome("\n".join([solution.text, *steps]), answers=True)
