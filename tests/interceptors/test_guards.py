"""What a caller sees of the guards, through a real channel."""

import asyncio
import logging
import math
import re
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from ragents_client.v1 import (
    CACHE_MODE_NONE,
    DocumentServiceStub,
    GetDocumentRequest,
    GetHealthRequest,
    HealthServiceStub,
    ListDocumentsRequest,
    PutDocumentsRequest,
    QueryRequest,
    QueryServiceStub,
    Question,
)
from ragents_server.errors import (
    BudgetSpent,
    Draining,
    ModelQuota,
    ModelUnavailable,
    Overloaded,
    RagentsError,
    RateLimited,
    StateUnavailable,
)
from ragents_server.interceptors.errors import pushback_of
from ragents_server.interceptors.identity import RULES
from ragents_server.rag import retrieval
from ragents_server.server import SERVICES
from tests.servers import bearer, keys_file

ASK = QueryRequest(question=Question(text="What is it?", cache_mode=CACHE_MODE_NONE))  # served, each time


@pytest.fixture(scope="module")
def server_settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    keys: Path = keys_file(
        tmp_path_factory.mktemp("keys"),
        ada={"tenant": "acme", "user": "ada", "scopes": ["ask", "write"]},
        reader={"tenant": "acme", "user": "reader"},
        narrow={"tenant": "acme", "user": "narrow", "scopes": ["ask", "write"], "collections": ["public"]},
        service={"tenant": "acme", "user": "service", "scopes": ["ask", "act_for_users"]},
        eve={"tenant": "evil", "user": "eve", "scopes": ["ask", "write"]},
    )
    return {"keys": keys, "deadline": 20, "max_deadline": 30}


def failed(call: Any, request: Any, **how: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=how.pop("timeout", 10), **how)
    return caught.value


def details(error: Any) -> dict[str, Any]:
    """The error's details by their type's name."""
    trailers = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    assert status.code == error.code().value[0]
    found = {}
    for packed in status.details:
        kind = getattr(error_details_pb2, packed.TypeName().rpartition(".")[2])
        found[kind.__name__] = kind.FromString(packed.value)
    return found


def test_a_call_without_a_key_is_unauthenticated(grpc_channel: grpc.Channel) -> None:
    error = failed(QueryServiceStub(grpc_channel).Query, ASK)
    assert error.code() == grpc.StatusCode.UNAUTHENTICATED
    assert details(error)["ErrorInfo"].reason == "UNAUTHENTICATED"
    assert details(error)["ErrorInfo"].domain == "ragents.v1"
    assert "authorization" in details(error)["ErrorInfo"].metadata["advice"]


@pytest.mark.parametrize("token", ["", "nobody", "ada\xe9".encode("latin-1").decode("latin-1")[:3] + "x", "a" * 4000])
def test_an_unknown_key_is_unauthenticated_and_not_told_back(grpc_channel: grpc.Channel, token: str) -> None:
    error = failed(QueryServiceStub(grpc_channel).Query, ASK, metadata=bearer(token))
    assert error.code() == grpc.StatusCode.UNAUTHENTICATED
    assert not token or token not in str(error.details())


def test_a_key_without_the_scope_is_denied(grpc_channel: grpc.Channel) -> None:
    put = DocumentServiceStub(grpc_channel).PutDocuments(
        iter([PutDocumentsRequest()]), metadata=bearer("reader"), timeout=10
    )
    with pytest.raises(grpc.RpcError) as caught:
        list(put)
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED
    assert "write" in caught.value.details()


def test_a_collection_that_is_not_granted_is_denied(grpc_channel: grpc.Channel) -> None:
    stub = QueryServiceStub(grpc_channel)
    error = failed(stub.Query, ASK, metadata=bearer("narrow"))
    assert error.code() == grpc.StatusCode.PERMISSION_DENIED
    public = QueryRequest(question=Question(text="What?", collections=["public"]))
    assert stub.Query(public, metadata=bearer("narrow"), timeout=10).answer.HasField("refusal")


def test_acting_for_a_user_needs_its_scope(grpc_channel: grpc.Channel) -> None:
    stub = QueryServiceStub(grpc_channel)
    error = failed(stub.Query, ASK, metadata=bearer("ada", x_ragents_user="bob"))
    assert error.code() == grpc.StatusCode.PERMISSION_DENIED
    assert stub.Query(ASK, metadata=bearer("service", x_ragents_user="bob"), timeout=10)


def test_every_rpc_of_the_contract_has_a_rule() -> None:
    from google.protobuf.descriptor_pool import Default

    methods = {f"/{name}/{method.name}" for name in SERVICES for method in Default().FindServiceByName(name).methods}
    assert methods <= set(RULES)
    assert set(RULES) - methods == {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}


def test_an_rpc_without_a_rule_is_denied_to_everybody(
    grpc_channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(RULES, "/ragents.v1.QueryService/Query")
    error = failed(QueryServiceStub(grpc_channel).Query, ASK, metadata=bearer("ada"))
    assert error.code() == grpc.StatusCode.PERMISSION_DENIED


def test_malformed_bytes_are_an_invalid_argument_and_nothing_of_the_parser_leaks(grpc_channel: grpc.Channel) -> None:
    call = grpc_channel.unary_unary("/ragents.v1.QueryService/Query")
    error = failed(call, b"\xff\xff\xff\xff", metadata=bearer("ada"))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert details(error)["ErrorInfo"].reason == "INVALID_REQUEST"
    assert "DecodeError" not in error.details()


def test_malformed_bytes_within_a_stream_are_an_invalid_argument(grpc_channel: grpc.Channel) -> None:
    call = grpc_channel.stream_stream("/ragents.v1.DocumentService/PutDocuments")
    with pytest.raises(grpc.RpcError) as caught:
        list(call(iter([b"\xff\xff"]), metadata=bearer("ada"), timeout=10))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_method_of_another_release_answers_unimplemented(grpc_channel: grpc.Channel) -> None:
    error = failed(grpc_channel.unary_unary("/ragents.v1.HealthService/GetMood"), b"", metadata=bearer("ada"))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED


def test_health_tells_nothing_to_strangers(grpc_channel: grpc.Channel) -> None:
    error = failed(HealthServiceStub(grpc_channel).GetHealth, GetHealthRequest())
    assert error.code() == grpc.StatusCode.UNAUTHENTICATED


def test_a_bug_tells_an_incident_id_and_nothing_else(
    grpc_channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(retrieval, "fuse", broken)
    with caplog.at_level(logging.ERROR):
        error = failed(QueryServiceStub(grpc_channel).Query, ASK, metadata=bearer("ada"))
    assert error.code() == grpc.StatusCode.INTERNAL
    incident = re.fullmatch(r"internal error, incident ([0-9a-f]{16})", error.details())
    assert incident is not None
    assert "secret" not in str(dict(error.trailing_metadata()))
    assert incident[1] in caplog.text
    assert "secret of the house" in caplog.text


def test_a_call_whose_work_is_ended_by_another_is_unavailable_rather_than_cancelled(
    grpc_channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def shared(*_: Any, **__: Any) -> None:
        work = asyncio.get_running_loop().create_future()
        work.cancel()  # by whoever had begun it
        await work

    monkeypatch.setattr(retrieval.Retrieval, "__call__", shared)
    with caplog.at_level(logging.WARNING):
        error = failed(QueryServiceStub(grpc_channel).Query, ASK, metadata=bearer("ada"))
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert details(error)["ErrorInfo"].reason == "STATE_UNAVAILABLE"
    assert "what it waited for was ended, in test_guards.py" in caplog.text


def test_the_callers_own_request_and_trace_ids_come_back(grpc_channel: grpc.Channel) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    given = bearer("ada", x_request_id="mine-1", traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    _, call = QueryServiceStub(grpc_channel).Query.with_call(ASK, metadata=given, timeout=10)
    trailers = dict(call.trailing_metadata())
    assert trailers["x-request-id"] == "mine-1"
    assert trailers["x-ragents-trace-id"] == trace
    error = failed(QueryServiceStub(grpc_channel).Query, QueryRequest(), metadata=given)
    assert dict(error.trailing_metadata())["x-request-id"] == "mine-1"


def test_a_malformed_request_id_is_replaced(grpc_channel: grpc.Channel) -> None:
    _, call = QueryServiceStub(grpc_channel).Query.with_call(
        ASK, metadata=bearer("ada", x_request_id="a b" * 200), timeout=10
    )
    assert re.fullmatch(r"[0-9a-f]{32}", dict(call.trailing_metadata())["x-request-id"])


def test_somebody_elses_document_is_as_unknown_as_none(grpc_channel: grpc.Channel) -> None:
    stub = DocumentServiceStub(grpc_channel)
    upload = PutDocumentsRequest(upload={"name": "a.txt", "content": b"The mole is long."})
    put = list(stub.PutDocuments(iter([upload]), metadata=bearer("ada"), timeout=60))[-1].document
    mine = stub.GetDocument(GetDocumentRequest(document_id=put.id), metadata=bearer("ada"), timeout=10)
    assert mine.document.name == "a.txt"
    foreign = failed(stub.GetDocument, GetDocumentRequest(document_id=put.id), metadata=bearer("eve", x_request_id="r"))
    absent = failed(
        stub.GetDocument, GetDocumentRequest(document_id="0" * 32), metadata=bearer("eve", x_request_id="r")
    )
    assert foreign.code() == absent.code() == grpc.StatusCode.NOT_FOUND
    seen = [{k: v for k, v in e.trailing_metadata() if k != "x-ragents-trace-id"} for e in (foreign, absent)]
    assert seen[0] == seen[1]
    assert foreign.details() == absent.details()
    assert not stub.ListDocuments(ListDocumentsRequest(), metadata=bearer("eve"), timeout=10).documents


def test_a_call_without_a_deadline_ends_by_the_servers(
    grpc_channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ragents_server.interceptors import deadline

    async def hang(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    timeout = asyncio.timeout
    monkeypatch.setattr(deadline.asyncio, "timeout", lambda seconds: timeout(seconds / 100))
    monkeypatch.setattr(retrieval.Retrieval, "__call__", hang)
    error = failed(QueryServiceStub(grpc_channel).Query, ASK, metadata=bearer("ada"), timeout=None)
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert details(error)["ErrorInfo"].reason == "DEADLINE_TOO_SHORT"
    assert "20 s" in error.details()  # the default deadline of these settings


@pytest.mark.parametrize(
    ("error", "remaining", "pushback"),
    [
        (RateLimited("no", retry_after=2.0, limit="user"), 30, 2001),
        (RateLimited("no", retry_after=2.0, limit="user"), math.inf, 2001),
        (RateLimited("no", retry_after=2.0, limit="user"), 1.5, -1),
        (Overloaded("no"), 30, -1),
        (BudgetSpent("no"), 30, -1),
        (Overloaded("no", retry_after=0.5), 30, 501),
        (ModelQuota("no", retry_after=3.0), 30, 3001),
        (ModelQuota("no", retry_after=60.0), 30, -1),
        (ModelUnavailable("no"), 30, -1),
        (ModelUnavailable("no", retry_after=0.5), 30, -1),
        (Draining("no"), 30, None),
        (StateUnavailable("no"), 30, None),
    ],
)
def test_clients_are_told_to_wait_only_where_that_fits_and_helps(
    error: RagentsError, remaining: float, pushback: int | None
) -> None:
    assert pushback_of(error, remaining) == pushback
