"""List, get and delete of documents and collections: pages, tokens, and what is gone."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from ragents_client.v1 import (
    DeleteCollectionRequest,
    DeleteDocumentRequest,
    DocumentServiceStub,
    GetCollectionRequest,
    GetDocumentRequest,
    ListCollectionsRequest,
    ListDocumentsRequest,
)
from tests.services import calls
from tests.services.calls import failed, put, puts, results, retrieve, whole

NAMES = ["B.txt", "a.txt", "a/1.txt", "a/2.txt", "a/ä.txt", "a_b.txt", "a%b.txt", "z.txt", "é.txt"]
BY_BYTES = sorted(NAMES, key=str.encode)


@pytest.fixture(scope="module", autouse=True)
def documents(grpc_addr: str) -> Iterator[None]:
    with grpc.insecure_channel(grpc_addr) as channel:
        puts(channel, [part for name in NAMES for part in whole(name, b"A line.", "paged")])
        for collection in ("c1", "c2", "c3"):
            put(channel, "x.txt", "A line.", collection)
        yield


@pytest.fixture
def stub(grpc_channel: grpc.Channel) -> Any:
    return DocumentServiceStub(grpc_channel)


def pages(stub: Any, size: int, **how: Any) -> list[list[str]]:
    found, token = [], ""
    while True:
        request = ListDocumentsRequest(collection="paged", page_size=size, page_token=token, **how)
        page = stub.ListDocuments(request, timeout=20)
        found.append([one.name for one in page.documents])
        token = page.next_page_token
        if not token:
            return found


@pytest.mark.parametrize("size", [0, 1, 4, 9, 10, 1000])
def test_pages_hold_every_document_once_in_byte_order(stub: Any, size: int) -> None:
    found = pages(stub, size)
    assert [name for page in found for name in page] == BY_BYTES
    assert all(len(page) == (size or 100) for page in found[:-1])
    assert found[-1]


@pytest.mark.parametrize("prefix", ["a", "a/", "a_", "a%", "é", "nothing", "a/1.txt"])
def test_a_prefix_is_taken_literally(stub: Any, prefix: str) -> None:
    found = [name for page in pages(stub, 2, name_prefix=prefix) for name in page]
    assert found == [name for name in BY_BYTES if name.startswith(prefix)]


def test_a_collection_that_does_not_exist_has_no_documents(stub: Any) -> None:
    assert not stub.ListDocuments(ListDocumentsRequest(collection="nowhere"), timeout=20).documents


def test_a_page_goes_on_where_it_was_although_documents_went(stub: Any, grpc_channel: grpc.Channel) -> None:
    found = results(puts(grpc_channel, [p for n in "abcd" for p in whole(f"{n}.txt", b"A line.", "going")]))
    first = stub.ListDocuments(ListDocumentsRequest(collection="going", page_size=2), timeout=20)
    stub.DeleteDocument(DeleteDocumentRequest(document_id=found[1].document.id), timeout=20)
    stub.DeleteDocument(DeleteDocumentRequest(document_id=found[2].document.id), timeout=20)
    request = ListDocumentsRequest(collection="going", page_size=2, page_token=first.next_page_token)
    assert [one.name for one in stub.ListDocuments(request, timeout=20).documents] == ["d.txt"]


def tokens(stub: Any) -> dict[str, str]:
    """Tokens that this listing never gave out."""
    good = stub.ListDocuments(ListDocumentsRequest(collection="paged", page_size=1), timeout=20).next_page_token
    of_collections = stub.ListCollections(ListCollectionsRequest(page_size=1), timeout=20).next_page_token
    return {
        "of another listing": of_collections,
        "cut": good[:-2],
        "changed": ("B" if good[0] == "A" else "A") + good[1:],
        "longer": good + "AAAA",
        "no base64": "!!!!",
        "not ascii": "ü" * 20,
        "huge": "A" * 100_000,
        "text": "a.txt",
    }


@pytest.mark.parametrize(
    "kind", ["of another listing", "cut", "changed", "longer", "no base64", "not ascii", "huge", "text"]
)
def test_a_forged_token_is_refused(stub: Any, kind: str) -> None:
    token = tokens(stub)[kind]
    request = ListDocumentsRequest(collection="paged", page_token=token)
    assert calls.fields_of(failed(stub.ListDocuments, request)) == {"page_token"}


def test_a_token_of_another_collection_or_prefix_is_refused(stub: Any) -> None:
    token = stub.ListDocuments(ListDocumentsRequest(collection="paged", page_size=1), timeout=20).next_page_token
    for other in ({"collection": "c1"}, {"collection": "paged", "name_prefix": "a"}):
        request = ListDocumentsRequest(page_token=token, **other)
        assert calls.fields_of(failed(stub.ListDocuments, request)) == {"page_token"}


@pytest.mark.parametrize("size", [-1, 1001, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("rpc", ["ListDocuments", "ListCollections"])
def test_a_page_has_at_most_a_thousand(stub: Any, rpc: str, size: int) -> None:
    kind = {"ListDocuments": ListDocumentsRequest, "ListCollections": ListCollectionsRequest}[rpc]
    assert calls.fields_of(failed(getattr(stub, rpc), kind(page_size=size))) == {"page_size"}


def test_collections_are_listed_by_name_in_pages(stub: Any) -> None:
    found, token = [], ""
    while True:
        page = stub.ListCollections(ListCollectionsRequest(page_size=2, page_token=token), timeout=20)
        found += [one.name for one in page.collections]
        token = page.next_page_token
        if not token:
            break
    assert found == sorted(found)
    assert {"c1", "c2", "c3", "paged"} <= set(found)
    bad = ListCollectionsRequest(page_token="AAAAAAAAAAAAAAAA")
    assert calls.fields_of(failed(stub.ListCollections, bad)) == {"page_token"}


def test_a_collection_tells_what_is_in_it(stub: Any) -> None:
    found = stub.GetCollection(GetCollectionRequest(collection="paged"), timeout=20).collection
    assert (found.name, found.documents, found.passages) == ("paged", len(NAMES), len(NAMES))
    assert (found.embedding_model, found.dimension) == ("all-MiniLM-L6-v2", 384)


def test_a_deleted_document_is_gone_from_everywhere(stub: Any, grpc_channel: grpc.Channel) -> None:
    document = put(grpc_channel, "gone.txt", "The walrus sings.", "deleting").document
    put(grpc_channel, "stays.txt", "The seal sings.", "deleting")
    request = DeleteDocumentRequest(document_id=document.id)
    stub.DeleteDocument(request, timeout=20)
    assert calls.names(retrieve(grpc_channel, "walrus sings", "deleting")) == {"stays.txt"}
    assert stub.GetCollection(GetCollectionRequest(collection="deleting"), timeout=20).collection.documents == 1
    for method, again in (
        (stub.DeleteDocument, request),
        (stub.GetDocument, GetDocumentRequest(document_id=document.id)),
    ):
        error = failed(method, again)
        assert error.code() == grpc.StatusCode.NOT_FOUND
        assert calls.details(error)["ErrorInfo"].reason == "NOT_FOUND"


@pytest.mark.parametrize("rpc", ["GetDocument", "DeleteDocument"])
@pytest.mark.parametrize("identity", ["0" * 32, "x", "A" * 32, "0" * 33, "ü", "' OR 1=1", "a" * 100_000])
def test_an_id_that_names_nothing_is_not_found(stub: Any, rpc: str, identity: str) -> None:
    kind = {"GetDocument": GetDocumentRequest, "DeleteDocument": DeleteDocumentRequest}[rpc]
    assert failed(getattr(stub, rpc), kind(document_id=identity)).code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("rpc", ["GetDocument", "DeleteDocument"])
def test_an_empty_id_is_a_mistake(stub: Any, rpc: str) -> None:
    kind = {"GetDocument": GetDocumentRequest, "DeleteDocument": DeleteDocumentRequest}[rpc]
    assert calls.fields_of(failed(getattr(stub, rpc), kind())) == {"document_id"}


def test_a_deleted_collection_is_gone_with_its_documents(stub: Any, grpc_channel: grpc.Channel) -> None:
    kept = [put(grpc_channel, name, "The otter swims.", "whole").document for name in ("1.txt", "2.txt")]
    request = DeleteCollectionRequest(collection="whole")
    assert stub.DeleteCollection(request, timeout=20).documents == 2
    assert not retrieve(grpc_channel, "otter", "whole")
    assert failed(stub.GetDocument, GetDocumentRequest(document_id=kept[0].id)).code() == grpc.StatusCode.NOT_FOUND
    assert failed(stub.DeleteCollection, request).code() == grpc.StatusCode.NOT_FOUND
    assert failed(stub.GetCollection, GetCollectionRequest(collection="whole")).code() == grpc.StatusCode.NOT_FOUND
    assert put(grpc_channel, "1.txt", "The otter swims.", "whole").document.id == kept[0].id


def test_a_deletion_of_a_collection_has_no_default(stub: Any) -> None:
    assert calls.fields_of(failed(stub.DeleteCollection, DeleteCollectionRequest())) == {"collection"}
