"""The oracle of staleness: what was changed when, and whether an answer shows what it may.

It knows nothing of caches, epochs or leases: only when each change's call began and had returned.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from ragents_client.v1.answer_pb2 import Passage

EDITION = "edition"  # the field of a document's metadata that tells its edition


class Place(NamedTuple):
    """Where a document is."""

    tenant: str
    collection: str
    name: str


@dataclass(frozen=True, slots=True)
class Edition:
    """One state of a document: its number stands in the metadata, its word in the text and nowhere else."""

    number: int
    place: Place
    word: str


@dataclass(eq=False, slots=True)
class Change:
    """A call that put an edition at a place, or took away what was there; `returned` is inf until it has."""

    place: Place
    edition: Edition | None
    began: float
    returned: float = inf


@dataclass(frozen=True, slots=True)
class Asked:
    """A question's reach and its time."""

    tenant: str
    collections: tuple[str, ...]
    began: float
    ended: float


@dataclass(slots=True)
class Verdict:
    """What is wrong with an answer, in words."""

    stale: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


class Ledger:
    """All changes. The changes of one place are made one after the other; those of a collection at the same time."""

    def __init__(self) -> None:
        self._editions: dict[int, Edition] = {}
        self._changes: defaultdict[Place, list[Change]] = defaultdict(list)
        self._of_collection: defaultdict[tuple[str, str], list[Change]] = defaultdict(list)

    def edition(self, place: Place, *, word_of: Edition | None = None) -> Edition:
        """A new state of a document; with other bytes, or with those of another edition."""
        number = len(self._editions) + 1
        edition = Edition(number, place, word_of.word if word_of else f"Rev{number:05d}x")
        self._editions[number] = edition
        return edition

    def begin(self, place: Place, edition: Edition | None, now: float) -> Change:
        """Notes a change before its call is sent."""
        change = Change(place, edition, now)
        self._changes[place].append(change)
        self._of_collection[place.tenant, place.collection].append(change)
        return change

    def now_at(self, place: Place) -> Edition | None:
        """What is there after all changes so far."""
        changes = self._changes.get(place)
        return changes[-1].edition if changes else None

    def quiet(self, asked: Asked, until: float) -> bool:
        """Whether none of its collections was being changed from the question's beginning until then."""
        return not any(
            change.began <= until and change.returned >= asked.began
            for name in asked.collections
            for change in self._of_collection[asked.tenant, name]
        )

    def judge(self, asked: Asked, passages: Sequence[Passage]) -> Verdict:
        """What the passages must not show: an edition that was gone before the question, or somebody else's."""
        verdict = Verdict()
        for passage in passages:
            edition = self._editions.get(number_of(passage))
            document = passage.document
            if edition is None or edition.place.tenant != asked.tenant:
                verdict.foreign.append(f"{asked.tenant} was shown {document.collection}/{document.name}")
            elif edition.place.collection not in asked.collections or document.name != edition.place.name:
                verdict.foreign.append(f"{asked.collections} were asked and {edition.place} was shown")
            elif edition.word not in passage.text:
                verdict.stale.append(f"edition {edition.number} of {edition.place} was shown with another's text")
            elif self._gone(edition, asked.began):
                verdict.stale.append(f"edition {edition.number} of {edition.place} was shown after it had gone")
            elif not self._begun(edition, asked.ended):
                verdict.stale.append(f"edition {edition.number} of {edition.place} was shown before it was put")
        return verdict

    def _gone(self, edition: Edition, before: float) -> bool:
        """Whether a later change of its place had returned by then."""
        return any(change.returned <= before for change in self._from(edition)[1:])

    def _begun(self, edition: Edition, before: float) -> bool:
        return any(change.began <= before for change in self._from(edition)[:1])

    def _from(self, edition: Edition) -> list[Change]:
        """The change that made the edition, and all after it."""
        changes = self._changes[edition.place]
        first = next((at for at, change in enumerate(changes) if change.edition is edition), len(changes))
        return changes[first:]


def number_of(passage: Passage) -> int:
    """The edition that a passage's metadata tells; 0 for none."""
    fields = passage.document.metadata.fields
    return int(fields[EDITION].number_value) if EDITION in fields else 0


def signature(passages: Iterable[Passage]) -> tuple[tuple[str, str, int, int, int], ...]:
    """What of passages must be as a fresh retrieval finds it; scores may differ by what other documents do."""
    return tuple((one.document.id, one.version, one.span.start, one.span.end, number_of(one)) for one in passages)
