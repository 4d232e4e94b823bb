"""The calls of the CacheService and the HealthService."""

from collections.abc import Sequence

from ragents_client.calls.call import Call
from ragents_client.v1 import (
    CacheLayer,
    ClearCacheRequest,
    ClearCacheResponse,
    GetCacheStatsRequest,
    GetCacheStatsResponse,
    GetHealthRequest,
    GetHealthResponse,
    LayerStats,
    ReportBadHitRequest,
    ReportBadHitResponse,
)


def get_cache_stats(
    *, all_tenants: bool = False, timeout: float | None = None
) -> Call[GetCacheStatsResponse, list[LayerStats]]:
    """The figures of each layer of the cache."""
    return Call(GetCacheStatsRequest(all_tenants=all_tenants), lambda response: list(response.layers), timeout)


def clear_cache(
    *,
    layers: Sequence[CacheLayer.ValueType] = (),
    collection: str = "",
    document_id: str = "",
    all_tenants: bool = False,
    timeout: float | None = None,
) -> Call[ClearCacheResponse, int]:
    """Drops the entries that match all that is given; gives their number."""
    request = ClearCacheRequest(layers=layers, collection=collection, document_id=document_id, all_tenants=all_tenants)
    return Call(request, lambda response: response.entries, timeout)


def report_bad_hit(
    entry_id: str, comment: str = "", *, timeout: float | None = None
) -> Call[ReportBadHitResponse, None]:
    """Says that an answer from the cache was wrong; its entry is dropped."""
    return Call(ReportBadHitRequest(entry_id=entry_id, comment=comment), lambda _: None, timeout)


def get_health(*, timeout: float | None = None) -> Call[GetHealthResponse, GetHealthResponse]:
    """The server's version, uptime and agents, and the state of each part."""
    return Call(GetHealthRequest(), lambda response: response, timeout)
