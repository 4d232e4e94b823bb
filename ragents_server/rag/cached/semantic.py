"""Answers to the same question in other words, of one tenant, from the same collections and the same passages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ragents_client.v1.answer_pb2 import Answer, Passage, Question
from ragents_server.cache.layer import Hit, Layer, Slot
from ragents_server.cache.stores import Key, Origin
from ragents_server.models.embeddings import Vectors
from ragents_server.rag.cached import digests
from ragents_server.rag.paraphrase import same_meaning
from ragents_server.rag.retrieval import Found
from ragents_server.stored.v1.entry_pb2 import Wording, Wordings

WORDINGS = 16  # questions remembered of one set of passages, the latest ones


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer that is there, its entry's name, and its passages in the order that its citations count in."""

    hit: Hit[Answer]
    entry_id: str
    passages: Sequence[Passage]


class Semantic:
    """Finds answers by meaning in the layer of the answers; `threshold` is the least cosine of two questions.

    A lost race between two writers loses a wording, and so at most a hit.
    """

    def __init__(self, layer: Layer, *, signature: str, threshold: float) -> None:
        self._layer = layer
        self._signature = signature
        self._threshold = threshold

    async def find(self, asked: Slot, question: Question, found: Found) -> Stored | None:
        """The answer to the closest question that asks the same; it is looked up as the answer to this one is."""
        place = self._place(asked, question, found)
        known = None if place is None else await place.slot.peek(place.read)
        if place is None or known is None:
            return None
        for wording in self._alike(known.value, question.text, found.vector):
            slot = self._layer.slot(asked.key.tenant, wording.answer)
            if await slot.peek(Answer.FromString) is None:
                continue  # forgotten, or reported as wrong; not counted, since the question's look-up goes on
            if (hit := await slot.get(Answer.FromString)) is not None:
                return Stored(hit, slot.entry_id, place.in_order(wording.order))
        return None

    async def add(self, answer: Slot, question: Question, found: Found, of: Origin, epochs: bytes) -> None:
        """Remembers what was asked, once its answer is stored."""
        place = self._place(answer, question, found)
        if place is None:
            return
        known = await place.slot.peek(place.read)
        fresh = Wording(
            question=question.text,
            vector=found.vector.astype("<f4").tobytes(),
            answer=answer.key.digest,
            order=place.order(),
        )
        others = [one for one in (known.value if known else ()) if one.question != question.text]
        wordings = Wordings(wordings=[fresh, *others][:WORDINGS])
        await place.slot.put(wordings.SerializeToString(), of, epochs=epochs)

    def _place(self, answer: Slot, question: Question, found: Found) -> "_Place | None":
        """None where the words alone do not tell what is asked."""
        if question.history or found.question != question.text or not found.passages:
            return None
        key = Key(answer.key.tenant, self._layer.name, digests.wordings(self._signature, question, found))
        passages = [digests.unscored(passage) for passage in found.passages]
        own = sorted(range(len(passages)), key=passages.__getitem__)
        return _Place(Slot(self._layer, key, answer.clearing), found, own)

    def _alike(self, wordings: Sequence[Wording], text: str, vector: Vectors) -> Iterator[Wording]:
        """Closest first."""
        cosines = np.stack([np.frombuffer(one.vector, "<f4") for one in wordings]) @ vector
        for at in np.argsort(-cosines, kind="stable"):
            if cosines[at] >= self._threshold and same_meaning(text, wordings[at].question):
                yield wordings[at]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the wordings for a set of passages are kept; `own` are the passages' numbers in the set's own order."""

    slot: Slot
    found: Found
    own: Sequence[int]

    def order(self) -> list[int]:
        """Of each passage, as they were found, its place in the set's own order."""
        places = {number: place for place, number in enumerate(self.own)}
        return [places[number] for number in range(len(self.own))]

    def in_order(self, order: Sequence[int]) -> list[Passage]:
        """The passages as another question found them."""
        return [self.found.passages[self.own[place]] for place in order]

    def read(self, value: bytes) -> Sequence[Wording]:
        """The wordings; ValueError where they are not of these passages or of another model."""
        wordings = Wordings.FromString(value).wordings
        if not wordings:
            raise ValueError("no wordings")
        for one in wordings:
            if len(one.vector) != 4 * len(self.found.vector) or sorted(one.order) != list(range(len(self.own))):
                raise ValueError("a wording for other passages, or of another model")
        return wordings
