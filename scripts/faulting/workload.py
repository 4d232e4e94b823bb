"""What a test of staleness does: puts, changes, deletes and questions, drawn at random from a seed."""

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from ragents_client.v1.answer_pb2 import CACHE_MODE_NONE, CACHE_MODE_REFRESH, CACHE_MODE_USE, Condition, Question
from scripts.faulting.calls import QUERY, RETRIEVE, STREAM
from scripts.faulting.ledger import Edition, Place
from scripts.faulting.replicas import Key

COLLECTIONS = ("plants", "rivers", "stars", "trades")
TENANTS = ("amber", "birch")
GRANTED = COLLECTIONS[:2]
KEYS = (
    *(Key(f"token-of-{tenant}", tenant) for tenant in TENANTS),
    *(Key(f"token-of-{tenant}-granted", tenant, GRANTED) for tenant in TENANTS[:1]),
)
# Both tenants have documents of these names in collections of the same names, about the same things.
TOPICS = ("granite", "harvest", "lantern", "compass", "orchard", "glacier", "furnace", "meadow")
KINDS = ("red", "blue")
POPULAR = (8, 5, 4, 3, 2, 2, 1, 1)  # how often each is asked about, in proportion
FILLERS = (
    "It was written down by hand, and read again in winter.",
    "Nobody in the valley has asked for more than that.",
    "The older lists name it twice, once without a date.",
    "A copy of it hangs in the hall beside the door.",
)
CHANGED, CLEARED, REPEATED, NEW = 0.06, 0.0015, 1 / 3, 0.03  # shares: of operations, the last two of questions
RECENT = 40  # questions that an exact repeat may repeat


@dataclass(frozen=True, slots=True)
class Ask:
    """A question; `refused`: it reaches for a collection that is not granted."""

    key: Key
    rpc: str
    question: Question
    replica: int
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Alter:
    """A change of one document: other bytes, other metadata, the same again, or none any more."""

    place: Place
    how: str
    replica: int
    chased: bool  # the other replicas are asked for it before the change, and at once when that has returned


@dataclass(frozen=True, slots=True)
class Clear:
    """The end of a collection."""

    tenant: str
    collection: str
    replica: int


Operation = Ask | Alter | Clear


def places() -> list[Place]:
    """Where all documents are."""
    return [Place(tenant, name, f"{topic}.txt") for tenant in TENANTS for name in COLLECTIONS for topic in TOPICS]


def text_of(edition: Edition) -> str:
    """A document of a sentence that holds the edition's word, and two that do not matter."""
    topic, draw = edition.place.name.removesuffix(".txt"), random.Random(edition.word)
    fillers = " ".join(draw.sample(FILLERS, 2))
    return f"The mark of the {topic} among the {edition.place.collection} is {edition.word}. {fillers}"


def key_of(tenant: str) -> Key:
    """The tenant's key for everything."""
    return next(key for key in KEYS if key.tenant == tenant and not key.collections)


class Workload:
    """Operations in an order that only the seed decides; what comes of them is the servers' and the clock's."""

    def __init__(self, seed: int, replicas: int) -> None:
        self._draw = random.Random(seed)
        self._replicas = replicas
        self._recent = deque[Ask](maxlen=RECENT)
        self._asked = 0

    def operations(self, number: int) -> Iterator[Operation]:
        """First every document is put, then whatever the dice say."""
        first = [Alter(place, "bytes", self._replica(), chased=False) for place in places()]
        self._draw.shuffle(first)
        yield from first
        for _ in range(number - len(first)):
            yield self._any()

    def about(self, place: Place, replica: int) -> Ask:
        """The question whose answer a change of this place changes."""
        topic = place.name.removesuffix(".txt")
        question = Question(text=_words(topic), collections=[place.collection], top_k=1)
        return Ask(key_of(place.tenant), self._draw.choice((QUERY, STREAM, RETRIEVE)), question, replica)

    def _any(self) -> Operation:
        dice = self._draw.random()
        if dice < CLEARED:
            return Clear(self._draw.choice(TENANTS), self._draw.choice(COLLECTIONS), self._replica())
        if dice < CLEARED + CHANGED:
            how = self._draw.choices(("bytes", "metadata", "same", "delete"), (60, 12, 6, 22))[0]
            return Alter(self._draw.choice(places()), how, self._replica(), chased=self._draw.random() < 0.7)
        return self._ask()

    def _ask(self) -> Ask:
        if self._recent and self._draw.random() < REPEATED:
            earlier = self._draw.choice(self._recent)
            return Ask(earlier.key, earlier.rpc, earlier.question, self._replica(), earlier.refused)
        key = self._draw.choices(KEYS, (4, 4, 2))[0]
        refused = bool(key.collections) and self._draw.random() < 0.1
        question = self._question(key, refused=refused)
        ask = Ask(key, self._draw.choices((QUERY, STREAM, RETRIEVE), (5, 3, 2))[0], question, self._replica(), refused)
        self._recent.append(ask)
        return ask

    def _question(self, key: Key, *, refused: bool) -> Question:
        self._asked += 1
        granted = key.collections or COLLECTIONS
        collections = [self._draw.choice(granted)]
        if self._draw.random() < 0.1:
            collections = list(granted[:2])
        if refused:
            collections = [COLLECTIONS[-1], *collections]
        new = f" (question {self._asked})" if self._draw.random() < NEW else ""
        topic = self._draw.choices(TOPICS, POPULAR)[0]
        question = Question(text=_words(topic) + new, collections=collections)
        question.top_k = self._draw.choice((1, 1, 1, 3))
        if self._draw.random() < 0.1:
            red = Condition(field="kind")
            red.equals.string_value = KINDS[0]
            question.conditions.append(red)
        question.cache_mode = self._draw.choices((CACHE_MODE_USE, CACHE_MODE_REFRESH, CACHE_MODE_NONE), (96, 2, 2))[0]
        return question

    def _replica(self) -> int:
        return self._draw.randrange(self._replicas)


def _words(topic: str) -> str:
    return f"What is the mark of the {topic}?"
