"""Both clients behind one face, so that each test says once what both must do."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from inspect import isasyncgen, isawaitable
from typing import Any

import pytest

from ragents_client import AsyncClient, AsyncStream, Client


class Awaited:
    """An AsyncClient whose answers are waited for on an event loop of its own."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.runner = asyncio.Runner()
        self.client = self.runner.run(self.made(*arguments, **options))

    async def made(self, *arguments: Any, **options: Any) -> AsyncClient:
        return AsyncClient(*arguments, **options)

    def __enter__(self) -> "Awaited":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self.runner.close()

    def close(self) -> None:
        self.runner.run(self.client.aclose())

    def __getattr__(self, name: str) -> Any:
        def method(*arguments: Any, **options: Any) -> Any:
            async def call() -> Any:
                result = getattr(self.client, name)(*arguments, **options)
                return await result if isawaitable(result) else result

            result = self.runner.run(call())
            return self.steps(result) if isinstance(result, AsyncStream) or isasyncgen(result) else result

        return method

    def steps(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        async def step() -> Any:
            return await anext(items, self)

        while (item := self.runner.run(step())) is not self:
            yield item


@pytest.fixture(params=[Client, Awaited], ids=["Client", "AsyncClient"])
def connect(request: pytest.FixtureRequest) -> Any:
    """Opens a client of either kind."""
    return request.param
