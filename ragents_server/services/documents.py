"""DocumentService: gRPC in, gRPC out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from weakref import WeakValueDictionary

from ragents_client.v1.document_pb2 import Progress
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
from ragents_server.caller import Caller, current_caller
from ragents_server.errors import InvalidRequest, NotFound
from ragents_server.incidents import known
from ragents_server.index.collections import Collections
from ragents_server.index.documents import Documents
from ragents_server.ingest.pipeline import Pipeline
from ragents_server.services.checks import check_id, check_metadata, check_page_size, check_prefix, granted
from ragents_server.services.context import Context
from ragents_server.services.uploads import Assembled, assemble

UNSENT = 64  # responses that wait for a slow reader, at most


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
    ) -> None:
        self._documents = documents
        self._collections = collections
        self._pipeline = pipeline
        self._max_document = max_document
        self._max_uploads = max_uploads
        self._max_message = max_message

    async def PutDocuments(
        self, request_iterator: AsyncIterator[PutDocumentsRequest], context: Context
    ) -> AsyncIterator[PutDocumentsResponse]:
        """Reads on while documents are worked on; the results come as they are committed."""
        responses: asyncio.Queue[PutDocumentsResponse | None] = asyncio.Queue(UNSENT)
        work = asyncio.create_task(self._put_all(request_iterator, current_caller(), responses))
        try:
            while (response := await responses.get()) is not None:
                yield response
            await work
        finally:
            work.cancel()
            await asyncio.wait([work])

    async def _put_all(
        self,
        requests: AsyncIterator[PutDocumentsRequest],
        caller: Caller,
        responses: asyncio.Queue[PutDocumentsResponse | None],
    ) -> None:
        slots = asyncio.Semaphore(self._max_uploads)
        turns = WeakValueDictionary[tuple[str, str], asyncio.Lock]()  # of documents with one name the last one stays
        broken: Exception | None = None
        async with asyncio.TaskGroup() as group:
            try:
                async with aclosing(assemble(requests, self._max_document)) as documents:
                    index = 0
                    async for document in documents:
                        await slots.acquire()
                        turn = turns.setdefault((document.upload.collection, document.upload.name), asyncio.Lock())
                        put = group.create_task(self._put(index, document, caller, responses, turn))
                        put.add_done_callback(lambda _: slots.release())
                        index += 1
            except Exception as error:  # noqa: BLE001 - raised again below, when what came in whole has its result
                broken = error
        await responses.put(None)  # not when cancelled: then nobody reads any more
        if broken is not None:
            raise broken

    async def _put(
        self,
        index: int,
        document: Assembled,
        caller: Caller,
        responses: asyncio.Queue[PutDocumentsResponse | None],
        turn: asyncio.Lock,
    ) -> None:
        """One document; whatever goes wrong with it is told as its Failure and stops no other."""
        name = document.upload.name
        try:
            upload = document.upload
            upload.collection = granted(upload.collection, caller)
            check_metadata(upload.metadata)
            if document.refusal is not None:
                raise document.refusal
            put_in = self._pipeline.put(caller.tenant, upload, document.content)
            async with turn, aclosing(put_in) as events:
                async for event in events:
                    if isinstance(event, Progress):
                        await responses.put(PutDocumentsResponse(index=index, name=name, progress=event))
                    else:
                        put, outcome = event.document, event.outcome
                        await responses.put(PutDocumentsResponse(index=index, name=name, document=put, outcome=outcome))
        except Exception as error:  # noqa: BLE001 - becomes this document's Failure, a bug as an incident id
            failure = known(error, "PutDocuments").failure()
            await responses.put(PutDocumentsResponse(index=index, name=name, failure=failure))

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
        caller = current_caller()
        document = await self._documents.get(caller.tenant, check_id(request.document_id, "document_id"))
        if document is None or not caller.may_use(document.collection):
            raise NotFound("no such document")
        return GetDocumentResponse(document=document)

    async def DeleteDocument(self, request: DeleteDocumentRequest, context: Context) -> DeleteDocumentResponse:
        """Deletes one document; NOT_FOUND the second time."""
        found = await self.GetDocument(GetDocumentRequest(document_id=request.document_id), context)
        if not await self._documents.delete(current_caller().tenant, found.document.id):
            raise NotFound("no such document")
        return DeleteDocumentResponse()

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
        if deleted is None:
            raise NotFound("no such collection")
        return DeleteCollectionResponse(documents=deleted)
