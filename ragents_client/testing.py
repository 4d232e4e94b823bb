"""A scripted server for callers' own tests: a real gRPC server on a free port that answers as the test says.

    script = {"Query": Answer(text="Mole 2 [1]."), "Retrieve": RateLimited("60 a minute", retry_after=2)}
    with scripted_server(script) as server:
        with Client(server.address) as rag:
            assert rag.query("Which mole?").text == "Mole 2 [1]."
        assert [call.rpc for call in server.calls] == ["Query"]

A script maps an RPC's name to what it answers: a response; a bare noun, which becomes the response's first field of
that type; an exception of `ragents_client.errors`, sent as the real server sends it; for a stream, a list of those; or
a function that gets the `ReceivedCall` and gives one of those. An RPC without an entry is unimplemented.
"""

from __future__ import annotations  # gRPC's classes take type arguments in its stubs only

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NoReturn, Self

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from ragents_client.contract import all_methods, request_of, response_of
from ragents_client.errors import RagentsError, Unimplemented
from ragents_client.status import DETAILS, DOMAIN, PREFIX
from ragents_client.v1.error_reason_pb2 import ErrorReason

THREADS = 32
HEALTHY = b"\x08\x01"  # grpc.health.v1.HealthCheckResponse{status: SERVING}, whose package is no part of the client
GRACE = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class ReceivedCall:
    """A call as the server got it. `requests` of an upload are read as they are asked for; `sent` keeps those."""

    rpc: str
    requests: Iterator[Any]
    metadata: Mapping[str, str | bytes]
    context: grpc.ServicerContext
    sent: list[Any] = field(default_factory=list)

    @property
    def request(self) -> Any:
        """The first request; of most RPCs the only one."""
        return self.sent[0] if self.sent else next(self.read())

    def read(self) -> Iterator[Any]:
        """The requests that were not read yet."""
        for request in self.requests:
            self.sent.append(request)
            yield request


Said = Message | RagentsError | Iterable[Message | RagentsError]
Script = Mapping[str, Said | Callable[[ReceivedCall], Said]]


def packed(detail: Message) -> Packed:
    """A detail inside a google.rpc.Status."""
    box = Packed()
    box.Pack(detail)
    return box


def details_of(error: RagentsError) -> Iterator[Message]:
    """The details that the real server sends with a failure."""
    reason = ErrorReason.Name(error.reason).removeprefix(PREFIX)
    yield error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata={"advice": error.advice})
    if error.retry_after is not None:
        delay = Duration(seconds=int(error.retry_after), nanos=int(error.retry_after % 1 * 1e9))
        yield error_details_pb2.RetryInfo(retry_delay=delay)
    if error.violations:
        violations = [{"field": one.field, "description": one.description} for one in error.violations]
        yield error_details_pb2.BadRequest(field_violations=violations)
    if error.quota:
        limits = [{"subject": one.subject, "description": one.description} for one in error.quota]
        yield error_details_pb2.QuotaFailure(violations=limits)


def refuse(context: grpc.ServicerContext, error: RagentsError) -> NoReturn:
    """Ends the call with the failure, in the form the real server gives it."""
    status = status_pb2.Status(code=error.code.value[0], message=error.message)
    if error.reason:
        status.details.extend(packed(detail) for detail in details_of(error))
        context.set_trailing_metadata(((DETAILS, status.SerializeToString()),))
    context.abort(error.code, error.message)
    raise AssertionError("abort returned")


def response_with(method: MethodDescriptor, said: Message) -> Message:
    """The response itself, or a response with the noun in the field that takes it."""
    kind: Any = response_of(method)
    if type(said) is kind:
        return said
    for one in method.output_type.fields:
        if one.message_type is said.DESCRIPTOR:
            repeated = hasattr(getattr(kind(), one.name), "append")
            response: Message = kind(**{one.name: [said] if repeated else said})
            return response
    raise TypeError(f"{method.name} answers with {kind.__name__}, which has no room for {type(said).__name__}")


class ScriptedServer:
    """The server, listening from construction until it is left; `calls` are those it got, in order."""

    def __init__(self, script: Script, port: int = 0) -> None:
        unknown = set(script) - {method.name for method in all_methods()}
        if unknown:
            raise ValueError(f"the contract has no RPC {', '.join(sorted(unknown))}")
        self._script = script
        self._server = grpc.server(ThreadPoolExecutor(THREADS), options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers([self._health(), *(self._handlers(name) for name in sorted(services()))])
        self._port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self.calls: list[ReceivedCall] = []
        self._server.start()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self._port}"

    def count(self, rpc: str) -> int:
        """How often an RPC was called."""
        return sum(call.rpc == rpc for call in self.calls)

    def close(self) -> None:
        """Ends it with the calls under way."""
        self._server.stop(grace=0).wait(GRACE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _health(self) -> grpc.GenericRpcHandler:
        def watch(_: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            left = threading.Event()
            if context.add_callback(left.set):
                yield HEALTHY
                left.wait()

        return grpc.method_handlers_generic_handler(
            "grpc.health.v1.Health",
            {
                "Check": grpc.unary_unary_rpc_method_handler(lambda *_: HEALTHY),
                "Watch": grpc.unary_stream_rpc_method_handler(watch),
            },
        )

    def _handlers(self, service: str) -> grpc.GenericRpcHandler:
        handlers = {method.name: self._handler(method) for method in services()[service]}
        return grpc.method_handlers_generic_handler(service, handlers)

    def _handler(self, method: MethodDescriptor) -> grpc.RpcMethodHandler[Any, Any]:
        def stream(asked: Any, context: grpc.ServicerContext) -> Iterator[Message]:
            requests = asked if method.client_streaming else iter([asked])
            yield from self._answers(method, requests, context)

        def unary(asked: Any, context: grpc.ServicerContext) -> Message:
            return next(stream(asked, context))

        bytes_in, bytes_out = request_of(method).FromString, response_of(method).SerializeToString
        if method.client_streaming:
            return grpc.stream_stream_rpc_method_handler(stream, bytes_in, bytes_out)
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(stream, bytes_in, bytes_out)
        return grpc.unary_unary_rpc_method_handler(unary, bytes_in, bytes_out)

    def _answers(
        self, method: MethodDescriptor, requests: Iterator[Any], context: grpc.ServicerContext
    ) -> Iterator[Message]:
        call = ReceivedCall(method.name, requests, dict(context.invocation_metadata()), context)
        if not method.client_streaming:
            next(call.read())
        self.calls.append(call)
        said: Any = self._script.get(method.name, Unimplemented(f"the script has no answer for {method.name}"))
        said = said(call) if callable(said) else said
        for one in [said] if isinstance(said, Message | RagentsError) else said:
            if isinstance(one, RagentsError):
                refuse(context, one)
            yield response_with(method, one)


def services() -> dict[str, list[MethodDescriptor]]:
    """The RPCs by their service."""
    found: dict[str, list[MethodDescriptor]] = {}
    for method in all_methods():
        found.setdefault(method.containing_service.full_name, []).append(method)
    return found


def scripted_server(script: Script, port: int = 0) -> ScriptedServer:
    """Starts a server that answers by the script; leave it with `with`, in plain and in asyncio tests alike."""
    return ScriptedServer(script, port)
