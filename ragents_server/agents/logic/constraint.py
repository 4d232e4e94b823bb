"""A constraint on documents that a question states: the words that state it, and the conditions they mean."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ragents_client.v1.answer_pb2 import Condition
from ragents_server.index.fields import Field
from ragents_server.solving import Ambiguous

DOCUMENT = (
    r"(?:documents?|docs?|files?|papers?|reports?|articles?|records?|texts?|letters?|contracts?|invoices?|memos?|"
    r"drafts?|"
    r"publications?|minutes|notes|e-?mails?|messages|pages|sources|those|ones|entries)"
)
THE = r"(?:the |all |all the |my |our |any |those )?"


NOTHING = "\0"
_HELPER = re.compile(r"\b(does|did|do)\s*$", re.IGNORECASE)
_INSTEAD = {"does": "it", "did": "it", "do": "they"}
# What led to the words that were taken out, where nothing else follows.
_DANGLING = re.compile(
    r"(?:^|(?<=\s))(?:in|of|from|among|within|across|for|using)\s+\0\s*(?=[?.!,;:]|$)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Constraint:
    """Characters `start` to `end` of the question say it; `told` is what people are told of it."""

    start: int
    end: int
    conditions: tuple[Condition, ...]
    told: str


@dataclass(frozen=True, slots=True)
class Constrained:
    """A question's constraints, and what else it asks; `unclear` is what has to be asked back first."""

    text: str
    constraints: tuple[Constraint, ...] = ()
    unclear: Ambiguous | None = None

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Those of all constraints."""
        return tuple(condition for one in self.constraints for condition in one.conditions)

    @property
    def told(self) -> str:
        """For people: "only documents with department = Legal, year after 2020"."""
        return f"only documents with {', '.join(one.told for one in self.constraints)}" if self.constraints else ""


class UnclearError(Exception):
    """The words have several meanings, or none that conditions can have."""

    def __init__(self, found: Ambiguous) -> None:
        super().__init__(found.question)
        self.found = found


def spoken(name: str) -> str:
    """A field's name as people say it: "page_count" and "pageCount" are "page count"."""
    return re.sub(r"[\s_.-]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).strip().lower()


def pattern_of(names: Sequence[str]) -> str:
    """Matches each of these phrases, the longest first."""
    ordered = sorted({re.escape(name).replace(r"\ ", r"[\s_-]+") for name in names if name}, key=len, reverse=True)
    return rf"(?:{'|'.join(ordered)})" if ordered else r"(?!)"


def by_name(fields: Sequence[Field], said: str) -> list[Field]:
    """The fields that a phrase names, of each kind."""
    wanted = spoken(said)
    return [field for field in fields if wanted in {spoken(field.name), f"{spoken(field.name)}s", field.name.lower()}]


def without(text: str, constraints: Sequence[Constraint]) -> str:
    """The text without the words of its constraints; the text itself where nothing that asks is left."""
    if not constraints:
        return text
    rest, at = "", 0
    for one in sorted(constraints, key=lambda one: one.start):
        before = text[at : one.start]
        helper = _HELPER.search(before)  # "what does plan.pdf say" becomes "what does it say"
        rest += f"{before} {_INSTEAD[helper.group(1).lower()] if helper else NOTHING} "
        at = one.end
    rest = _DANGLING.sub("", rest + text[at:])
    rest = re.sub(r"[\s\0]+", " ", rest)
    rest = re.sub(r"\s+([,.;:?!])", r"\1", rest)
    rest = re.sub(r"[,;:]+(?=[?.!])|(?<=[,;])[,;]+", "", rest)
    rest = re.sub(r"^(?:[\s,.;:!?]|(?:and|but|then)\b)+", "", rest).strip()
    return rest if len(re.findall(r"[^\W_]{2,}", rest)) > 1 else text
