"""Tools of somebody's own, as a setting names them."""

from ragents_server.agents.tools.tool import Outcome, Tool

made: list[str] = []


def weather(place: str, days: int = 1) -> str:
    """The weather of a place.

    Args:
        place: Where.
        days: How many days ahead.
    """
    made.append(place)
    return f"It rains in {place} for {days} days."


async def _call(arguments: object, use: object) -> Outcome:
    return Outcome("raw")


TOOL = Tool("raw", "A tool as it is.", {"type": "object", "properties": {}}, _call, longest=3)
NOTHING = 7


def undocumented(x: int) -> int:
    return x
