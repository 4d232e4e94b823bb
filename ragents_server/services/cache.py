"""CacheService: gRPC in, gRPC out."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ragents_client.v1.cache_pb2 import (
    CACHE_LAYER_ANSWER,
    CACHE_LAYER_EMBEDDING,
    CACHE_LAYER_RETRIEVAL,
    CACHE_LAYER_REWRITE,
    CACHE_LAYER_UNSPECIFIED,
    CacheLayer,
    LayerStats,
)
from ragents_client.v1.cache_service_pb2 import (
    ClearCacheRequest,
    ClearCacheResponse,
    GetCacheStatsRequest,
    GetCacheStatsResponse,
    ReportBadHitRequest,
    ReportBadHitResponse,
)
from ragents_client.v1.cache_service_pb2_grpc import CacheServiceServicer
from ragents_server.cache.stores import Scope, Size
from ragents_server.caller import Caller, current_caller
from ragents_server.errors import InvalidRequest, PermissionDenied
from ragents_server.services.checks import check_id, granted
from ragents_server.services.context import Context

LAYERS = {
    CACHE_LAYER_EMBEDDING: "embedding",
    CACHE_LAYER_RETRIEVAL: "retrieval",
    CACHE_LAYER_REWRITE: "rewrite",
    CACHE_LAYER_ANSWER: "answer",
}
MAX_ENTRY_ID, MAX_COMMENT = 128, 1024  # bytes
MAX_LAYERS = 16
MOST = 2**31 - 1  # what a count can tell; beyond, it stays there


class Figures(Protocol):
    """What is counted and stored."""

    async def counts(self, tenant: str | None) -> Mapping[tuple[str, str], int]:
        """By layer and what is counted."""
        ...

    async def sizes(self, tenant: str | None) -> Mapping[str, Size]:
        """By layer."""
        ...


class Clearing(Protocol):
    """What drops entries, on every replica before it returns."""

    async def clear(self, scope: Scope) -> int:
        """The number of entries dropped."""
        ...

    async def report(self, tenant: str, entry_id: str, comment: str) -> None:
        """Drops one entry and counts it as bad; one that is not there is no error."""
        ...


class CacheService(CacheServiceServicer):
    """Shows and clears the cache of the caller's tenant."""

    def __init__(self, figures: Figures, clearing: Clearing) -> None:
        self._figures = figures
        self._clearing = clearing

    async def GetCacheStats(self, request: GetCacheStatsRequest, context: Context) -> GetCacheStatsResponse:
        """Every layer's figures."""
        tenant = _tenant(current_caller(), everybody=request.all_tenants)
        counts, sizes = await self._figures.counts(tenant), await self._figures.sizes(tenant)
        return GetCacheStatsResponse(
            layers=[_stats(layer, name, counts, sizes.get(name, Size())) for layer, name in LAYERS.items()]
        )

    async def ClearCache(self, request: ClearCacheRequest, context: Context) -> ClearCacheResponse:
        """Drops what matches all that is set, of what the caller may see."""
        caller = current_caller()
        tenant = _tenant(caller, everybody=request.all_tenants)
        layers = _layers(request.layers)
        document = check_id(request.document_id, "document_id") if request.document_id else ""
        if request.document_id and not document:
            return ClearCacheResponse()  # no document has such an id
        collections = [granted(request.collection, caller)] if request.collection else sorted(caller.collections)
        scopes = [Scope(tenant, layers, collection, document) for collection in collections or [""]]
        return ClearCacheResponse(entries=sum([await self._clearing.clear(scope) for scope in scopes]))

    async def ReportBadHit(self, request: ReportBadHitRequest, context: Context) -> ReportBadHitResponse:
        """Drops one entry of the caller's tenant; somebody else's is as absent as one that never was."""
        if not 0 < len(request.entry_id.encode()) <= MAX_ENTRY_ID:
            text = f"must be 1 to {MAX_ENTRY_ID} bytes"
            raise InvalidRequest(f"entry_id {text}", violations={"entry_id": text})
        if len(request.comment.encode()) > MAX_COMMENT:
            text = f"must be at most {MAX_COMMENT:,} bytes"
            raise InvalidRequest(f"comment {text}", violations={"comment": text})
        await self._clearing.report(current_caller().tenant, request.entry_id, request.comment)
        return ReportBadHitResponse()


def _tenant(caller: Caller, *, everybody: bool) -> str | None:
    """Whose cache; None for everybody's."""
    if everybody and "admin" not in caller.scopes:
        raise PermissionDenied("the caches of all tenants need the scope admin")
    return None if everybody else caller.tenant


def _layers(asked: Sequence[CacheLayer.ValueType]) -> tuple[str, ...]:
    if len(asked) > MAX_LAYERS:
        text = f"must have at most {MAX_LAYERS} entries"
        raise InvalidRequest(f"layers {text}", violations={"layers": text})
    if any(layer not in LAYERS and layer != CACHE_LAYER_UNSPECIFIED for layer in asked):
        raise InvalidRequest("layers has an unknown value", violations={"layers": "is not a known value"})
    if not asked or CACHE_LAYER_UNSPECIFIED in asked:
        return tuple(LAYERS.values())
    return tuple(name for layer, name in LAYERS.items() if layer in asked)


def _stats(layer: CacheLayer.ValueType, name: str, counts: Mapping[tuple[str, str], int], size: Size) -> LayerStats:
    hits, misses = counts.get((name, "hits"), 0), counts.get((name, "misses"), 0)
    return LayerStats(
        layer=layer,
        requests=min(hits + misses, MOST),
        hits=min(hits, MOST),
        misses=min(misses, MOST),
        hit_ratio=hits / (hits + misses) if hits + misses else 0.0,
        bytes=size.bytes,
        entries=min(size.entries, MOST),
        evictions=min(counts.get((name, "evictions"), 0), MOST),
        errors=min(counts.get((name, "errors"), 0), MOST),
        bad_hits=min(counts.get((name, "bad_hits"), 0), MOST),
    )
