"""Valid requests of every RPC that the server has, as bytes; the RPCs are found by walking the descriptors."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from ragents_client import v1
from ragents_client.v1 import (
    agent_service_pb2,
    cache_service_pb2,
    document_service_pb2,
    health_service_pb2,
    query_service_pb2,
)
from ragents_server.index.page_tokens import page_token
from scripts.faulting.errors import FaultError

FILES = (
    query_service_pb2,
    document_service_pb2,
    agent_service_pb2,
    cache_service_pb2,
    health_service_pb2,
    health_pb2,
    reflection_pb2,
)
Stream = Sequence[Message]  # the messages of one call, one unless its caller streams


@dataclass(frozen=True, slots=True)
class Ids:
    """What a tenant has: ids that a stranger may have overheard."""

    document: str
    thread: str
    run: str
    batch: str
    entry: str


@dataclass(frozen=True, slots=True)
class Rpc:
    """A method as it is called, and its valid requests."""

    path: str
    takes_stream: bool
    gives_stream: bool
    seeds: Sequence[Sequence[bytes]]

    @property
    def service(self) -> str:
        """The full name of its service."""
        return self.path.split("/")[1]


def rpcs(own: Ids, foreign: Ids, owner: tuple[str, str]) -> list[Rpc]:
    """All of them, with seeds that name things of the caller's own and of somebody else; FaultError for one without.

    `owner` is the caller's tenant and user.
    """
    seeds = {**_questions(), **_reflections(), **_of_things(own, foreign, owner), **_turns(own, foreign)}
    return [_rpc(method, seeds) for method in methods()]


def methods() -> Iterator[MethodDescriptor]:
    """Of all services."""
    for file in FILES:
        for service in file.DESCRIPTOR.services_by_name.values():
            yield from service.methods


def _rpc(method: MethodDescriptor, seeds: Mapping[str, Sequence[Stream]]) -> Rpc:
    name, service = method.name, method.containing_service
    if name not in seeds:
        raise FaultError(f"{name} has no valid request here: add one")
    streams = [[message.SerializeToString() for message in stream] for stream in seeds[name]]
    return Rpc(f"/{service.full_name}/{name}", method.client_streaming, method.server_streaming, streams)


def _value(value: str | float | bool) -> Value:
    if isinstance(value, bool):
        return Value(bool_value=value)
    return Value(string_value=value) if isinstance(value, str) else Value(number_value=value)


def questions() -> list[v1.Question]:
    """From a plain one to one with every field."""
    conditions = [
        v1.Condition(field="shelf", equals=_value("a")),
        v1.Condition(field="year", range=v1.Range(at_least=_value(1900), at_most=_value(2100))),
        v1.Condition(field="name", any_of=v1.AnyOf(values=[_value("granite.txt"), _value(True)])),
        v1.Condition(field="gone", exists=False),
    ]
    full = v1.Question(
        text="What is carved above the door?",
        collections=["default", "notes"],
        conditions=conditions,
        history=[v1.Exchange(question="Which stone?", answer="Granite.")],
        top_k=3,
        rewriting=v1.REWRITING_NONE,
        cache_mode=v1.CACHE_MODE_NONE,
    )
    return [v1.Question(text="What is the mark of the granite?"), full, v1.Question(text="Who read it?", top_k=100)]


def _questions() -> dict[str, list[Stream]]:
    asked = questions()
    return {
        "Query": [[v1.QueryRequest(question=one)] for one in asked],
        "StreamQuery": [[v1.StreamQueryRequest(question=one)] for one in asked],
        "Retrieve": [[v1.RetrieveRequest(question=one)] for one in asked],
        "BatchQuery": [[v1.BatchQueryRequest(questions=asked)], [v1.BatchQueryRequest(questions=asked[:1])]],
        "SubmitBatch": [
            [v1.SubmitBatchRequest(request_id=f"batch-{at}", questions=[one])] for at, one in enumerate(asked)
        ],
        "GetHealth": [[v1.GetHealthRequest()]],
    }


def _reflections() -> dict[str, list[Stream]]:
    request, check = reflection_pb2.ServerReflectionRequest, health_pb2.HealthCheckRequest
    extension = reflection_pb2.ExtensionRequest(containing_type="google.protobuf.FieldOptions", extension_number=1)
    names = ("", "ragents-liveness", "ragents.v1.QueryService", "no such service")
    return {
        "ServerReflectionInfo": [
            [request(list_services="*"), request(file_containing_symbol="ragents.v1.QueryService")],
            [request(file_by_filename="ragents/v1/answer.proto"), request(file_by_filename="../answer.proto")],
            [request(file_containing_extension=extension)],
            [request(all_extension_numbers_of_type="google.protobuf.FieldOptions")],
            [request(host="127.0.0.1")],
        ],
        "Check": [[check(service=name)] for name in names],
        "List": [[health_pb2.HealthListRequest()]],
        "Watch": [[check(service=name)] for name in names],
    }


def _of_things(own: Ids, foreign: Ids, owner: tuple[str, str]) -> dict[str, list[Stream]]:
    """Requests about things by id: one's own, somebody else's, and pages that nobody has got to by reading."""
    both = (own, foreign)
    wrong = ("", "nonsense", "1 2", "9" * 40, "-1", "a\0b", "\U0010ffff")  # where a forged token says to go on
    lists = [v1.ListDocumentsRequest(page_token=page_token(at, "documents", owner[0], "default", "")) for at in wrong]
    collections = [v1.ListCollectionsRequest(page_token=page_token(at, "collections", owner[0])) for at in wrong]
    batches = [v1.GetBatchRequest(batch_id=own.batch, page_token=page_token(at, "batch", own.batch)) for at in wrong]
    document, batch = v1.GetDocumentRequest, v1.GetBatchRequest
    return {
        "GetBatch": [*([batch(batch_id=one.batch, page_size=10)] for one in both), *([one] for one in batches)],
        "CancelBatch": [[v1.CancelBatchRequest(batch_id=one.batch)] for one in both],
        "ListCollections": [[v1.ListCollectionsRequest(page_size=2)], *([one] for one in collections)],
        "GetCollection": [[v1.GetCollectionRequest()], [v1.GetCollectionRequest(collection="notes")]],
        "DeleteCollection": [[v1.DeleteCollectionRequest(collection="scratch")]],
        "ListDocuments": [[v1.ListDocumentsRequest(name_prefix="g", page_size=2)], *([one] for one in lists)],
        "GetDocument": [[document(document_id=one.document)] for one in both],
        "DeleteDocument": [[v1.DeleteDocumentRequest(document_id=foreign.document)]],
        "PutDocuments": _uploads(),
        "GetCacheStats": [[v1.GetCacheStatsRequest()], [v1.GetCacheStatsRequest(all_tenants=True)]],
        "ClearCache": [
            [v1.ClearCacheRequest(layers=[v1.CACHE_LAYER_ANSWER], collection="notes")],
            [v1.ClearCacheRequest(document_id=foreign.document)],
        ],
        "ReportBadHit": [[v1.ReportBadHitRequest(entry_id=one.entry, comment="It is wrong.")] for one in both],
        **_of_threads(own, foreign, owner),
    }


def _of_threads(own: Ids, foreign: Ids, owner: tuple[str, str]) -> dict[str, list[Stream]]:
    both = (own, foreign)
    times = ("", "nonsense", "2026-01-01", "2026-01-01T00:00:00+00:00 a\0b", "0001-01-01T00:00:00+23:59 x", "\0")
    threads = [v1.ListThreadsRequest(page_token=page_token(at, "threads", *owner)) for at in times]
    histories = [
        v1.GetThreadHistoryRequest(thread_id=own.thread, page_token=page_token(at, "history", *owner, own.thread))
        for at in ("nonsense", "a\0b", "\U0010ffff", "1" * 5_000)
    ]
    fork = v1.ForkThreadRequest
    return {
        "GetRun": [[v1.GetRunRequest(run_id=one.run)] for one in both],
        "CancelRun": [[v1.CancelRunRequest(run_id=one.run)] for one in both],
        "AttachRun": [[v1.AttachRunRequest(run_id=one.run, after_seq=at)] for one in both for at in (0, 2)],
        "ListThreads": [[v1.ListThreadsRequest(page_size=3)], *([one] for one in threads)],
        "GetThread": [[v1.GetThreadRequest(thread_id=one.thread)] for one in both],
        "GetThreadHistory": [
            *([v1.GetThreadHistoryRequest(thread_id=one.thread, page_size=2)] for one in both),
            *([one] for one in histories),
        ],
        "ForkThread": [
            [fork(thread_id=one.thread, checkpoint_id=at, request_id=f"fork-{at}")] for one in both for at in ("", "1")
        ],
        "DeleteThread": [[v1.DeleteThreadRequest(thread_id=name)] for name in (foreign.thread, "scratch")],
    }


def _turns(own: Ids, foreign: Ids) -> dict[str, list[Stream]]:
    limits = v1.Limits(max_steps=4, max_tokens=2_000, max_time=Duration(seconds=3))
    asked = v1.Question(text="What is the mark of the granite?")
    turns = [
        v1.Turn(agent="simple", thread_id="scratch", request_id="hostile-1", question=asked),
        v1.Turn(agent="langgraph", request_id="hostile-2", question=asked, limits=limits),
        v1.Turn(agent="logical", request_id="hostile-3", question=v1.Question(text="What is 3 times 7?")),
        v1.Turn(thread_id=foreign.thread, request_id="hostile-4", question=asked),
        v1.Turn(
            thread_id=own.thread,
            request_id="hostile-5",
            reply=v1.Reply(interrupt_id=foreign.run, value=_value("yes")),
        ),
    ]
    return {
        "ListAgents": [[v1.ListAgentsRequest()]],
        "Run": [[v1.RunRequest(turn=one)] for one in turns],
        "StreamRun": [[v1.StreamRunRequest(turn=one)] for one in turns],
    }


def _uploads() -> list[Stream]:
    metadata = Struct()
    metadata.update({"shelf": "a", "year": 1999, "nested": {"list": [1, "two", None, True]}})
    put, text = v1.PutDocumentsRequest, b"The mark of the granite is carved above a door."
    chunked = [
        put(upload=v1.Upload(collection="scratch", name="chunked.md", metadata=metadata)),
        put(chunk=text),
        put(chunk=b" Nobody has read it."),
        put(end=v1.UploadEnd()),
    ]
    whole = [
        put(upload=v1.Upload(collection="scratch", name=f"whole{suffix}", media_type=kind, content=content))
        for suffix, kind, content in (
            (".txt", "", text),
            (".json", "application/json", b'{"mark": ["granite", 7]}'),
            (".html", "text/html", b"<h1>Mark</h1><p>Granite.</p>"),
            (".pdf", "application/pdf", b"%PDF-1.4\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF"),
        )
    ]
    return [whole[:1], chunked, *([one] for one in whole[1:]), [*whole[:2], *chunked]]
