"""The calls of the DocumentService, but for the upload."""

from collections.abc import Sequence

from ragents_client.calls.call import Call
from ragents_client.v1 import (
    Collection,
    DeleteCollectionRequest,
    DeleteCollectionResponse,
    DeleteDocumentRequest,
    DeleteDocumentResponse,
    Document,
    GetCollectionRequest,
    GetCollectionResponse,
    GetDocumentRequest,
    GetDocumentResponse,
    ListCollectionsRequest,
    ListCollectionsResponse,
    ListDocumentsRequest,
    ListDocumentsResponse,
)


def list_collections(
    *, page_size: int = 0, timeout: float | None = None
) -> Call[ListCollectionsResponse, Sequence[Collection]]:
    """The collections by name, page after page."""
    return Call(ListCollectionsRequest(page_size=page_size), lambda response: response.collections, timeout)


def get_collection(collection: str = "", *, timeout: float | None = None) -> Call[GetCollectionResponse, Collection]:
    """Tells about one collection; no name: `default`."""
    return Call(GetCollectionRequest(collection=collection), lambda response: response.collection, timeout)


def delete_collection(collection: str, *, timeout: float | None = None) -> Call[DeleteCollectionResponse, int]:
    """Deletes a collection; gives the number of documents that went with it."""
    return Call(DeleteCollectionRequest(collection=collection), lambda response: response.documents, timeout)


def list_documents(
    collection: str = "", *, name_prefix: str = "", page_size: int = 0, timeout: float | None = None
) -> Call[ListDocumentsResponse, Sequence[Document]]:
    """The documents of a collection by name, page after page."""
    request = ListDocumentsRequest(collection=collection, name_prefix=name_prefix, page_size=page_size)
    return Call(request, lambda response: response.documents, timeout)


def get_document(document_id: str, *, timeout: float | None = None) -> Call[GetDocumentResponse, Document]:
    """Tells about one document."""
    return Call(GetDocumentRequest(document_id=document_id), lambda response: response.document, timeout)


def delete_document(document_id: str, *, timeout: float | None = None) -> Call[DeleteDocumentResponse, None]:
    """Deletes one document."""
    return Call(DeleteDocumentRequest(document_id=document_id), lambda _: None, timeout)
