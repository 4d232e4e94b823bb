"""What a caller sees of the cache: the same answers, told how they were come by, and never one from before a change."""

from typing import Any

import grpc
import pytest

from ragents_client.v1 import (
    CACHE_LAYER_ANSWER,
    CACHE_LAYER_EMBEDDING,
    CACHE_LAYER_RETRIEVAL,
    CACHE_MODE_NONE,
    CACHE_MODE_REFRESH,
    CACHE_OUTCOME_HIT,
    CACHE_OUTCOME_MISS,
    CACHE_OUTCOME_REVALIDATED,
    CacheServiceStub,
    ClearCacheRequest,
    DeleteCollectionRequest,
    DeleteDocumentRequest,
    DocumentServiceStub,
    GetCacheStatsRequest,
    LayerStats,
    QueryRequest,
    QueryResponse,
    QueryServiceStub,
    Question,
    ReportBadHitRequest,
    RetrieveRequest,
    StreamQueryRequest,
)
from tests.servers import bearer, keys_file
from tests.services.calls import details, failed, fields_of, put, puts, results, whole

HARBOUR = "The harbour of Visby was dredged in 1912. Ships of 400 tons may enter it since then."
MILL = "The mill at Lund grinds rye on Mondays. Its miller is called Alva."
ADA = "ada"
ASKED = "When was the harbour of Visby dredged?"


@pytest.fixture(scope="module")
def server_settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    keys = keys_file(
        tmp_path_factory.mktemp("keys"),
        ada={"tenant": "acme", "user": "ada", "scopes": ["ask", "write"]},
        root={"tenant": "acme", "user": "root", "scopes": ["ask", "write", "admin"]},
        gil={"tenant": "acme", "user": "gil", "scopes": ["ask", "write"], "collections": ["open"]},
        bob={"tenant": "beta", "user": "bob", "scopes": ["ask", "write"]},
        eve={"tenant": "acme", "user": "eve", "scopes": ["ask"]},
    )
    return {"keys": keys}


@pytest.fixture(autouse=True)
def cleared(grpc_channel: grpc.Channel) -> None:
    """No test sees another one's entries or documents."""
    for token in ("ada", "bob"):
        for name in ("default", "open"):
            try:
                DocumentServiceStub(grpc_channel).DeleteCollection(
                    DeleteCollectionRequest(collection=name), metadata=bearer(token), timeout=20
                )
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.NOT_FOUND
        clear(grpc_channel, token)


def query(channel: grpc.Channel, text: str = ASKED, token: str = ADA, **how: Any) -> QueryResponse:
    question = Question(text=text, **how)
    return QueryServiceStub(channel).Query(QueryRequest(question=question), metadata=bearer(token), timeout=60)


def clear(channel: grpc.Channel, token: str = ADA, **what: Any) -> int:
    stub = CacheServiceStub(channel)
    return stub.ClearCache(ClearCacheRequest(**what), metadata=bearer(token), timeout=20).entries


def stats(channel: grpc.Channel, token: str = ADA, **whose: Any) -> dict[int, LayerStats]:
    request = GetCacheStatsRequest(**whose)
    found = CacheServiceStub(channel).GetCacheStats(request, metadata=bearer(token), timeout=20)
    return {layer.layer: layer for layer in found.layers}


def putting(channel: grpc.Channel, name: str, text: str, collection: str = "", token: str = ADA) -> str:
    response = put_as(channel, token, name, text, collection)
    assert response.WhichOneof("event") == "document", response
    return str(response.document.id)


def put_as(channel: grpc.Channel, token: str, name: str, text: str, collection: str) -> Any:
    metadata = bearer(token)
    return put(grpc.intercept_channel(channel, _With(metadata)), name, text, collection)


class _With(grpc.StreamStreamClientInterceptor):  # type: ignore[misc]
    """Sends metadata along."""

    def __init__(self, metadata: Any) -> None:
        self._metadata = metadata

    def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        return continuation(details._replace(metadata=self._metadata), requests)


def test_a_repeat_is_the_same_answer_and_told_as_a_hit(grpc_channel: grpc.Channel) -> None:
    putting(grpc_channel, "harbour.txt", HARBOUR)
    first, second = query(grpc_channel), query(grpc_channel)
    assert "1912" in first.answer.text
    assert (first.cache.outcome, second.cache.outcome) == (CACHE_OUTCOME_MISS, CACHE_OUTCOME_HIT)
    assert second.answer.SerializeToString() == first.answer.SerializeToString()
    assert first.cache.entry_id == second.cache.entry_id != ""
    assert second.cache.age.ToNanoseconds() > 0 == first.cache.age.ToNanoseconds()


def test_a_stream_from_the_cache_tells_the_same_events_as_a_fresh_one(grpc_channel: grpc.Channel) -> None:
    putting(grpc_channel, "harbour.txt", HARBOUR)

    def stream() -> list[Any]:
        request = StreamQueryRequest(question=Question(text=ASKED))
        return list(QueryServiceStub(grpc_channel).StreamQuery(request, metadata=bearer("ada"), timeout=60))

    first, second = stream(), stream()
    for told, outcome in ((first, CACHE_OUTCOME_MISS), (second, CACHE_OUTCOME_HIT)):
        events = [response.event for response in told]
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        deltas = [event.delta for event in events if event.HasField("delta")]
        assert "".join(delta.text for delta in deltas) == events[-1].answer.text
        assert told[-1].cache.outcome == outcome
        assert not any(response.HasField("cache") for response in told[:-1])
    assert first[-1].event.answer == second[-1].event.answer
    assert query(grpc_channel).cache.outcome == CACHE_OUTCOME_HIT


def test_a_change_elsewhere_costs_a_retrieval_and_no_writing(grpc_channel: grpc.Channel) -> None:
    putting(grpc_channel, "harbour.txt", HARBOUR)
    first = query(grpc_channel, top_k=1)
    putting(grpc_channel, "mill.txt", MILL)
    again = query(grpc_channel, top_k=1)
    assert again.cache.outcome == CACHE_OUTCOME_REVALIDATED
    assert again.answer.text == first.answer.text
    fresh = query(grpc_channel, top_k=1, cache_mode=CACHE_MODE_NONE)
    assert again.answer == fresh.answer  # down to the scores, which the other document has moved
    assert query(grpc_channel, top_k=1).cache.outcome == CACHE_OUTCOME_HIT


def test_a_changed_document_is_never_answered_from_as_it_was(grpc_channel: grpc.Channel) -> None:
    identity = putting(grpc_channel, "harbour.txt", HARBOUR)
    assert "1912" in query(grpc_channel).answer.text
    for year in range(1913, 1918):
        putting(grpc_channel, "harbour.txt", HARBOUR.replace("1912", str(year)))
        assert str(year) in query(grpc_channel).answer.text
    document = DeleteDocumentRequest(document_id=identity)
    DocumentServiceStub(grpc_channel).DeleteDocument(document, metadata=bearer("ada"), timeout=20)
    assert not query(grpc_channel).answer.passages


def test_changed_metadata_is_shown(grpc_channel: grpc.Channel) -> None:
    for year in (2001, 2002):
        parts = whole("harbour.txt", HARBOUR.encode(), year=year)
        channel = grpc.intercept_channel(grpc_channel, _With(bearer("ada")))
        assert results(puts(channel, parts))[0].WhichOneof("event") == "document"
        for _ in range(2):
            passage = query(grpc_channel).answer.passages[0]
            assert passage.document.metadata["year"] == year


def test_nobody_sees_another_tenants_or_an_ungranted_collections_answer(grpc_channel: grpc.Channel) -> None:
    putting(grpc_channel, "harbour.txt", HARBOUR)
    assert query(grpc_channel).answer.passages
    for _ in range(2):
        assert not query(grpc_channel, token="bob").answer.passages
    error = failed(
        QueryServiceStub(grpc_channel).Query, QueryRequest(question=Question(text=ASKED)), metadata=bearer("gil")
    )
    assert error.code() == grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("mode", [CACHE_MODE_NONE, CACHE_MODE_REFRESH])
def test_a_mode_that_does_not_read_makes_the_answer_anew(grpc_channel: grpc.Channel, mode: Any) -> None:
    putting(grpc_channel, "harbour.txt", HARBOUR)
    query(grpc_channel)
    made = query(grpc_channel, cache_mode=mode)
    assert made.cache.outcome == CACHE_OUTCOME_MISS
    assert (made.cache.entry_id == "") == (mode == CACHE_MODE_NONE)


def test_the_mode_none_leaves_nothing(grpc_channel: grpc.Channel) -> None:
    putting(grpc_channel, "harbour.txt", HARBOUR)
    query(grpc_channel, cache_mode=CACHE_MODE_NONE)
    assert sum(layer.entries for layer in stats(grpc_channel).values()) == 0
    assert query(grpc_channel).cache.outcome == CACHE_OUTCOME_MISS


def test_the_mode_refresh_replaces_what_was_there(grpc_channel: grpc.Channel) -> None:
    putting(grpc_channel, "harbour.txt", HARBOUR)
    query(grpc_channel)
    query(grpc_channel, cache_mode=CACHE_MODE_REFRESH)
    request = RetrieveRequest(question=Question(text=ASKED))
    found = QueryServiceStub(grpc_channel).Retrieve(request, metadata=bearer("ada"), timeout=20)
    assert found.cache.outcome == CACHE_OUTCOME_HIT


def test_the_figures_count_every_layer(grpc_channel: grpc.Channel) -> None:
    putting(grpc_channel, "harbour.txt", HARBOUR)
    before = stats(grpc_channel)
    for _ in range(4):
        query(grpc_channel)
    after = stats(grpc_channel)
    told = {
        layer: (after[layer].requests - before[layer].requests, after[layer].hits - before[layer].hits)
        for layer in (CACHE_LAYER_ANSWER, CACHE_LAYER_RETRIEVAL, CACHE_LAYER_EMBEDDING)
    }
    assert told == {CACHE_LAYER_ANSWER: (4, 3), CACHE_LAYER_RETRIEVAL: (1, 0), CACHE_LAYER_EMBEDDING: (1, 0)}
    for layer in told:
        assert (after[layer].entries, after[layer].errors) == (1, 0)
        assert after[layer].bytes > 0
        assert after[layer].hit_ratio == after[layer].hits / after[layer].requests
        assert after[layer].requests == after[layer].hits + after[layer].misses


def test_figures_and_clearing_are_of_the_callers_tenant_unless_an_admin_asks(grpc_channel: grpc.Channel) -> None:
    putting(grpc_channel, "harbour.txt", HARBOUR)
    putting(grpc_channel, "harbour.txt", HARBOUR, token="bob")
    query(grpc_channel)
    query(grpc_channel, token="bob")
    assert stats(grpc_channel)[CACHE_LAYER_ANSWER].entries == 1
    assert stats(grpc_channel, "root", all_tenants=True)[CACHE_LAYER_ANSWER].entries == 2
    assert clear(grpc_channel) == 3
    assert query(grpc_channel, token="bob").cache.outcome == CACHE_OUTCOME_HIT
    assert clear(grpc_channel, "root", all_tenants=True) >= 3
    assert query(grpc_channel, token="bob").cache.outcome == CACHE_OUTCOME_MISS
    stub = CacheServiceStub(grpc_channel)
    for method, request in (
        (stub.GetCacheStats, GetCacheStatsRequest(all_tenants=True)),
        (stub.ClearCache, ClearCacheRequest(all_tenants=True)),
    ):
        assert failed(method, request, metadata=bearer("ada")).code() == grpc.StatusCode.PERMISSION_DENIED
    assert failed(stub.ClearCache, ClearCacheRequest(), metadata=bearer("eve")).code() == (
        grpc.StatusCode.PERMISSION_DENIED
    )


def test_clearing_by_collection_and_document_drops_what_was_made_of_them(grpc_channel: grpc.Channel) -> None:
    harbour = putting(grpc_channel, "harbour.txt", HARBOUR)
    mill = putting(grpc_channel, "mill.txt", MILL, "open")
    asked = "Who is the miller at Lund?"

    def outcomes() -> tuple[int, int]:
        return query(grpc_channel).cache.outcome, query(grpc_channel, asked, collections=["open"]).cache.outcome

    assert outcomes() == (CACHE_OUTCOME_MISS, CACHE_OUTCOME_MISS)
    assert clear(grpc_channel, collection="open") == 2
    assert outcomes() == (CACHE_OUTCOME_HIT, CACHE_OUTCOME_MISS)
    assert clear(grpc_channel, document_id=harbour) == 2
    assert outcomes() == (CACHE_OUTCOME_MISS, CACHE_OUTCOME_HIT)
    assert clear(grpc_channel, document_id=mill, collection="default") == 0
    assert clear(grpc_channel, document_id="no id at all") == 0
    assert clear(grpc_channel, "gil") == 2  # of what is granted, and so not of `default`
    assert outcomes() == (CACHE_OUTCOME_HIT, CACHE_OUTCOME_MISS)
    assert clear(grpc_channel, layers=[CACHE_LAYER_EMBEDDING]) == 2
    assert outcomes() == (CACHE_OUTCOME_HIT, CACHE_OUTCOME_HIT)


def test_a_bad_hit_is_dropped_and_counted_and_only_ones_own(grpc_channel: grpc.Channel) -> None:
    putting(grpc_channel, "harbour.txt", HARBOUR)
    entry = query(grpc_channel).cache.entry_id
    before = stats(grpc_channel)[CACHE_LAYER_ANSWER].bad_hits
    stub = CacheServiceStub(grpc_channel)
    foreign = stub.ReportBadHit(ReportBadHitRequest(entry_id=entry), metadata=bearer("bob"), timeout=20)
    absent = stub.ReportBadHit(ReportBadHitRequest(entry_id="answer-" + "0" * 32), metadata=bearer("bob"), timeout=20)
    assert foreign == absent
    assert query(grpc_channel).cache.outcome == CACHE_OUTCOME_HIT
    stub.ReportBadHit(ReportBadHitRequest(entry_id=entry, comment="wrong"), metadata=bearer("ada"), timeout=20)
    assert query(grpc_channel).cache.outcome == CACHE_OUTCOME_MISS
    assert stats(grpc_channel)[CACHE_LAYER_ANSWER].bad_hits == before + 1
    for wrong in (ReportBadHitRequest(), ReportBadHitRequest(entry_id="x" * 129)):
        assert fields_of(failed(stub.ReportBadHit, wrong, metadata=bearer("ada"))) == {"entry_id"}
    wrong = ReportBadHitRequest(entry_id=entry, comment="x" * 1025)
    assert fields_of(failed(stub.ReportBadHit, wrong, metadata=bearer("ada"))) == {"comment"}


def test_an_unknown_layer_is_refused(grpc_channel: grpc.Channel) -> None:
    request = ClearCacheRequest()
    request.layers.append(99)  # type: ignore[arg-type]
    error = failed(CacheServiceStub(grpc_channel).ClearCache, request, metadata=bearer("ada"))
    assert fields_of(error) == {"layers"}
    assert details(error)["ErrorInfo"].reason == "INVALID_REQUEST"
