"""The one real interceptor: it runs every RPC inside the guards."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc

from ragents_server.errors import MessageTooLarge, RagentsError
from ragents_server.signals import Span
from ragents_server.wire import decoded

# Generic in their stubs only: at run time grpc's classes take no parameters.
if TYPE_CHECKING:
    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
    Handler: TypeAlias = grpc.RpcMethodHandler[Any, Any]
else:
    Context, Handler = grpc.aio.ServicerContext, grpc.RpcMethodHandler
HEALTH = "/grpc.health."


@dataclass(slots=True)
class Call:
    """What the guards know of one RPC."""

    method: str  # /ragents.v1.QueryService/Query
    context: Context
    request: Any  # its bytes; an iterator of bytes where the caller streams
    kind: str  # unary, server_stream or bidi_stream
    metadata: dict[str, str]  # of keys that end in -bin, which no guard reads, bytes
    trailers: dict[str, str] = field(default_factory=dict)  # sent with the status, whatever it is
    end: Callable[[], None] | None = None  # ends the call, once it is bounded
    until: float = float("inf")  # when it ends at the latest, seconds on the loop's clock
    draining: bool = False  # the server ends it, not its deadline
    admitted: bool = False  # by the limits and, where it needs a slot, the gate
    failure: RagentsError | None = None  # that it ends with
    received: int = 0  # messages
    sent: int = 0
    reply: Any = None  # the last one, its bytes or a message
    span: Span | None = None  # where the call is traced
    code: str = ""  # name of the status that it ended with
    seconds: float = 0.0  # that it took


Decode = Callable[[bytes], Any]
Serve = Callable[[Call], Awaitable[Any]]
Guard = Callable[[Serve], Serve]


def _as_it_is(message: bytes) -> bytes:
    return message


def _encoded(serializer: Callable[[Any], bytes] | None) -> Callable[[Any], bytes] | None:
    """A reply that is bytes already goes as it is."""
    if serializer is None:
        return None
    return lambda reply: reply if isinstance(reply, bytes) else serializer(reply)


async def _decoded_stream(decode: Callable[[bytes], Any], call: Call) -> AsyncIterator[Any]:
    async for request in call.request:
        call.received += 1
        yield decoded(decode, request)


class Around(grpc.aio.ServerInterceptor):
    """Runs each RPC inside the guards, outermost first.

    A guard is a coroutine around a coroutine, and streaming handlers become coroutines that write: a generator around
    a generator would be left to the garbage collector when a caller leaves, and the guards would close late and out of
    order.
    """

    def __init__(
        self,
        guards: Sequence[Guard],
        probes: Sequence[Guard],
        max_reply: int,
        unserved: Callable[[], None] = lambda: None,
    ) -> None:
        self._guards = tuple(guards)
        self._probes = tuple(probes)  # the guards of the health service: a probe is served whatever is limited
        self._unserved = unserved  # told of each call of a method that nobody serves
        self._handlers: dict[str, Handler] = {}  # of the methods called so far; only ones that are served come here
        self._max_reply = (
            max_reply  # bytes; grpc's own limit for what is sent does not always hold, and tells no reason
        )

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wraps the handler of every method."""
        method = str(handler_call_details.method)
        if (known := self._handlers.get(method)) is not None:
            return known
        handler = await continuation(handler_call_details)
        if handler is None:
            self._unserved()
            return None
        self._handlers[method] = self._around(method, handler)
        return self._handlers[method]

    def _around(self, method: str, handler: Handler) -> Handler:
        """The handler inside the guards; requests are decoded there, so that malformed ones are refused like others."""
        decode, encode = handler.request_deserializer or _as_it_is, _encoded(handler.response_serializer)
        if handler.unary_unary is not None:
            serve = self._unary(method, handler.unary_unary, decode)
            return grpc.unary_unary_rpc_method_handler(serve, None, encode)
        if handler.unary_stream is not None:
            serve = self._stream(method, handler.unary_stream, decode)
            return grpc.unary_stream_rpc_method_handler(serve, None, encode)
        if handler.stream_stream is not None:
            serve = self._stream(method, handler.stream_stream, decode, streams=True)
            return grpc.stream_stream_rpc_method_handler(serve, None, encode)
        raise NotImplementedError(f"{method}: client streaming has no use in the contract")

    def _unary(self, method: str, inner: Callable[..., Any], decode: Decode) -> Callable[[Any, Context], Any]:
        takes_bytes = getattr(inner, "takes_bytes", False)

        async def reply(call: Call) -> Any:
            request = call.request if takes_bytes else decoded(decode, call.request)
            call.received = 1
            reply = self._fitting(await inner(request, call.context))
            call.sent, call.reply = 1, reply
            return reply

        return self._guarded(method, reply, "unary")

    def _stream(
        self, method: str, inner: Callable[..., Any], decode: Decode, *, streams: bool = False
    ) -> Callable[[Any, Context], Any]:
        async def reply(call: Call) -> None:
            asked = _decoded_stream(decode, call) if streams else decoded(decode, call.request)
            call.received += not streams
            answering = inner(asked, call.context)
            if isawaitable(answering):  # it writes by itself, as the probes' watch does
                await answering
                return
            async with aclosing(answering) as replies:
                async for one in replies:
                    await call.context.write(self._fitting(one))
                    call.sent += 1
                    call.reply = one

        return self._guarded(method, reply, "bidi_stream" if streams else "server_stream")

    def _guarded(self, method: str, serve: Serve, kind: str) -> Callable[[Any, Context], Awaitable[Any]]:
        for guard in reversed(self._probes if method.startswith(HEALTH) else self._guards):
            serve = guard(serve)

        async def served(request: Any, context: Context) -> Any:
            metadata: dict[str, Any] = dict(context.invocation_metadata() or ())
            return await serve(Call(method, context, request, kind, metadata))

        return served

    def _fitting(self, reply: Any) -> Any:
        size = len(reply) if isinstance(reply, bytes) else reply.ByteSize()
        if size > self._max_reply:
            most = f"{self._max_reply:,}"
            raise MessageTooLarge(f"the answer has {size:,} bytes, more than {most}; ask for less in one call")
        return reply
