"""One stream of uploads: documents are worked on side by side, and each result is told when every replica sees it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from weakref import WeakValueDictionary

from ragents_client.v1.document_pb2 import Progress
from ragents_client.v1.document_service_pb2 import PutDocumentsResponse
from ragents_server.caller import Caller
from ragents_server.incidents import known
from ragents_server.ingest.pipeline import Pipeline
from ragents_server.services.checks import check_media_type, check_metadata, granted
from ragents_server.services.uploads import Assembled

UNSENT = 64  # responses that wait for a slow reader, and committed documents that wait to be told, at most


class Putting:
    """Puts the documents of one stream; `settle` returns when no replica takes the state before it for the present."""

    def __init__(
        self, pipeline: Pipeline, settle: Callable[[], Awaitable[None]], caller: Caller, *, max_uploads: int
    ) -> None:
        self._pipeline = pipeline
        self._settle = settle
        self._caller = caller
        self._slots = asyncio.Semaphore(max_uploads)
        self._unsettled = asyncio.Semaphore(UNSENT)
        self._turns = WeakValueDictionary[tuple[str, str], asyncio.Lock]()  # of documents with one name the last stays
        self._responses = asyncio.Queue[PutDocumentsResponse | None](UNSENT)

    async def responses(self, documents: AsyncGenerator[Assembled, None]) -> AsyncGenerator[PutDocumentsResponse, None]:
        """Reads on while documents are worked on; the results come as they are committed."""
        work = asyncio.create_task(self._put_all(documents), name="putting documents")
        try:
            while (response := await self._responses.get()) is not None:
                yield response
            await work
        finally:
            work.cancel()
            await asyncio.wait([work])

    async def _put_all(self, documents: AsyncGenerator[Assembled, None]) -> None:
        broken: Exception | None = None
        async with asyncio.TaskGroup() as group:
            try:
                async with aclosing(documents):
                    index = 0
                    async for document in documents:
                        await self._slots.acquire()
                        put = group.create_task(self._put(index, document, group))
                        put.add_done_callback(lambda _: self._slots.release())
                        index += 1
            except Exception as error:  # noqa: BLE001 - raised again below, when what came in whole has its result
                broken = error
        await self._responses.put(None)  # not when cancelled: then nobody reads any more
        if broken is not None:
            raise broken

    async def _put(self, index: int, document: Assembled, group: asyncio.TaskGroup) -> None:
        """One document; whatever goes wrong with it is told as its Failure and stops no other.

        The next one begins when this one is committed, and does not wait until every replica sees it.
        """
        name = document.upload.name
        result = PutDocumentsResponse()
        try:
            async with aclosing(self._committed(document)) as responses:
                async for result in responses:
                    result.index, result.name = index, name
                    if result.HasField("progress"):
                        await self._responses.put(result)
        except Exception as error:  # noqa: BLE001 - becomes this document's Failure, a bug as an incident id
            result = PutDocumentsResponse(index=index, name=name, failure=known(error, "PutDocuments").failure())
        await self._unsettled.acquire()
        group.create_task(self._tell(result))

    async def _committed(self, document: Assembled) -> AsyncGenerator[PutDocumentsResponse, None]:
        """Progress, and the result once it is committed."""
        upload = document.upload
        upload.collection = granted(upload.collection, self._caller)
        check_media_type(upload.media_type)
        check_metadata(upload.metadata)
        if document.refusal is not None:
            raise document.refusal
        turn = self._turns.setdefault((upload.collection, upload.name), asyncio.Lock())
        async with turn, aclosing(self._pipeline.put(self._caller.tenant, upload, document.content)) as events:
            async for event in events:
                if isinstance(event, Progress):
                    yield PutDocumentsResponse(progress=event)
                else:
                    yield PutDocumentsResponse(document=event.document, outcome=event.outcome)

    async def _tell(self, result: PutDocumentsResponse) -> None:
        try:
            await self._settle()
            await self._responses.put(result)
        finally:
            self._unsettled.release()
