"""Calls of the real server as a stranger makes them: with the generated stubs, over a channel."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from google.rpc import error_details_pb2, status_pb2

from ragents_client.v1 import (
    Condition,
    DocumentServiceStub,
    PutDocumentsRequest,
    PutDocumentsResponse,
    QueryRequest,
    QueryServiceStub,
    Question,
    RetrieveRequest,
    Upload,
    UploadEnd,
)

Parts = list[PutDocumentsRequest]
SECONDS = 60


def struct(**fields: Any) -> Struct:
    """Metadata."""
    made = Struct()
    made.update(fields)
    return made


def whole(name: str, content: bytes, collection: str = "", **fields: Any) -> Parts:
    """A document in one message."""
    upload = Upload(name=name, content=content, collection=collection, metadata=struct(**fields))
    return [PutDocumentsRequest(upload=upload)]


def chunked(name: str, content: bytes, collection: str = "", size: int = 1000, sha256: str | None = None) -> Parts:
    """A document as header, chunks and end."""
    given = hashlib.sha256(content).hexdigest() if sha256 is None else sha256
    return [
        PutDocumentsRequest(upload=Upload(name=name, collection=collection)),
        *(PutDocumentsRequest(chunk=content[at : at + size]) for at in range(0, len(content), size)),
        PutDocumentsRequest(end=UploadEnd(sha256=given)),
    ]


def puts(channel: grpc.Channel, parts: Iterable[PutDocumentsRequest], **how: Any) -> list[PutDocumentsResponse]:
    """All that comes back for a stream of parts."""
    return list(DocumentServiceStub(channel).PutDocuments(iter(parts), timeout=SECONDS, **how))


def results(responses: Iterable[PutDocumentsResponse]) -> dict[int, PutDocumentsResponse]:
    """The last word on each document, by its place in the stream."""
    return {one.index: one for one in responses if one.WhichOneof("event") != "progress"}


def put(channel: grpc.Channel, name: str, content: bytes | str, collection: str = "", **fields: Any) -> Any:
    """Puts one document; its result."""
    content = content.encode() if isinstance(content, str) else content
    found = results(puts(channel, whole(name, content, collection, **fields)))
    assert list(found) == [0]
    return found[0]


def reason(failure: Any) -> str:
    """A Failure's reason as ErrorInfo would spell it."""
    from ragents_client.v1 import ErrorReason

    return ErrorReason.Name(failure.reason).removeprefix("ERROR_REASON_")


def refused(channel: grpc.Channel, name: str, content: bytes, **how: Any) -> Any:
    """The Failure of a document that must not go in."""
    response = put(channel, name, content, **how)
    assert response.WhichOneof("event") == "failure", response
    assert response.failure.message
    return response.failure


def error_of(call: Iterator[Any]) -> Any:
    """The status that a stream ends with."""
    with pytest.raises(grpc.RpcError) as caught:
        list(call)
    return caught.value


def failed(method: Any, request: Any, **how: Any) -> Any:
    """The status that a unary call ends with."""
    with pytest.raises(grpc.RpcError) as caught:
        method(request, timeout=how.pop("timeout", 20), **how)
    return caught.value


def details(error: Any) -> dict[str, Any]:
    """The details of a status, by their type's name."""
    status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    assert status.code == error.code().value[0]
    kinds = [(getattr(error_details_pb2, one.TypeName().rpartition(".")[2]), one.value) for one in status.details]
    return {kind.__name__: kind.FromString(value) for kind, value in kinds}


def fields_of(error: Any) -> set[str]:
    """Which fields an INVALID_ARGUMENT names."""
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
    found = details(error)
    assert found["ErrorInfo"].reason == "INVALID_REQUEST"
    return {violation.field for violation in found["BadRequest"].field_violations} if "BadRequest" in found else set()


def ask(channel: grpc.Channel, text: str, *collections: str, **how: Any) -> Any:
    """The Answer."""
    question = Question(text=text, collections=collections, **how)
    return QueryServiceStub(channel).Query(QueryRequest(question=question), timeout=SECONDS).answer


def retrieve(channel: grpc.Channel, text: str, *collections: str, **how: Any) -> list[Any]:
    """The passages found."""
    question = Question(text=text, collections=collections, **how)
    return list(QueryServiceStub(channel).Retrieve(RetrieveRequest(question=question), timeout=SECONDS).passages)


def names(passages: Iterable[Any]) -> set[str]:
    """The names of the documents that passages are from."""
    return {passage.document.name for passage in passages}


def condition(field: str, **test: Any) -> Condition:
    """A test of one field: equals, any_of, at_least, at_most or exists."""
    made = Condition(field=field)
    if "exists" in test:
        made.exists = test["exists"]
    if "equals" in test:
        _set(made.equals, test["equals"])
    for one in test.get("any_of", ()):
        _set(made.any_of.values.add(), one)
    for bound in {"at_least", "at_most"} & set(test):
        _set(getattr(made.range, bound), test[bound])
    return made


def _set(value: Any, given: bool | float | str) -> None:
    if isinstance(given, bool):
        value.bool_value = given
    elif isinstance(given, str):
        value.string_value = given
    else:
        value.number_value = given
