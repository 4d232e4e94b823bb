"""Two tenants on one server: neither sees, changes or counts what is the other's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from ragents_client.v1 import (
    BatchQueryRequest,
    DeleteCollectionRequest,
    DeleteDocumentRequest,
    DocumentServiceStub,
    GetCollectionRequest,
    GetDocumentRequest,
    ListCollectionsRequest,
    ListDocumentsRequest,
    QueryRequest,
    QueryServiceStub,
    Question,
    RetrieveRequest,
    StreamQueryRequest,
)
from tests.servers import bearer, keys_file
from tests.services import calls
from tests.services.calls import failed, puts, results, whole

SECRET = "The vault of {0} opens with the word {0}-opal."


@pytest.fixture(scope="module")
def server_settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    keys: Path = keys_file(
        tmp_path_factory.mktemp("keys"),
        red={"tenant": "red", "scopes": ["ask", "write"]},
        blue={"tenant": "blue", "scopes": ["ask", "write"]},
        narrow={"tenant": "red", "user": "narrow", "scopes": ["ask", "write"], "collections": ["open", "also"]},
    )
    return {"keys": keys}


@pytest.fixture(scope="module", autouse=True)
def ids(grpc_addr: str) -> Iterator[dict[str, str]]:
    """The same names in the same collections, twice."""
    found = {}
    with grpc.insecure_channel(grpc_addr) as channel:
        for tenant in ("red", "blue"):
            parts = [
                *whole("vault.txt", SECRET.format(tenant).encode(), "secrets"),
                *whole("open.txt", f"The door of {tenant} is open.".encode(), "open"),
                *whole(f"{tenant}.txt", b"Only one has this.", f"only-{tenant}"),
            ]
            done = results(puts(channel, parts, metadata=bearer(tenant)))
            found |= {f"{tenant}/{one.document.name}": one.document.id for one in done.values()}
        yield found


@pytest.mark.parametrize(("tenant", "other"), [("red", "blue"), ("blue", "red")])
def test_no_answer_holds_the_other_tenants_text(grpc_channel: grpc.Channel, tenant: str, other: str) -> None:
    stub = QueryServiceStub(grpc_channel)
    text = SECRET.format(other)  # the very words
    question = Question(text=text, collections=["secrets", "open", f"only-{other}"], top_k=100)
    how: dict[str, Any] = {"metadata": bearer(tenant), "timeout": 30}
    seen = [
        *stub.Retrieve(RetrieveRequest(question=question), **how).passages,
        *stub.Query(QueryRequest(question=question), **how).answer.passages,
        *stub.BatchQuery(BatchQueryRequest(questions=[question]), **how).items[0].answer.passages,
        *(
            p
            for one in stub.StreamQuery(StreamQueryRequest(question=question), **how)
            for p in one.event.retrieved.passages
        ),
    ]
    assert len(seen) == 4 * 2
    assert all(other not in passage.text for passage in seen)
    assert {passage.document.collection for passage in seen} == {"secrets", "open"}


def test_lists_hold_ones_own_only(grpc_channel: grpc.Channel) -> None:
    stub = DocumentServiceStub(grpc_channel)
    mine = stub.ListCollections(ListCollectionsRequest(), metadata=bearer("red"), timeout=20).collections
    assert [(one.name, one.documents) for one in mine] == [("only-red", 1), ("open", 1), ("secrets", 1)]
    theirs = ListDocumentsRequest(collection="only-blue")
    assert not stub.ListDocuments(theirs, metadata=bearer("red"), timeout=20).documents
    error = failed(stub.GetCollection, GetCollectionRequest(collection="only-blue"), metadata=bearer("red"))
    assert error.code() == grpc.StatusCode.NOT_FOUND


def test_the_same_name_has_another_id_for_another_tenant(ids: dict[str, str]) -> None:
    assert ids["red/vault.txt"] != ids["blue/vault.txt"]


def test_nobody_deletes_what_is_somebody_elses(grpc_channel: grpc.Channel, ids: dict[str, str]) -> None:
    stub = DocumentServiceStub(grpc_channel)
    theirs = DeleteDocumentRequest(document_id=ids["blue/vault.txt"])
    assert failed(stub.DeleteDocument, theirs, metadata=bearer("red")).code() == grpc.StatusCode.NOT_FOUND
    collection = DeleteCollectionRequest(collection="only-blue")
    assert failed(stub.DeleteCollection, collection, metadata=bearer("red")).code() == grpc.StatusCode.NOT_FOUND
    kept = GetDocumentRequest(document_id=ids["blue/vault.txt"])
    assert stub.GetDocument(kept, metadata=bearer("blue"), timeout=20).document.name == "vault.txt"


def test_a_page_token_of_another_tenant_is_refused(grpc_channel: grpc.Channel) -> None:
    stub = DocumentServiceStub(grpc_channel)
    page = stub.ListCollections(ListCollectionsRequest(page_size=1), metadata=bearer("red"), timeout=20)
    forged = ListCollectionsRequest(page_token=page.next_page_token)
    assert calls.fields_of(failed(stub.ListCollections, forged, metadata=bearer("blue"))) == {"page_token"}


def test_a_credential_for_some_collections_sees_no_other(grpc_channel: grpc.Channel, ids: dict[str, str]) -> None:
    stub = DocumentServiceStub(grpc_channel)
    mine = stub.ListCollections(ListCollectionsRequest(), metadata=bearer("narrow"), timeout=20).collections
    assert [one.name for one in mine] == ["open"]
    hidden = GetDocumentRequest(document_id=ids["red/vault.txt"])
    assert failed(stub.GetDocument, hidden, metadata=bearer("narrow")).code() == grpc.StatusCode.NOT_FOUND
    deletion = DeleteDocumentRequest(document_id=ids["red/vault.txt"])
    assert failed(stub.DeleteDocument, deletion, metadata=bearer("narrow")).code() == grpc.StatusCode.NOT_FOUND
    for method, request in (
        (stub.ListDocuments, ListDocumentsRequest(collection="secrets")),
        (stub.GetCollection, GetCollectionRequest(collection="secrets")),
        (stub.DeleteCollection, DeleteCollectionRequest(collection="secrets")),
    ):
        assert failed(method, request, metadata=bearer("narrow")).code() == grpc.StatusCode.PERMISSION_DENIED
    denied = results(puts(grpc_channel, whole("x.txt", b"X.", "secrets"), metadata=bearer("narrow")))[0]
    assert calls.reason(denied.failure) == "PERMISSION_DENIED"
    both = Question(text="door", collections=["open", "secrets"])
    error = failed(QueryServiceStub(grpc_channel).Query, QueryRequest(question=both), metadata=bearer("narrow"))
    assert error.code() == grpc.StatusCode.PERMISSION_DENIED
