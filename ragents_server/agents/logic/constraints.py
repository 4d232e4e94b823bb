"""The constraints of a question: all that `files`, `stated` and `implied` read, and the question without them."""

from collections.abc import Iterable, Sequence
from datetime import date

from ragents_server.agents.logic import files
from ragents_server.agents.logic.constraint import Constrained, Constraint, UnclearError, without
from ragents_server.agents.logic.implied import Implied
from ragents_server.agents.logic.stated import Stated
from ragents_server.index.fields import Field

LONGEST = 1000  # characters of a question that is read for constraints


def constrained(text: str, fields: Sequence[Field], documents: Sequence[str], *, today: date) -> Constrained:
    """What the question asks, of which documents; `documents` are the names among `files.candidates` that there are."""
    if len(text) > LONGEST:
        return Constrained(text)
    try:
        stated = list(Stated(text, fields, today).constraints())
        found = _apart(
            [
                *files.named(text, documents),
                *stated,
                *files.media_types(text),
                *Implied(text, fields, today).constraints(),
            ]
        )
    except UnclearError as error:
        return Constrained(text, unclear=error.found)
    return Constrained(without(text, found), tuple(one for one in found if one.conditions))


def _apart(constraints: Iterable[Constraint]) -> list[Constraint]:
    """Those that share no words with one before them."""
    kept = list[Constraint]()
    for one in constraints:
        if all(one.end <= other.start or one.start >= other.end for other in kept):
            kept.append(one)
    return kept
