"""The asyncio client."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import cached_property
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from google.protobuf.message import Message

from ragents_client.calls.call import Call
from ragents_client.methods import Methods
from ragents_client.session import Sending, Session
from ragents_client.streams import AsyncStream
from ragents_client.uploads import PutEvent, Sources, Uploads
from ragents_client.v1 import PutDocumentsRequest

T = TypeVar("T")


class AsyncClient(Session, Methods):
    """Asks, puts and runs; each method is awaited. It belongs to the event loop of its first call.

    async with AsyncClient("dns:///ragents-headless:50051", tls=True, token=…) as rag:
        async for event in rag.stream_run("react", "Compare both fees", thread_id="t1"):
            ...
    """

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        return self._endpoint.open_async()

    async def aclose(self) -> None:
        """Ends the calls under way and the connection."""
        self._closed = True
        if "_channel" in self.__dict__:
            await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def put_documents(
        self,
        documents: Sources,
        *,
        collection: str = "",
        metadata: Mapping[str, Any] | None = None,
        progress: Callable[[PutEvent], None] | None = None,
        timeout: float | None = None,
    ) -> list[PutEvent]:
        """Puts files, folders or (name, bytes); gives the result of each, a document or a failure.

        A failure of one never stops the others; `progress` is told of everything as it happens.
        """
        results = []
        events = self.stream_put_documents(documents, collection=collection, metadata=metadata, timeout=timeout)
        async with aclosing(events):
            async for event in events:
                if progress is not None:
                    progress(event)
                if event.is_result:
                    results.append(event)
        return sorted(results, key=lambda result: result.index)

    async def stream_put_documents(
        self,
        documents: Sources,
        *,
        collection: str = "",
        metadata: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[PutEvent, None]:
        """Puts documents as `put_documents` does, and tells what happens to each as it happens."""
        uploads = Uploads(documents, collection, metadata)
        while (requests := await asyncio.to_thread(uploads.next_stream)) is not None:
            call = Call(PutDocumentsRequest(), uploads.receive, timeout)
            async with self._follow(call, stepped_aside(requests)) as events:
                async for event in events:
                    for failed in uploads.unread():
                        yield failed
                    yield event
        for failed in uploads.unread():
            yield failed
        if uploads.error is not None:
            raise uploads.error

    async def _fetch(self, call: Call[Any, T]) -> T:
        return call.unpack(await self._send(call))

    async def _send(self, call: Call[Any, Any]) -> Any:
        self._check_open()
        sending = self._sending(call)
        try:
            return await self._callable(self._channel, type(call.request))(call.request, **sending)
        except (grpc.aio.AioRpcError, asyncio.CancelledError) as failed:
            raise self._failure(failed, sending) from None

    def _follow(self, call: Call[Any, T], requests: AsyncIterator[Message] | None = None) -> AsyncStream[T]:
        self._check_open()
        sending = self._sending(call)
        started = self._callable(self._channel, type(call.request))(requests or call.request, **sending)
        return AsyncStream(started, call.unpack, lambda failed: self._failure(failed, sending))

    async def _pages(self, call: Call[Any, Sequence[T]]) -> AsyncIterator[T]:
        request: Any = call.request
        while True:
            response = await self._send(call)
            for one in call.unpack(response):
                yield one
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token

    def _failure(self, failed: grpc.aio.AioRpcError | asyncio.CancelledError, sending: Sending) -> BaseException:
        """gRPC cancels the tasks that wait when the channel is closed: that is not *their* cancellation."""
        task = asyncio.current_task()
        if isinstance(failed, asyncio.CancelledError) and (not self._closed or (task and task.cancelling())):
            return failed
        return self._error(failed, sending)


async def stepped_aside(requests: Iterator[Message]) -> AsyncIterator[Message]:
    """The requests, each made in a thread: files are read there, not on the event loop."""
    while (request := await asyncio.to_thread(next, requests, None)) is not None:
        yield request
