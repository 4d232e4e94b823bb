"""Which caches there are and what they are wrapped around; opened and closed here."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

from ragents_client.v1.answer_pb2 import REWRITING_CONTEXTUAL, REWRITING_NONE
from ragents_server.cache.clearings import Clearings
from ragents_server.cache.figures import Figures
from ragents_server.cache.layer import Layer, Stores
from ragents_server.cache.leases import Leases as RedisLeases
from ragents_server.cache.memory import Memory
from ragents_server.cache.redis import RedisStore
from ragents_server.cache.single_flight import Leases
from ragents_server.cache.statistics import Statistics
from ragents_server.cache.stores import LAYERS, Key
from ragents_server.connections.redis import open_redis
from ragents_server.index.clearings import ClearingLog, Removals
from ragents_server.index.epochs import Epochs, open_epochs
from ragents_server.index.statements import Pool
from ragents_server.models.embeddings import Embeddings
from ragents_server.rag.cached.clearing import Clearer
from ragents_server.rag.cached.embeddings import CachedEmbeddings
from ragents_server.rag.cached.housekeeping import Housekeeping
from ragents_server.rag.cached.repeats import Repeats
from ragents_server.rag.cached.retrieval import CachedRetrieval
from ragents_server.rag.cached.rewriting import CachedStrategy
from ragents_server.rag.cached.semantic import Semantic
from ragents_server.rag.cached.writer import CachedWriter
from ragents_server.rag.prompts import VERSION as WRITING_PROMPTS
from ragents_server.rag.retrieval import Retriever
from ragents_server.rag.rewriting import Kind, Strategy
from ragents_server.rag.strategies import VERSION as REWRITING_PROMPTS
from ragents_server.rag.writers import Writer
from ragents_server.settings import Settings

CHAT = ("chat_model", "chat_url", "chat_temperature", "chat_tokens")  # what a model's words depend on
REPEATS = 0.25  # of the answers' room, for whole responses


@dataclass(frozen=True, slots=True)
class Caches:
    """The caches; each method wraps a part where its layer is switched on."""

    layers: Mapping[str, Layer]
    epochs: Epochs
    shared: RedisStore | None
    leases: Leases | None
    repeats: Repeats | None
    figures: Figures
    clearer: Clearer
    settings: Settings

    def embeddings(self, embeddings: Embeddings) -> Embeddings:
        """With the vectors of questions kept."""
        layer = self.layers.get("embedding")
        return embeddings if layer is None else CachedEmbeddings(embeddings, layer)

    def retrieval(self, retriever: Retriever, models: Sequence[Embeddings]) -> Retriever:
        """With what was found kept."""
        if (layer := self.layers.get("retrieval")) is None:
            return retriever
        names = {model.model: model for model in models}
        signature = self._signature("top_k", "reranker", "relevance", models=list(names))
        return CachedRetrieval(retriever, layer, self.epochs, names, signature=signature)

    def strategies(self, strategies: Mapping[Kind, Strategy]) -> Mapping[Kind, Strategy]:
        """With what they made of questions kept."""
        if (layer := self.layers.get("rewrite")) is None:
            return strategies
        return {kind: self._strategy(kind, strategy, layer) for kind, strategy in strategies.items()}

    def _strategy(self, kind: Kind, strategy: Strategy, layer: Layer) -> Strategy:
        if kind == REWRITING_NONE:
            return strategy
        signature = self._signature(*CHAT, kind=kind, prompts=REWRITING_PROMPTS)
        of_history = kind == REWRITING_CONTEXTUAL
        return CachedStrategy(strategy, layer, self.epochs, signature=signature, of_history=of_history)

    def writer(self, writer: Writer) -> Writer:
        """With its answers kept."""
        if (layer := self.layers.get("answer")) is None:
            return writer
        signature = self._signature(*CHAT, writer=writer.model, prompts=WRITING_PROMPTS)
        semantic = self._semantic(layer, signature) if self.settings.cache_semantic else None
        return CachedWriter(writer, layer, signature=signature, leases=self.leases, semantic=semantic)

    def _semantic(self, layer: Layer, signature: str) -> Semantic:
        return Semantic(layer, signature=signature, threshold=self.settings.cache_semantic_threshold)

    def _signature(self, *names: str, **further: object) -> str:
        """What a value depends on beside its question: these settings, and the release."""
        settings = {name: getattr(self.settings, name) for name in names}
        return json.dumps({"release": version("ragents-grpc"), **settings, **further}, sort_keys=True)


@asynccontextmanager
async def open_caches(settings: Settings, pool: Pool, *, alone: bool) -> AsyncIterator[Caches]:
    """The caches; `alone` says that no other server uses the database."""
    async with AsyncExitStack() as stack:
        shared, leases = await stack.enter_async_context(_open_shared(settings))
        statistics = Statistics(shared)

        def made_room(key: Key) -> None:
            if shared is None:  # else the entry still lies there
                statistics.count(key.tenant, key.layer, "evictions")

        sizes = {name: getattr(settings, f"cache_{name}_size") for name in LAYERS}
        repeats = int(sizes["answer"] * REPEATS)
        sizes["answer"] -= repeats
        stores = Stores(Memory(sizes, evicted=made_room), shared, Clearings(), statistics)
        log = ClearingLog(pool)
        housekeeping = Housekeeping(stores, Removals(pool), log)
        epochs = await stack.enter_async_context(open_epochs(pool, housekeeping.learn, alone=alone))
        layers = _layers(settings, stores)
        kept = layers.keys() >= {"retrieval", "answer"}
        async with _running(housekeeping, statistics):
            yield Caches(
                layers=layers,
                epochs=epochs,
                shared=shared,
                leases=leases,
                repeats=Repeats(epochs, stores.clearings, statistics, size=repeats, seconds=settings.cache_answer_ttl)
                if kept
                else None,
                figures=Figures(stores),
                clearer=Clearer(stores, log, epochs),
                settings=settings,
            )


@asynccontextmanager
async def _open_shared(settings: Settings) -> AsyncIterator[tuple[RedisStore | None, Leases | None]]:
    """What replicas share, where a Redis is set."""
    if settings.cache is None:
        yield None, None
        return
    async with open_redis(
        settings.cache.get_secret_value(),
        setting="RAGENTS_CACHE",
        timeout=settings.cache_timeout,
        connections=settings.cache_connections,
    ) as redis:
        yield RedisStore(redis), RedisLeases(redis)


def _layers(settings: Settings, stores: Stores) -> dict[str, Layer]:
    """Those that are switched on."""
    return {
        name: Layer(name, stores, seconds=getattr(settings, f"cache_{name}_ttl"), compress=settings.cache_compression)
        for name in LAYERS
        if getattr(settings, f"cache_{name}")
    }


@asynccontextmanager
async def _running(housekeeping: Housekeeping, statistics: Statistics) -> AsyncIterator[None]:
    tasks = [
        asyncio.create_task(housekeeping.keep(), name="keeping the caches tidy"),
        asyncio.create_task(statistics.keep_sharing(), name="sharing the caches' counts"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
