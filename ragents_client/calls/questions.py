"""The calls of the QueryService."""

from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

from ragents_client.calls.call import Call, fresh_id
from ragents_client.conditions import Conditions, conditions_of
from ragents_client.v1 import (
    Answer,
    Batch,
    BatchItem,
    BatchQueryRequest,
    BatchQueryResponse,
    CacheMode,
    CancelBatchRequest,
    CancelBatchResponse,
    Event,
    Exchange,
    GetBatchRequest,
    GetBatchResponse,
    Passage,
    QueryRequest,
    QueryResponse,
    Question,
    RetrieveRequest,
    RetrieveResponse,
    Rewriting,
    StreamQueryRequest,
    StreamQueryResponse,
    SubmitBatchRequest,
    SubmitBatchResponse,
)


class Asked(TypedDict, total=False):
    """How a question is asked; what is left out is the server's default."""

    collections: str | Sequence[str]
    conditions: Conditions
    history: Sequence[Exchange]
    top_k: int
    rewriting: Rewriting.ValueType
    cache_mode: CacheMode.ValueType


def question_of(asked: str | Question, options: Asked) -> Question:
    """The question in words, or a ready one, with the options laid over it."""
    question = Question(text=asked) if isinstance(asked, str) else Question.FromString(asked.SerializeToString())
    fields: dict[str, Any] = dict(options)
    if isinstance(collections := fields.get("collections"), str):
        fields["collections"] = [collections]
    if "conditions" in fields:
        fields["conditions"] = conditions_of(fields["conditions"])
    for name in fields:
        question.ClearField(name)  # type: ignore[arg-type] # the names are Question's own, by Asked
    question.MergeFrom(Question(**fields))
    return question


def query_response(
    question: str | Question, *, timeout: float | None = None, **options: Unpack[Asked]
) -> Call[QueryResponse, QueryResponse]:
    """Answers one question and tells how it was come by: the cache's part and the wait."""
    return Call(QueryRequest(question=question_of(question, options)), lambda response: response, timeout)


def query(
    question: str | Question, *, timeout: float | None = None, **options: Unpack[Asked]
) -> Call[QueryResponse, Answer]:
    """Answers one question. An answer whose `refusal` is set says why the documents do not answer it."""
    return Call(QueryRequest(question=question_of(question, options)), lambda response: response.answer, timeout)


def stream_query(
    question: str | Question, *, timeout: float | None = None, **options: Unpack[Asked]
) -> Call[StreamQueryResponse, Event]:
    """Answers one question and tells what happens meanwhile; the last event is the answer."""
    return Call(StreamQueryRequest(question=question_of(question, options)), lambda response: response.event, timeout)


def retrieve(
    question: str | Question, *, timeout: float | None = None, **options: Unpack[Asked]
) -> Call[RetrieveResponse, list[Passage]]:
    """Finds passages, best first, without writing an answer."""
    request = RetrieveRequest(question=question_of(question, options))
    return Call(request, lambda response: list(response.passages), timeout)


def retrieve_response(
    question: str | Question, *, timeout: float | None = None, **options: Unpack[Asked]
) -> Call[RetrieveResponse, RetrieveResponse]:
    """Finds passages and tells the cache's part."""
    return Call(RetrieveRequest(question=question_of(question, options)), lambda response: response, timeout)


def batch_query(
    questions: Sequence[str | Question], *, timeout: float | None = None, **options: Unpack[Asked]
) -> Call[BatchQueryResponse, list[BatchItem]]:
    """Answers up to 100 questions; each item has an answer or a failure, in the order of the questions."""
    request = BatchQueryRequest(questions=[question_of(one, options) for one in questions])
    return Call(request, lambda response: list(response.items), timeout)


def submit_batch(
    questions: Sequence[str | Question],
    *,
    request_id: str | None = None,
    timeout: float | None = None,
    **options: Unpack[Asked],
) -> Call[SubmitBatchResponse, Batch]:
    """Queues up to 10,000 questions; the same `request_id` again submits nothing."""
    asked = [question_of(one, options) for one in questions]
    request = SubmitBatchRequest(request_id=request_id or fresh_id(), questions=asked)
    return Call(request, lambda response: response.batch, timeout)


def get_batch(batch_id: str, *, timeout: float | None = None) -> Call[GetBatchResponse, Batch]:
    """Tells how far a batch is."""
    return Call(GetBatchRequest(batch_id=batch_id, page_size=1), lambda response: response.batch, timeout)


def list_batch_items(
    batch_id: str, *, page_size: int = 0, timeout: float | None = None
) -> Call[GetBatchResponse, Sequence[BatchItem]]:
    """The items of a batch, in the order of the questions; page after page."""
    return Call(GetBatchRequest(batch_id=batch_id, page_size=page_size), lambda response: response.items, timeout)


def cancel_batch(batch_id: str, *, timeout: float | None = None) -> Call[CancelBatchResponse, Batch]:
    """Cancels what has not begun of a batch."""
    return Call(CancelBatchRequest(batch_id=batch_id), lambda response: response.batch, timeout)
