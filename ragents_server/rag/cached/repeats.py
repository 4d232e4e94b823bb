"""The short way of an exact repeat: the response's bytes as they were sent, while the collections are as they were."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from ragents_client.v1.answer_pb2 import Answer
from ragents_client.v1.cache_pb2 import CACHE_OUTCOME_HIT, CacheUse
from ragents_server.cache.clearings import Clearings
from ragents_server.cache.layer import entry_key
from ragents_server.cache.lru import Lru
from ragents_server.cache.statistics import Statistics
from ragents_server.cache.stores import LAYERS, Key, Origin
from ragents_server.caller import Caller
from ragents_server.facts import Facts, cache_use
from ragents_server.rag.cached.retrieval import State

AGE_STEP = 0.1  # seconds that an envelope is told again as it is
OVERHEAD = 1000  # bytes of a repeat beside its request and response

Asked = tuple[str, frozenset[str], bytes]  # tenant, granted collections, the request's bytes


Envelope = Callable[[CacheUse], bytes]  # the part of a response that tells how the cache was used


@dataclass(slots=True)
class _Repeat:
    response: bytes
    envelope: Envelope
    key: Key
    entry_id: str
    origin: Origin
    epochs: bytes
    clearing: int
    made: float  # when the answer was, on the clock
    told: float = float("-inf")  # when the envelope was made
    whole: bytes = b""

    def told_now(self) -> bytes:
        """The response's bytes with its envelope, whose age may be AGE_STEP short."""
        now = time.monotonic()
        if now - self.told > AGE_STEP:
            use = cache_use(CACHE_OUTCOME_HIT, self.entry_id, now - self.made)
            self.whole, self.told = self.response + self.envelope(use), now  # on the wire, parts of a message add up
        return self.whole


class Repeats:
    """Responses by request, at most `size` bytes of them, for as long as an answer is kept (`seconds`)."""

    def __init__(
        self, state: State, clearings: Clearings, statistics: Statistics, *, size: int, seconds: float
    ) -> None:
        self.state = state
        self.clearings = clearings
        self.statistics = statistics
        self.seconds = seconds
        self.kept = Lru[Asked, _Repeat](size)

    def place(self, request: bytes, caller: Caller) -> "Place":
        """Where the response to this request is kept."""
        return Place(self, (caller.tenant, caller.collections, request))


class Place(NamedTuple):
    """The place of one response."""

    repeats: Repeats
    asked: Asked

    async def find(self) -> bytes | None:
        """The response's bytes, where they are still right."""
        kept = self.repeats.kept.get(self.asked)
        if kept is None:
            return None
        tenant, collections = kept.key.tenant, kept.origin.collections
        epochs = self.repeats.state.trusted(tenant, collections)
        if epochs is None:
            epochs = await self.repeats.state.current(tenant, collections)
        if epochs != kept.epochs or self._is_cleared(kept):
            self.repeats.kept.pop(self.asked)
            return None
        self.repeats.statistics.count(tenant, "answer", "hits")
        return kept.told_now()

    def keep(
        self, response: bytes, envelope: Envelope, collections: tuple[str, ...], answer: Answer, facts: Facts
    ) -> None:
        """Keeps the response, where its answer was stored and the collections' state is known."""
        key = entry_key(self.asked[0], facts.answer.entry_id)
        if key is None or not facts.epochs:
            return
        age = facts.answer.age.ToNanoseconds() / 1e9
        repeat = _Repeat(
            response=response,
            envelope=envelope,
            key=key,
            entry_id=facts.answer.entry_id,
            origin=Origin(collections, tuple({passage.document.id for passage in answer.passages})),
            epochs=facts.epochs,
            clearing=facts.clearing,
            made=time.monotonic() - age,
        )
        size = 2 * len(response) + len(self.asked[2]) + OVERHEAD
        self.repeats.kept.put(self.asked, repeat, size, self.repeats.seconds - age)

    def _is_cleared(self, kept: _Repeat) -> bool:
        """Whichever layer was cleared: the response is made of all of them."""
        clearings = self.repeats.clearings
        if kept.clearing >= clearings.number:
            return False
        return any(clearings.drop(kept.key._replace(layer=layer), kept.origin, kept.clearing) for layer in LAYERS)
