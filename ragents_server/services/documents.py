"""DocumentService: gRPC in, gRPC out."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

from ragents_client.v1.document_pb2 import Document
from ragents_client.v1.document_service_pb2 import (
    DeleteCollectionRequest,
    DeleteCollectionResponse,
    DeleteDocumentRequest,
    DeleteDocumentResponse,
    GetCollectionRequest,
    GetCollectionResponse,
    GetDocumentRequest,
    GetDocumentResponse,
    ListCollectionsRequest,
    ListCollectionsResponse,
    ListDocumentsRequest,
    ListDocumentsResponse,
    PutDocumentsRequest,
    PutDocumentsResponse,
)
from ragents_client.v1.document_service_pb2_grpc import DocumentServiceServicer
from ragents_server.caller import current_caller
from ragents_server.errors import InvalidRequest, NotFound
from ragents_server.index.collections import Collections
from ragents_server.index.documents import Documents
from ragents_server.ingest.pipeline import Pipeline
from ragents_server.services.checks import check_id, check_page_size, check_prefix, granted
from ragents_server.services.context import Context
from ragents_server.services.putting import Putting
from ragents_server.services.uploads import assemble


class DocumentService(DocumentServiceServicer):
    """Keeps the caller's documents."""

    def __init__(
        self,
        documents: Documents,
        collections: Collections,
        pipeline: Pipeline,
        *,
        max_document: int,
        max_uploads: int,
        max_message: int,
        settle: Callable[[], Awaitable[None]],
    ) -> None:
        self._documents = documents
        self._collections = collections
        self._pipeline = pipeline
        self._max_document = max_document
        self._max_uploads = max_uploads
        self._max_message = max_message
        self._settle = settle  # returns when no replica takes the state before it for the present one

    async def PutDocuments(
        self, request_iterator: AsyncIterator[PutDocumentsRequest], context: Context
    ) -> AsyncIterator[PutDocumentsResponse]:
        """Progress and one result of each document."""
        putting = Putting(self._pipeline, self._settle, current_caller(), max_uploads=self._max_uploads)
        async with aclosing(putting.responses(assemble(request_iterator, self._max_document))) as responses:
            async for response in responses:
                yield response

    async def ListDocuments(self, request: ListDocumentsRequest, context: Context) -> ListDocumentsResponse:
        """A page of a collection's documents, by name."""
        caller = current_caller()
        collection, prefix = granted(request.collection, caller), check_prefix(request.name_prefix)
        size = check_page_size(request.page_size)
        while True:
            documents, token = await self._documents.list(
                caller.tenant, collection, prefix=prefix, page_size=size, token=request.page_token
            )
            page = ListDocumentsResponse(documents=documents, next_page_token=token)
            if len(documents) <= 1 or page.ByteSize() <= self._max_message:
                return page
            size = len(documents) // 2  # metadata may be large, and a page may have fewer than were asked for

    async def GetDocument(self, request: GetDocumentRequest, context: Context) -> GetDocumentResponse:
        """One document; somebody else's is as unknown as one that never was."""
        document = await self._find(request.document_id)
        if document is None:
            raise NotFound("no such document")
        return GetDocumentResponse(document=document)

    async def DeleteDocument(self, request: DeleteDocumentRequest, context: Context) -> DeleteDocumentResponse:
        """Deletes one document; NOT_FOUND the second time, and then too no replica shows it any more."""
        document = await self._find(request.document_id)
        deleted = document is not None and await self._documents.delete(current_caller().tenant, document.id)
        await self._settle()
        if not deleted:
            raise NotFound("no such document")
        return DeleteDocumentResponse()

    async def _find(self, document_id: str) -> Document | None:
        caller = current_caller()
        document = await self._documents.get(caller.tenant, check_id(document_id, "document_id"))
        return document if document is not None and caller.may_use(document.collection) else None

    async def ListCollections(self, request: ListCollectionsRequest, context: Context) -> ListCollectionsResponse:
        """A page of the caller's collections, by name; those not granted are left out."""
        caller = current_caller()
        collections, token = await self._collections.list(
            caller.tenant,
            page_size=check_page_size(request.page_size),
            token=request.page_token,
            granted=sorted(caller.collections),
        )
        return ListCollectionsResponse(collections=collections, next_page_token=token)

    async def GetCollection(self, request: GetCollectionRequest, context: Context) -> GetCollectionResponse:
        """One collection."""
        caller = current_caller()
        collection = await self._collections.get(caller.tenant, granted(request.collection, caller))
        if collection is None:
            raise NotFound("no such collection")
        return GetCollectionResponse(collection=collection)

    async def DeleteCollection(self, request: DeleteCollectionRequest, context: Context) -> DeleteCollectionResponse:
        """Deletes a collection with all its documents."""
        caller = current_caller()
        if not request.collection:
            raise InvalidRequest("collection must not be empty", violations={"collection": "must not be empty"})
        deleted = await self._collections.delete(caller.tenant, granted(request.collection, caller))
        await self._settle()
        if deleted is None:
            raise NotFound("no such collection")
        return DeleteCollectionResponse(documents=deleted)
