"""Retrieval that remembers what it found, as long as the collections are in the state it was found in."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Protocol

from ragents_client.v1.answer_pb2 import Question
from ragents_client.v1.cache_pb2 import CACHE_OUTCOME_HIT, CACHE_OUTCOME_MISS, CACHE_OUTCOME_SHARED
from ragents_server.cache.layer import Layer, Slot
from ragents_server.cache.single_flight import Flights
from ragents_server.caller import Caller
from ragents_server.facts import cache_use, current_facts
from ragents_server.models.embeddings import Embeddings
from ragents_server.rag.cached import digests
from ragents_server.rag.cached.found import from_bytes, origin, to_bytes
from ragents_server.rag.retrieval import Found, Retriever


class State(Protocol):
    """Tells the state of collections, never one from before a change that had been told to its caller."""

    def trusted(self, tenant: str, collections: tuple[str, ...]) -> bytes | None:
        """The same at once, where it is known."""
        ...

    async def current(self, tenant: str, collections: tuple[str, ...]) -> bytes:
        """Bytes that differ when the documents do."""
        ...


class CachedRetrieval:
    """Plays `Retriever`; `signature` tells the settings that a result depends on."""

    def __init__(
        self,
        retriever: Retriever,
        layer: Layer,
        state: State,
        models: Mapping[str, Embeddings],
        *,
        signature: str,
    ) -> None:
        self._retriever = retriever
        self._layer = layer
        self._state = state
        self._models = models
        self._signature = signature
        self._flights = Flights[Found]()

    async def __call__(self, question: Question, caller: Caller) -> Found:
        """What was found, now or earlier in this state."""
        facts = current_facts()
        if not facts.writes:
            return await self._retriever(question, caller)
        epochs = await self._state.current(caller.tenant, tuple(question.collections))
        facts.epochs = facts.epochs or epochs  # of several searches the first one's: all are at least as new
        digest = digests.retrieval(self._signature, epochs, question, caller)
        slot = self._layer.slot(caller.tenant, digest)
        facts.clearing = facts.clearing or slot.clearing
        if not facts.reads:
            return await self._searched(slot, question, caller, epochs)
        hit = await slot.get(lambda value: from_bytes(value, question.text, self._models))
        if hit is not None:
            facts.passages = cache_use(CACHE_OUTCOME_HIT, slot.entry_id, hit.age)
            return hit.value
        shared = self._flights.is_flying(slot.key)
        async with aclosing(self._flights.ride(slot.key, lambda: self._one(slot, question, caller, epochs))) as flight:
            made = await anext(flight)
        facts.passages = cache_use(CACHE_OUTCOME_SHARED if shared else CACHE_OUTCOME_MISS, slot.entry_id)
        return made

    async def _one(self, slot: Slot, question: Question, caller: Caller, epochs: bytes) -> AsyncGenerator[Found, None]:
        yield await self._searched(slot, question, caller, epochs)

    async def _searched(self, slot: Slot, question: Question, caller: Caller, epochs: bytes) -> Found:
        made = await self._retriever(question, caller)
        await slot.put(to_bytes(made), origin(made, tuple(question.collections)), epochs=epochs)
        current_facts().passages = cache_use(CACHE_OUTCOME_MISS, slot.entry_id)
        return made
