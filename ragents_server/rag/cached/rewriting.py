"""A way to rewrite questions that remembers what it made of them."""

from ragents_client.v1.answer_pb2 import Question
from ragents_server.cache.layer import Layer
from ragents_server.caller import current_caller
from ragents_server.facts import current_facts
from ragents_server.rag.cached import digests
from ragents_server.rag.cached.retrieval import State
from ragents_server.rag.rewriting import Rewritten, Strategy
from ragents_server.stored.v1.entry_pb2 import Rewrite


class CachedStrategy:
    """Plays `Strategy`; `signature` tells the strategy, its model and prompts.

    `of_history` says that without a history there is nothing to do, and so nothing to look up.
    """

    def __init__(
        self, strategy: Strategy, layer: Layer, state: State, *, signature: str, of_history: bool = False
    ) -> None:
        self._strategy = strategy
        self._layer = layer
        self._state = state
        self._signature = signature
        self._of_history = of_history

    async def __call__(self, question: Question) -> Rewritten:
        """The question made over, now or earlier."""
        facts, tenant = current_facts(), current_caller().tenant
        if not facts.writes or (self._of_history and not question.history):
            return await self._strategy(question)
        await self._state.current(tenant, tuple(question.collections))  # tells of clearings too
        slot = self._layer.slot(tenant, digests.rewrite(self._signature, question))
        facts.clearing = facts.clearing or slot.clearing
        if facts.reads and (hit := await slot.get(_rewritten)) is not None:
            return hit.value
        made = await self._strategy(question)
        if made.kept:
            await slot.put(Rewrite(text=made.text, searches=made.searches).SerializeToString())
        return made


def _rewritten(value: bytes) -> Rewritten:
    stored = Rewrite.FromString(value)
    if not stored.text or not stored.searches:
        raise ValueError("no question")
    return Rewritten(stored.text, tuple(stored.searches))
