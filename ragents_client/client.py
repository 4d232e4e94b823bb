"""The blocking client."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from google.protobuf.message import Message

from ragents_client.calls.call import Call
from ragents_client.methods import Methods
from ragents_client.session import Session
from ragents_client.streams import Stream
from ragents_client.uploads import PutEvent, Sources, Uploads
from ragents_client.v1 import PutDocumentsRequest

T = TypeVar("T")


class Client(Session, Methods):
    """Asks, puts and runs; each method waits for its answer. Several threads may share one.

    with Client("localhost:50051") as rag:
        rag.put_documents("papers/")
        print(rag.query("Which mole may a 20 m boat use?").text)
    """

    @cached_property
    def _channel(self) -> grpc.Channel:
        return self._endpoint.open()

    def close(self) -> None:
        """Ends the calls under way and the connection."""
        self._closed = True
        if "_channel" in self.__dict__:
            self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def put_documents(
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
        for event in self.stream_put_documents(documents, collection=collection, metadata=metadata, timeout=timeout):
            if progress is not None:
                progress(event)
            if event.is_result:
                results.append(event)
        return sorted(results, key=lambda result: result.index)

    def stream_put_documents(
        self,
        documents: Sources,
        *,
        collection: str = "",
        metadata: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Iterator[PutEvent]:
        """Puts documents as `put_documents` does, and tells what happens to each as it happens."""
        uploads = Uploads(documents, collection, metadata)
        while (requests := uploads.next_stream()) is not None:
            with self._follow(Call(PutDocumentsRequest(), uploads.receive, timeout), requests) as events:
                for event in events:
                    yield from uploads.unread()
                    yield event
        yield from uploads.unread()
        if uploads.error is not None:
            raise uploads.error

    def _fetch(self, call: Call[Any, T]) -> T:
        return call.unpack(self._send(call))

    def _send(self, call: Call[Any, Any]) -> Any:
        self._check_open()
        sending = self._sending(call)
        try:
            return self._callable(self._channel, type(call.request))(call.request, **sending)
        except grpc.RpcError as failed:
            raise self._error(failed, sending) from None

    def _follow(self, call: Call[Any, T], requests: Iterator[Message] | None = None) -> Stream[T]:
        self._check_open()
        sending = self._sending(call)
        started = self._callable(self._channel, type(call.request))(requests or call.request, **sending)
        return Stream(started, call.unpack, lambda failed: self._error(failed, sending))

    def _pages(self, call: Call[Any, Sequence[T]]) -> Iterator[T]:
        request: Any = call.request
        while True:
            response = self._send(call)
            yield from call.unpack(response)
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token
