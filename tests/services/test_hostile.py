"""Whatever a stranger sends, each call ends with a status that the contract knows, and tells nothing of the inside."""

from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from hypothesis import HealthCheck, Phase, given, settings

from ragents_client.v1 import (
    DocumentServiceStub,
    GetBatchRequest,
    GetThreadHistoryRequest,
    ListCollectionsRequest,
    ListDocumentsRequest,
    ListThreadsRequest,
    QueryServiceStub,
    Question,
    RunRequest,
    SubmitBatchRequest,
    Turn,
)
from ragents_client.v1.agent_service_pb2_grpc import AgentServiceStub
from ragents_server.index.page_tokens import page_token
from scripts.faulting.barrage import DOCUMENTED
from scripts.faulting.leaks import Watch, status_of, told
from scripts.faulting.wire_seeds import methods
from tests.services import calls
from tests.services.calls import failed
from tests.services.messages import messages

SECONDS = 5.0
OWNER = ("local", "local")
WATCH = Watch(["no secret is here"])
ENDLESS = {"Watch"}
MALFORMED = {
    "a length beyond the end": b"\x0a\xff\xff\xff\xff\x0f",
    "a varint without end": b"\xff" * 9,
    "a group without end": b"\x0b" * 1_000,
}
PLACES = ("\0", "a\0b", "nonsense", "-1", "1.5", "9" * 5_000, "99999", "1 2", "0001-01-01T00:00:00+23:59 x")
METHODS = {f"/{one.containing_service.full_name}/{one.name}": one for one in methods()}
STRINGS = {  # of each method that has one, the number of a string
    path: field.number
    for path, method in METHODS.items()
    for field in method.input_type.fields
    if field.type == field.TYPE_STRING
}


def ended(channel: grpc.Channel, path: str, sent: bytes) -> tuple[grpc.StatusCode, bytes, Any]:
    """How one call with these bytes ends: its status, all that is said, and its trailers."""
    method = METHODS[path]
    kinds: dict[tuple[bool, bool], Any] = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, True): channel.stream_stream,
    }
    call = kinds[method.client_streaming, method.server_streaming](path)
    request = iter([sent]) if method.client_streaming else sent
    seconds = 0.1 if method.name in ENDLESS else SECONDS
    try:
        found = call(request, timeout=seconds)
        said = list(found) if method.server_streaming else [found]
    except grpc.RpcError as error:
        trailers = list(error.trailing_metadata() or ())  # type: ignore[attr-defined]
        return error.code(), told(error.details() or "", trailers), trailers  # type: ignore[attr-defined]
    return grpc.StatusCode.OK, b"\n".join(said), []


@pytest.fixture(scope="module")
def batch(grpc_channel: grpc.Channel) -> str:
    submission = SubmitBatchRequest(request_id="of pages", questions=[Question(text="What is it?")])
    return QueryServiceStub(grpc_channel).SubmitBatch(submission, timeout=20).batch.id


@pytest.fixture(scope="module")
def thread(grpc_channel: grpc.Channel) -> str:
    turn = Turn(request_id="of pages", question=Question(text="What is it?"))
    return AgentServiceStub(grpc_channel).Run(RunRequest(turn=turn), timeout=60).run.thread_id


@pytest.mark.parametrize("place", PLACES)
def test_a_forged_place_in_a_listing_is_no_page_token(
    grpc_channel: grpc.Channel, batch: str, thread: str, place: str
) -> None:
    documents, agents = DocumentServiceStub(grpc_channel), AgentServiceStub(grpc_channel)
    named = {
        documents.ListDocuments: ListDocumentsRequest(
            page_token=page_token(place, "documents", "local", "default", "")
        ),
        documents.ListCollections: ListCollectionsRequest(page_token=page_token(place, "collections", "local")),
        agents.GetThreadHistory: GetThreadHistoryRequest(
            thread_id=thread, page_token=page_token(place, "history", *OWNER, thread)
        ),
    }
    numbered = {
        QueryServiceStub(grpc_channel).GetBatch: GetBatchRequest(
            batch_id=batch, page_token=page_token(place, "batch", batch)
        ),
        agents.ListThreads: ListThreadsRequest(page_token=page_token(place, "threads", *OWNER)),
    }
    for method, request in numbered.items():
        assert calls.fields_of(failed(method, request)) == {"page_token"}
    if "\0" in place or len(place) > 2_048:
        for method, request in named.items():
            assert calls.fields_of(failed(method, request)) == {"page_token"}


@pytest.mark.parametrize("kind", MALFORMED)
@pytest.mark.parametrize("path", METHODS)
def test_malformed_bytes_are_an_invalid_argument_everywhere(grpc_channel: grpc.Channel, path: str, kind: str) -> None:
    code, said, trailers = ended(grpc_channel, path, MALFORMED[kind])
    assert code.name == "INVALID_ARGUMENT"
    assert not WATCH.leak(said, sent=b"")
    status = status_of(trailers)
    assert status is not None and status.code == code.value[0]


@pytest.mark.parametrize("path", STRINGS)
def test_a_string_that_is_no_utf_8_is_an_invalid_argument(grpc_channel: grpc.Channel, path: str) -> None:
    tag = bytes((STRINGS[path] << 3 | 2, 2))
    assert ended(grpc_channel, path, tag + b"\xff\xfe")[0].name == "INVALID_ARGUMENT"


def test_probes_are_answered_as_before(grpc_channel: grpc.Channel) -> None:
    asked = health_pb2.HealthCheckRequest(service="ragents-liveness").SerializeToString()
    code, said, _ = ended(grpc_channel, "/grpc.health.v1.Health/Check", asked)
    assert code.name == "OK"
    assert health_pb2.HealthCheckResponse.FromString(said).status == health_pb2.HealthCheckResponse.SERVING
    unknown = health_pb2.HealthCheckRequest(service="nothing").SerializeToString()
    assert ended(grpc_channel, "/grpc.health.v1.Health/Check", unknown)[0].name == "NOT_FOUND"
    watching = grpc_channel.unary_stream("/grpc.health.v1.Health/Watch")(asked, timeout=SECONDS)
    assert health_pb2.HealthCheckResponse.FromString(next(watching)).status == health_pb2.HealthCheckResponse.SERVING
    watching.cancel()


@pytest.mark.parametrize("path", METHODS)
def test_any_message_ends_with_a_documented_status(grpc_channel: grpc.Channel, path: str) -> None:
    @settings(
        max_examples=12,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(messages(METHODS[path].input_type))
    def any_of_them(message: Message) -> None:
        sent = message.SerializeToString()
        code, said, trailers = ended(grpc_channel, path, sent)
        assert code in DOCUMENTED, (message, said)
        describes = "reflection" in path
        assert not WATCH.leak(said, sent=sent, describes=describes)
        if code.name == "INVALID_ARGUMENT":
            status = status_of(trailers)
            assert status is not None and any(one.Is(error_details_pb2.ErrorInfo.DESCRIPTOR) for one in status.details)

    any_of_them()
