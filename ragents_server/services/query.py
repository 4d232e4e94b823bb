"""QueryService: gRPC in, gRPC out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from ragents_client.v1.answer_pb2 import Answer, Question
from ragents_client.v1.batch_pb2 import BatchItem
from ragents_client.v1.cache_pb2 import CACHE_OUTCOME_MISS, CacheUse
from ragents_client.v1.query_service_pb2 import (
    BatchQueryRequest,
    BatchQueryResponse,
    QueryRequest,
    QueryResponse,
    RetrieveRequest,
    RetrieveResponse,
    StreamQueryRequest,
    StreamQueryResponse,
)
from ragents_client.v1.query_service_pb2_grpc import QueryServiceServicer
from ragents_server.caller import Caller, current_caller
from ragents_server.errors import InvalidRequest
from ragents_server.incidents import known
from ragents_server.rag.engine import Answerer, last_answer
from ragents_server.rag.retrieval import Retriever
from ragents_server.services.checks import check_question
from ragents_server.services.context import Context

MAX_BATCH = 100
BATCH_CONCURRENCY = 8  # questions of one batch that are answered at once


class QueryService(QueryServiceServicer):
    """Answers questions from the caller's documents."""

    def __init__(self, answerer: Answerer, retrieval: Retriever) -> None:
        self._answerer = answerer
        self._retrieval = retrieval

    async def Query(self, request: QueryRequest, context: Context) -> QueryResponse:
        """The last event of the stream."""
        answer = await self._answer(request.question, current_caller())
        return QueryResponse(answer=answer, cache=CacheUse(outcome=CACHE_OUTCOME_MISS))

    async def StreamQuery(self, request: StreamQueryRequest, context: Context) -> AsyncIterator[StreamQueryResponse]:
        """All events."""
        caller = current_caller()
        async with aclosing(self._answerer(check_question(request.question, caller), caller)) as events:
            async for event in events:
                response = StreamQueryResponse(event=event)
                if event.HasField("answer"):
                    response.cache.outcome = CACHE_OUTCOME_MISS
                yield response

    async def Retrieve(self, request: RetrieveRequest, context: Context) -> RetrieveResponse:
        """Passages without an answer."""
        caller = current_caller()
        found = await self._retrieval(check_question(request.question, caller), caller)
        return RetrieveResponse(passages=found.passages, cache=CacheUse(outcome=CACHE_OUTCOME_MISS))

    async def BatchQuery(self, request: BatchQueryRequest, context: Context) -> BatchQueryResponse:
        """An answer or a failure for each; one bad question never stops the others."""
        if not 1 <= len(request.questions) <= MAX_BATCH:
            text = f"must have 1 to {MAX_BATCH} entries"
            raise InvalidRequest(f"questions {text}", violations={"questions": text})
        caller = current_caller()
        slots = asyncio.Semaphore(BATCH_CONCURRENCY)
        async with asyncio.TaskGroup() as group:
            items = [
                group.create_task(self._item(index, question, caller, slots))
                for index, question in enumerate(request.questions)
            ]
        return BatchQueryResponse(items=[item.result() for item in items])

    async def _item(self, index: int, question: Question, caller: Caller, slots: asyncio.Semaphore) -> BatchItem:
        async with slots:
            try:
                answer = await self._answer(question, caller)
            except Exception as error:  # noqa: BLE001 - becomes this item's Failure, a bug as an incident id
                return BatchItem(index=index, failure=known(error, "BatchQuery").failure())
        return BatchItem(index=index, answer=answer, cache=CacheUse(outcome=CACHE_OUTCOME_MISS))

    async def _answer(self, question: Question, caller: Caller) -> Answer:
        return await last_answer(self._answerer(check_question(question, caller), caller))
