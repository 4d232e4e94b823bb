"""Events as they come; a stream that is left early ends its call on the server too."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import grpc

T = TypeVar("T")


class Stream(Generic[T]):
    """An iterator over a call's events. `last` is the newest response as it came, with the facts of the call."""

    def __init__(self, call: Any, unpack: Callable[[Any], T], error: Callable[[Any], BaseException]) -> None:
        self._call = call
        self._unpack = unpack
        self._error = error
        self.last: Any = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        try:
            self.last = next(self._call)
        except grpc.RpcError as failed:
            raise self._error(failed) from None
        except BaseException:  # StopIteration too, for which this does nothing
            self.close()
            raise
        return self._unpack(self.last)

    def close(self) -> None:
        """Ends the call; what it was doing on the server is cancelled."""
        self._call.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


class AsyncStream(Generic[T]):
    """An asynchronous iterator over a call's events, otherwise as `Stream`."""

    def __init__(self, call: Any, unpack: Callable[[Any], T], error: Callable[[Any], BaseException]) -> None:
        self._call = call
        self._unpack = unpack
        self._error = error
        self.last: Any = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            response = await self._call.read()
        except (grpc.aio.AioRpcError, asyncio.CancelledError) as failed:
            self._call.cancel()
            raise self._error(failed) from None
        if response is grpc.aio.EOF:
            raise StopAsyncIteration
        self.last = response
        return self._unpack(response)

    async def aclose(self) -> None:
        """Ends the call; what it was doing on the server is cancelled."""
        self._call.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call.cancel()

    def __del__(self) -> None:
        self._call.cancel()
