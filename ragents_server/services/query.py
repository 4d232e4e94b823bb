"""QueryService: gRPC in, gRPC out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from google.protobuf.duration_pb2 import Duration

from ragents_client.v1.answer_pb2 import Answer, Question
from ragents_client.v1.batch_pb2 import BatchItem
from ragents_client.v1.cache_pb2 import CacheOutcome, CacheUse
from ragents_client.v1.query_service_pb2 import (
    BatchQueryRequest,
    BatchQueryResponse,
    CancelBatchRequest,
    CancelBatchResponse,
    GetBatchRequest,
    GetBatchResponse,
    QueryRequest,
    QueryResponse,
    RetrieveRequest,
    RetrieveResponse,
    StreamQueryRequest,
    StreamQueryResponse,
    SubmitBatchRequest,
    SubmitBatchResponse,
)
from ragents_client.v1.query_service_pb2_grpc import QueryServiceServicer
from ragents_server.caller import Caller, current_caller
from ragents_server.errors import InvalidRequest
from ragents_server.execution import current_execution
from ragents_server.facts import Facts, telling
from ragents_server.incidents import known
from ragents_server.index.page_tokens import after_place, page_token
from ragents_server.jobs.batches import Batches
from ragents_server.rag.admitted import telling_places
from ragents_server.rag.cached.repeats import Repeats
from ragents_server.rag.engine import Answerer, last_answer
from ragents_server.rag.retrieval import Retriever
from ragents_server.services.batch_checks import MAX_QUESTIONS, check_submission, fitting
from ragents_server.services.checks import check_id, check_page_size, check_question
from ragents_server.services.context import Context
from ragents_server.signals import note, tell
from ragents_server.wire import decoded, takes_bytes

MAX_BATCH = 100
BATCH_CONCURRENCY = 8  # questions of one batch that are answered at once


class QueryService(QueryServiceServicer):
    """Answers questions from the caller's documents; `repeats` None: no response is kept."""

    def __init__(
        self,
        answerer: Answerer,
        retriever: Retriever,
        repeats: Repeats | None,
        batches: Batches,
        max_message: int,
    ) -> None:
        self._answerer = answerer
        self._retriever = retriever
        self._repeats = repeats
        self._batches = batches
        self._page_bytes = max_message // 2

    @takes_bytes
    async def Query(self, request: bytes, context: Context) -> QueryResponse | bytes:  # type: ignore[override]
        """The last event of the stream; for an exact repeat, the same bytes again."""
        caller = current_caller()
        place = None if self._repeats is None else self._repeats.place(request, caller)
        if place is not None and (found := await place.find()) is not None:
            tell("cache", 0.0, layer="repeat", hit=True)
            note(cache="HIT")
            return found
        question = check_question(decoded(QueryRequest.FromString, request).question, caller)
        with telling(question.cache_mode) as facts:
            answer = await last_answer(self._answerer(question, caller))
        _judge(answer, facts)
        if place is not None and facts.reads:
            response = QueryResponse(answer=answer).SerializeToString()
            place.keep(response, _envelope, tuple(question.collections), answer, facts)
        return QueryResponse(answer=answer, cache=facts.answer, queue_wait=_queue_wait())

    async def StreamQuery(self, request: StreamQueryRequest, context: Context) -> AsyncIterator[StreamQueryResponse]:
        """All events."""
        caller = current_caller()
        question = check_question(request.question, caller)
        with telling(question.cache_mode) as facts:
            async with (
                aclosing(self._answerer(question, caller)) as answering,
                aclosing(telling_places(answering)) as events,
            ):
                async for event in events:
                    if event.HasField("answer"):
                        _judge(event.answer, facts)
                        yield StreamQueryResponse(event=event, cache=facts.answer, queue_wait=_queue_wait())
                    else:
                        yield StreamQueryResponse(event=event)

    async def Retrieve(self, request: RetrieveRequest, context: Context) -> RetrieveResponse:
        """Passages without an answer."""
        caller = current_caller()
        question = check_question(request.question, caller)
        with telling(question.cache_mode) as facts:
            found = await self._retriever(question, caller)
        return RetrieveResponse(passages=found.passages, cache=facts.passages)

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

    async def SubmitBatch(self, request: SubmitBatchRequest, context: Context) -> SubmitBatchResponse:
        """The batch, once it is stored; its questions are as urgent as the call."""
        caller, priority = current_caller(), current_execution().priority
        questions = await check_submission(request, caller)
        batch = await self._batches.submit(caller, request.request_id, questions, priority)
        return SubmitBatchResponse(batch=batch)

    async def GetBatch(self, request: GetBatchRequest, context: Context) -> GetBatchResponse:
        """The batch and a page of its items, of fewer than were asked for where they are long."""
        caller, batch_id = current_caller(), check_id(request.batch_id, "batch_id")
        size = check_page_size(request.page_size)
        first = after_place(request.page_token, _index, "batch", batch_id) or 0
        batch, found = await self._batches.find(caller, batch_id, first, size)
        items = fitting(found, self._page_bytes)
        after = first + len(items)
        token = page_token(str(after), "batch", batch_id) if after < batch.total else ""
        return GetBatchResponse(batch=batch, items=items, next_page_token=token)

    async def CancelBatch(self, request: CancelBatchRequest, context: Context) -> CancelBatchResponse:
        """The batch; of a batch that is over nothing changes."""
        batch = await self._batches.cancel(current_caller(), check_id(request.batch_id, "batch_id"))
        return CancelBatchResponse(batch=batch)

    async def _item(self, index: int, question: Question, caller: Caller, slots: asyncio.Semaphore) -> BatchItem:
        async with slots:
            try:
                with current_execution().child(), telling(question.cache_mode) as facts:
                    answer = await last_answer(self._answerer(check_question(question, caller), caller))
            except Exception as error:  # noqa: BLE001 - becomes this item's Failure, a bug as an incident id
                return BatchItem(index=index, failure=known(error, "BatchQuery").failure())
        return BatchItem(index=index, answer=answer, cache=facts.answer)


def _index(name: str) -> int:
    """The number of a batch's question; ValueError for what is none."""
    index = int(name)
    if not 0 <= index <= MAX_QUESTIONS:
        raise ValueError(name)
    return index


def _judge(answer: Answer, facts: Facts) -> None:
    """Tells what the answer is worth, 0..1 each, and whether it was there."""
    note(cache=CacheOutcome.Name(facts.answer.outcome).removeprefix("CACHE_OUTCOME_"))
    tell("answer", 0.0, answered=float(not answer.HasField("refusal")), cited=float(bool(answer.citations)))


def _queue_wait() -> Duration | None:
    """How long the call stood in the line, where it did."""
    seconds = current_execution().waited
    if not seconds:
        return None
    wait = Duration()
    wait.FromNanoseconds(int(seconds * 1e9))
    return wait


def _envelope(use: CacheUse) -> bytes:
    return QueryResponse(cache=use).SerializeToString()
