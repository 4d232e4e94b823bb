"""The calls of a test: each once, with its envelope, noted as long as it is on its way."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, cast

from google.protobuf.struct_pb2 import Struct

from ragents_client.v1.answer_pb2 import Answer, Passage, Question
from ragents_client.v1.cache_pb2 import (
    CACHE_OUTCOME_HIT,
    CACHE_OUTCOME_MISS,
    CACHE_OUTCOME_REVALIDATED,
    CACHE_OUTCOME_SHARED,
    CacheUse,
)
from ragents_client.v1.document_pb2 import Document, Upload
from ragents_client.v1.document_service_pb2 import (
    DeleteCollectionRequest,
    DeleteDocumentRequest,
    PutDocumentsRequest,
)
from ragents_client.v1.document_service_pb2_grpc import DocumentServiceStub
from ragents_client.v1.query_service_pb2 import QueryRequest, RetrieveRequest, StreamQueryRequest
from ragents_client.v1.query_service_pb2_grpc import QueryServiceStub
from scripts.faulting.errors import FaultError
from scripts.faulting.replicas import Key, Replica

if TYPE_CHECKING:  # in the stubs' types only
    from ragents_client.v1.document_service_pb2_grpc import DocumentServiceAsyncStub
    from ragents_client.v1.query_service_pb2_grpc import QueryServiceAsyncStub

TIMEOUT = 30.0  # seconds: far more than a replica is ever stopped
QUERY, STREAM, RETRIEVE = "Query", "StreamQuery", "Retrieve"
WITHOUT_MODEL = {CACHE_OUTCOME_HIT, CACHE_OUTCOME_REVALIDATED, CACHE_OUTCOME_SHARED}
OUTCOMES = {
    CACHE_OUTCOME_MISS: "misses",
    CACHE_OUTCOME_HIT: "hits",
    CACHE_OUTCOME_REVALIDATED: "revalidated",
    CACHE_OUTCOME_SHARED: "shared",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What was said to a question, and when the call began and ended; `answer` is None for Retrieve."""

    passages: tuple[Passage, ...]
    answer: Answer | None
    cache: CacheUse
    began: float
    ended: float
    deltas: str = ""  # of the last attempt, where it was streamed

    @property
    def seconds(self) -> float:
        """How long the call took."""
        return self.ended - self.began


class Calls:
    """The calls of one caller to one replica."""

    def __init__(self, replica: Replica, key: Key) -> None:
        self.replica = replica
        self.key = key
        self._queries = cast("QueryServiceAsyncStub", QueryServiceStub(replica.channel))
        self._documents = cast("DocumentServiceAsyncStub", DocumentServiceStub(replica.channel))

    async def ask(self, rpc: str, question: Question, *, timeout: float = TIMEOUT) -> Reply:
        """One question by one of the three RPCs."""
        began, metadata = monotonic(), self.key.metadata
        with self.replica.on_its_way():
            if rpc == RETRIEVE:
                request = RetrieveRequest(question=question)
                found = await self._queries.Retrieve(request, timeout=timeout, metadata=metadata)
                return Reply(tuple(found.passages), None, found.cache, began, monotonic())
            if rpc == STREAM:
                return await self._streamed(question, timeout, began)
            answered = await self._queries.Query(QueryRequest(question=question), timeout=timeout, metadata=metadata)
            answer = answered.answer
            return Reply(tuple(answer.passages), answer, answered.cache, began, monotonic())

    async def put(self, collection: str, name: str, content: bytes, metadata: Struct) -> Document:
        """Puts one document; returns when the call has ended."""
        upload = Upload(collection=collection, name=name, content=content, metadata=metadata)
        put: Document | None = None
        with self.replica.on_its_way():
            requests = _once(PutDocumentsRequest(upload=upload))
            call = self._documents.PutDocuments(requests, timeout=TIMEOUT, metadata=self.key.metadata)
            async for response in call:
                if response.HasField("failure"):
                    raise FaultError(f"{name} was refused: {response.failure.message}")
                if response.HasField("document"):
                    put = response.document
        if put is None:
            raise FaultError(f"nothing was said of {name}")
        return put

    async def delete(self, document_id: str) -> bool:
        """Deletes one document; True when the call has ended."""
        with self.replica.on_its_way():
            request = DeleteDocumentRequest(document_id=document_id)
            await self._documents.DeleteDocument(request, timeout=TIMEOUT, metadata=self.key.metadata)
        return True

    async def delete_collection(self, collection: str) -> bool:
        """Deletes a collection with all its documents; True when the call has ended."""
        with self.replica.on_its_way():
            request = DeleteCollectionRequest(collection=collection)
            await self._documents.DeleteCollection(request, timeout=TIMEOUT, metadata=self.key.metadata)
        return True

    async def _streamed(self, question: Question, timeout: float, began: float) -> Reply:
        request = StreamQueryRequest(question=question)
        reply, deltas = None, ""
        async for response in self._queries.StreamQuery(request, timeout=timeout, metadata=self.key.metadata):
            event = response.event
            if event.HasField("started"):
                deltas = ""  # what an earlier attempt said does not count
            elif event.HasField("delta"):
                deltas += event.delta.text
            elif event.HasField("answer"):
                passages = tuple(event.answer.passages)
                reply = Reply(passages, event.answer, response.cache, began, monotonic(), deltas)
        if reply is None:
            raise FaultError("a stream ended without an answer")
        return reply


async def _once(request: PutDocumentsRequest) -> AsyncIterator[PutDocumentsRequest]:
    yield request
