"""Each limit that the contract's comments state: what it allows gets past the checks, one more names the field."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Value

from ragents_client import v1
from ragents_client.v1 import (
    AgentServiceStub,
    CacheServiceStub,
    DocumentServiceStub,
    PutDocumentsRequest,
    QueryServiceStub,
    Question,
    Turn,
    Upload,
)
from tests.services import calls
from tests.services.calls import condition, puts, results, struct

PROTOS = Path(__file__).parents[2] / "protos/ragents/v1"
ASKED = Question(text="What is it?")


@dataclass(frozen=True)
class Limit:
    """A field, the most of it as its comment has it, what is sent with so much of it, and how the server names it."""

    where: str  # Message.field
    most: int
    rpc: str  # Stub.Method
    request: Callable[[int], Any]
    field: str


def turn(**fields: Any) -> v1.RunRequest:
    return v1.RunRequest(turn=Turn(**({"request_id": "limits", "question": ASKED} | fields)))


def replied(interrupt: str = "i", value: str = "yes") -> v1.RunRequest:
    reply = v1.Reply(interrupt_id=interrupt, value=Value(string_value=value))
    return v1.RunRequest(turn=Turn(request_id="limits", thread_id="t", reply=reply))


def asked(**fields: Any) -> v1.RetrieveRequest:
    return v1.RetrieveRequest(question=Question(**({"text": "What is it?"} | fields)))


RUN, RETRIEVE = "AgentServiceStub.Run", "QueryServiceStub.Retrieve"
LIMITS = [
    Limit("Question.text", 8_192, RETRIEVE, lambda n: asked(text="a" * n), "question.text"),
    Limit("Question.collections", 32, RETRIEVE, lambda n: asked(collections=["c"] * n), "question.collections"),
    Limit(
        "Question.conditions",
        16,
        RETRIEVE,
        lambda n: asked(conditions=[condition("f", equals=1)] * n),
        "question.conditions",
    ),
    Limit("Question.history", 32, RETRIEVE, lambda n: asked(history=[v1.Exchange()] * n), "question.history"),
    Limit("Question.top_k", 100, RETRIEVE, lambda n: asked(top_k=n), "question.top_k"),
    Limit(
        "Condition.field",
        128,
        RETRIEVE,
        lambda n: asked(conditions=[condition("f" * n, equals=1)]),
        "question.conditions[0].field",
    ),
    *(
        Limit("Condition.test", 16_384, RETRIEVE, lambda n, make=make: asked(conditions=[make(n)]), field)
        for field, make in {
            "question.conditions[0].equals": lambda n: condition("f", equals="a" * n),
            "question.conditions[0].any_of": lambda n: condition("f", any_of=["a" * n]),
            "question.conditions[0].range": lambda n: condition("f", at_least="a" * n),
        }.items()
    ),
    Limit(
        "AnyOf.values",
        100,
        RETRIEVE,
        lambda n: asked(conditions=[condition("f", any_of=range(n))]),
        "question.conditions[0].any_of",
    ),
    Limit(
        "Exchange.question",
        8_192,
        RETRIEVE,
        lambda n: asked(history=[v1.Exchange(question="a" * n)]),
        "question.history[0].question",
    ),
    Limit(
        "Exchange.answer",
        32_768,
        RETRIEVE,
        lambda n: asked(history=[v1.Exchange(answer="a" * n)]),
        "question.history[0].answer",
    ),
    Limit("Turn.agent", 256, RUN, lambda n: turn(agent="a" * n), "turn.agent"),
    Limit("Turn.thread_id", 128, RUN, lambda n: turn(thread_id="a" * n, agent="none"), "turn.thread_id"),
    Limit("Turn.request_id", 128, RUN, lambda n: turn(request_id="a" * n, agent="none"), "turn.request_id"),
    Limit("Reply.interrupt_id", 128, RUN, lambda n: replied(interrupt="a" * n), "turn.reply.interrupt_id"),
    Limit("Reply.value", 8_192, RUN, lambda n: replied(value="a" * n), "turn.reply.value"),
    *(
        Limit(f"{kind.__name__}.{name}", 128, f"AgentServiceStub.{kind.__name__[:-7]}", request, name)
        for kind, name in (
            (v1.AttachRunRequest, "run_id"),
            (v1.GetRunRequest, "run_id"),
            (v1.CancelRunRequest, "run_id"),
            (v1.GetThreadRequest, "thread_id"),
            (v1.GetThreadHistoryRequest, "thread_id"),
            (v1.DeleteThreadRequest, "thread_id"),
        )
        for request in [lambda n, kind=kind, name=name: kind(**{name: "a" * n})]
    ),
    *(
        Limit(f"ForkThreadRequest.{name}", 128, "AgentServiceStub.ForkThread", request, name)
        for name in ("thread_id", "checkpoint_id", "request_id")
        for request in [
            lambda n, name=name: v1.ForkThreadRequest(**({"thread_id": "t", "request_id": "r"} | {name: "a" * n}))
        ]
    ),
    *(
        Limit(f"{kind.__name__}.page_size", 1_000, f"{stub}.{kind.__name__[:-7]}", request, "page_size")
        for stub, kind, named in (
            ("DocumentServiceStub", v1.ListDocumentsRequest, {}),
            ("DocumentServiceStub", v1.ListCollectionsRequest, {}),
            ("AgentServiceStub", v1.ListThreadsRequest, {}),
            ("AgentServiceStub", v1.GetThreadHistoryRequest, {"thread_id": "t"}),
            ("QueryServiceStub", v1.GetBatchRequest, {"batch_id": "b"}),
        )
        for request in [lambda n, kind=kind, named=named: kind(page_size=n, **named)]
    ),
    Limit(
        "ListDocumentsRequest.name_prefix",
        1_024,
        "DocumentServiceStub.ListDocuments",
        lambda n: v1.ListDocumentsRequest(name_prefix="a" * n),
        "name_prefix",
    ),
    Limit(
        "Collection.name",
        128,
        "DocumentServiceStub.GetCollection",
        lambda n: v1.GetCollectionRequest(collection="a" * n),
        "collection",
    ),
    Limit(
        "BatchQueryRequest.questions",
        100,
        "QueryServiceStub.BatchQuery",
        lambda n: v1.BatchQueryRequest(questions=[Question()] * n),
        "questions",
    ),
    Limit(
        "SubmitBatchRequest.questions",
        10_000,
        "QueryServiceStub.SubmitBatch",
        lambda n: v1.SubmitBatchRequest(request_id="limits", questions=[Question()] * n),
        "questions",
    ),
    Limit(
        "SubmitBatchRequest.request_id",
        128,
        "QueryServiceStub.SubmitBatch",
        lambda n: v1.SubmitBatchRequest(request_id="a" * n, questions=[Question()]),
        "request_id",
    ),
    Limit(
        "ClearCacheRequest.layers",
        16,
        "CacheServiceStub.ClearCache",
        lambda n: v1.ClearCacheRequest(layers=[v1.CACHE_LAYER_ANSWER] * n),
        "layers",
    ),
    Limit(
        "ReportBadHitRequest.entry_id",
        128,
        "CacheServiceStub.ReportBadHit",
        lambda n: v1.ReportBadHitRequest(entry_id="a" * n),
        "entry_id",
    ),
    Limit(
        "ReportBadHitRequest.comment",
        1_024,
        "CacheServiceStub.ReportBadHit",
        lambda n: v1.ReportBadHitRequest(entry_id="a", comment="a" * n),
        "comment",
    ),
]
STUBS: dict[str, Any] = {
    stub.__name__: stub for stub in (AgentServiceStub, CacheServiceStub, DocumentServiceStub, QueryServiceStub)
}
COMMENT = re.compile(
    r"((?:^ *//[^\n]*\n)+) *(?:(?:repeated|optional|oneof) )?(?:[\w.]+ )?(\w+)(?: = \d+;| \{)", re.MULTILINE
)


def comment_of(where: str) -> str:
    """What the contract says of Message.field."""
    message, field = where.split(".")
    for path in PROTOS.glob("*.proto"):
        found = re.search(rf"^message {message} \{{\n(.*?)^\}}", path.read_text(), re.MULTILINE | re.DOTALL)
        if found:
            comments = {name: text for text, name in COMMENT.findall(found[1])}
            return re.sub(r"\s*//\s*", " ", comments[field])
    raise AssertionError(f"there is no message {message}")


def named_by(channel: grpc.Channel, limit: Limit, size: int) -> set[str]:
    """The fields that are refused, none where the call gets past the checks of fields."""
    stub, method = limit.rpc.split(".")
    try:
        found = getattr(STUBS[stub](channel), method)(limit.request(size), timeout=30)
        if method == "AttachRun":
            list(found)
    except grpc.RpcError as error:
        if error.code().name != "INVALID_ARGUMENT":  # type: ignore[attr-defined]
            return set()
        return calls.fields_of(error)
    return set()


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.where} {limit.field}")
def test_a_limit_is_stated_and_kept(grpc_channel: grpc.Channel, limit: Limit) -> None:
    assert re.search(rf"(?<![\d,]){limit.most:,}(?![\d,])", comment_of(limit.where)), comment_of(limit.where)
    within = named_by(grpc_channel, limit, limit.most)
    assert limit.field not in within or limit.field == "turn.agent"  # which is not loaded, but may be so long
    assert limit.field in named_by(grpc_channel, limit, limit.most + 1)


def test_a_page_token_is_no_longer_than_it_may_be(grpc_channel: grpc.Channel) -> None:
    request = v1.ListDocumentsRequest(page_token="a" * 2_049)
    assert calls.fields_of(calls.failed(DocumentServiceStub(grpc_channel).ListDocuments, request)) == {"page_token"}
    assert "2,048" in comment_of("ListDocumentsRequest.page_token")


UPLOADS: dict[str, tuple[str, int, Callable[[int], Upload]]] = {
    "name": ("Upload.name", 1_024, lambda n: Upload(name="a" * (n - 4) + ".txt", content=b"A text.")),
    "media type": ("Upload.media_type", 255, lambda n: Upload(name="a.txt", media_type="a" * n, content=b"A text.")),
}


@pytest.mark.parametrize("name", UPLOADS)
def test_a_limit_of_uploads_is_stated_and_kept(grpc_channel: grpc.Channel, name: str) -> None:
    where, most, upload = UPLOADS[name]
    assert f"{most:,}" in comment_of(where)
    parts = [PutDocumentsRequest(upload=upload(size)) for size in (most, most + 1)]
    found = results(puts(grpc_channel, parts))
    assert found[0].HasField("document"), found[0]
    assert found[1].HasField("failure") and found[1].failure.code == 3
    assert calls.reason(found[1].failure) in {"INVALID_REQUEST", "DOCUMENT_NAME"}


def test_metadata_is_kept_to_its_limit(grpc_channel: grpc.Channel) -> None:
    assert "16 KB" in comment_of("Upload.metadata")
    empty = len('{"a": ""}')
    parts = [
        PutDocumentsRequest(upload=Upload(name="m.txt", metadata=struct(a="b" * (size - empty)), content=b"A text."))
        for size in (16_384, 16_385)
    ]
    found = results(puts(grpc_channel, parts))
    assert found[0].HasField("document"), found[0]
    assert calls.reason(found[1].failure) == "INVALID_REQUEST"


def test_a_chunk_is_kept_to_its_limit(grpc_channel: grpc.Channel) -> None:
    assert "262,144" in comment_of("PutDocumentsRequest.chunk")
    begun = PutDocumentsRequest(upload=Upload(name="chunks.txt"))
    fits = [begun, PutDocumentsRequest(chunk=b"A text." + b" " * 262_137), PutDocumentsRequest(end=v1.UploadEnd())]
    assert results(puts(grpc_channel, fits))[0].HasField("document")
    over = [begun, PutDocumentsRequest(chunk=b"a" * 262_145)]
    assert calls.fields_of(calls.error_of(DocumentServiceStub(grpc_channel).PutDocuments(iter(over), timeout=30))) == {
        "chunk"
    }
