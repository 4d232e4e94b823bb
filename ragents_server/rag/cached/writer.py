"""A writer that remembers its answers: the same passages for the same question are written from once."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from ragents_client.v1.answer_pb2 import Answer, Passage, Question
from ragents_client.v1.cache_pb2 import (
    CACHE_OUTCOME_HIT,
    CACHE_OUTCOME_MISS,
    CACHE_OUTCOME_REVALIDATED,
    CACHE_OUTCOME_SHARED,
    CacheOutcome,
    CacheUse,
)
from ragents_client.v1.event_pb2 import Delta, Event, Started
from ragents_server.cache.layer import Hit, Layer, Slot
from ragents_server.cache.single_flight import Flights, Leases, leading
from ragents_server.cache.stores import CacheUnavailable
from ragents_server.caller import current_caller
from ragents_server.facts import Facts, cache_use, current_facts
from ragents_server.rag.cached import digests
from ragents_server.rag.cached.found import origin
from ragents_server.rag.cached.semantic import Semantic, Stored
from ragents_server.rag.retrieval import Found
from ragents_server.rag.writers import Writer

LOOK = 0.05  # seconds between looks for the answer that another replica is making


@dataclass(frozen=True, slots=True)
class _Told:
    """An event, and with the answer how it was come by."""

    event: Event
    use: CacheUse | None = None


class CachedWriter:
    """Plays `Writer`; `signature` tells the settings and prompts that an answer depends on.

    With `semantic`, a question may get the answer to one that asks the same in other words.
    """

    def __init__(
        self,
        writer: Writer,
        layer: Layer,
        *,
        signature: str,
        leases: Leases | None = None,
        semantic: Semantic | None = None,
    ) -> None:
        self._writer = writer
        self._layer = layer
        self._signature = signature
        self._leases = leases
        self._semantic = semantic
        self._flights = Flights[_Told]()

    @property
    def model(self) -> str:
        """Who writes."""
        return self._writer.model

    async def __call__(self, question: Question, found: Found) -> AsyncGenerator[Event, None]:
        """The events of the writing, now or earlier, here or on another replica."""
        facts = current_facts()
        if not facts.writes:
            async with aclosing(self._writer(question, found)) as events:
                async for event in events:
                    yield event
            return
        slot = self._layer.slot(current_caller().tenant, digests.answer(self._signature, question, found))
        async with aclosing(self._told(slot, question, found, facts)) as told:
            async for one in told:
                if one.use is not None:
                    facts.answer = one.use
                yield one.event

    async def _told(self, slot: Slot, question: Question, found: Found, facts: Facts) -> AsyncGenerator[_Told, None]:
        if not facts.reads:
            async with aclosing(self._written(slot, question, found, facts.epochs)) as told:
                async for one in told:
                    yield one
            return
        if (stored := await self._stored(slot, question, found)) is not None:
            told_as = cache_use(_outcome(stored.hit, facts), stored.entry_id, stored.hit.age)
            for one in _replayed(stored.hit, stored.passages, told_as):
                yield one
            return
        shared = self._flights.is_flying(slot.key)
        flight = self._flights.ride(slot.key, lambda: self._made(slot, question, found, facts.epochs))
        async with aclosing(flight) as told:
            async for one in told:
                use = one.use
                if shared and use is not None:
                    use = cache_use(CACHE_OUTCOME_SHARED, use.entry_id)
                yield _Told(_copy(one.event), use)

    async def _stored(self, slot: Slot, question: Question, found: Found) -> Stored | None:
        """The answer to this question, or else to one that asks the same; one look-up is counted either way."""
        stored = None
        if self._semantic is not None and await slot.peek(Answer.FromString) is None:
            stored = await self._semantic.find(slot, question, found)
        if stored is None and (hit := await slot.get(Answer.FromString)) is not None:
            stored = Stored(hit, slot.entry_id, found.passages)
        return stored

    async def _made(self, slot: Slot, question: Question, found: Found, epochs: bytes) -> AsyncGenerator[_Told, None]:
        """Leads, or waits for the replica that does and takes over where it dies."""
        attempt = 1
        while True:
            async with leading(self._leases, slot.key) as leads:
                hit = await slot.peek(Answer.FromString)
                if leads and hit is None:
                    async with aclosing(self._written(slot, question, found, epochs, attempt)) as told:
                        async for one in told:
                            yield one
                    return
            hit = hit or await self._awaited(slot)
            if hit is not None:
                for one in _replayed(hit, found.passages, cache_use(CACHE_OUTCOME_SHARED, slot.entry_id, hit.age)):
                    yield one
                return
            attempt += 1
            yield _Told(Event(started=Started(attempt=attempt)))

    async def _awaited(self, slot: Slot) -> Hit[Answer] | None:
        """The answer that another replica makes; None when that one has died, has failed, or cannot be seen."""
        if self._leases is None:
            return None
        try:
            while True:
                held = await self._leases.held(slot.key)  # asked first: an answer is stored before the lease ends
                hit = await slot.peek(Answer.FromString)
                if hit is not None or not held:
                    return hit
                await asyncio.sleep(LOOK)
        except CacheUnavailable:
            return None

    async def _written(
        self, slot: Slot, question: Question, found: Found, epochs: bytes, attempt: int = 1
    ) -> AsyncGenerator[_Told, None]:
        """Writes, and stores the answer before it is told."""
        async with aclosing(self._writer(question, found)) as events:
            async for event in events:
                use = None
                if event.HasField("started"):
                    event.started.attempt += attempt - 1
                if event.HasField("answer"):
                    use = cache_use(CACHE_OUTCOME_MISS, "")
                    if event.answer.usage.model == self.model:  # not a fallback's answer under the first one's name
                        await self._keep(slot, event.answer, question, found, epochs)
                        use.entry_id = slot.entry_id
                yield _Told(event, use)

    async def _keep(self, slot: Slot, answer: Answer, question: Question, found: Found, epochs: bytes) -> None:
        of = origin(found, tuple(question.collections))
        await slot.put(_unsourced(answer), of, epochs=epochs)
        if self._semantic is not None and not answer.HasField("refusal"):  # who is refused asks again in other words
            await self._semantic.add(slot, question, found, of, epochs)


def _outcome(hit: Hit[Answer], facts: Facts) -> CacheOutcome.ValueType:
    same = hit.epochs == facts.epochs or facts.passages.outcome == CACHE_OUTCOME_HIT
    return CACHE_OUTCOME_HIT if same else CACHE_OUTCOME_REVALIDATED


def _unsourced(answer: Answer) -> bytes:
    """The answer without its passages, which are retrieved anyhow, with the scores of the day."""
    copy = Answer()
    copy.CopyFrom(answer)
    del copy.passages[:]
    return copy.SerializeToString()


def _replayed(hit: Hit[Answer], passages: Sequence[Passage], use: CacheUse) -> list[_Told]:
    """The events of an answer that is there: as when it was made, but in one piece."""
    answer = hit.value
    answer.passages.extend(passages)
    delta = [] if answer.HasField("refusal") else [_Told(Event(delta=Delta(text=answer.text)))]
    return [*delta, _Told(Event(answer=answer), use)]


def _copy(event: Event) -> Event:
    """An event of one's own: whoever numbers it must not number everybody's."""
    copy = Event()
    copy.CopyFrom(event)
    return copy
