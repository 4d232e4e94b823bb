"""A server whose traces are recorded."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from ragents_client.v1 import DocumentServiceStub
from tests.opik_server import Recorded, opik_server
from tests.servers import running_server
from tests.services import calls

TEXT = "The quokka lives on Rottnest Island. Ask ada@example.com about it."
NONE = [("grpc.enable_retries", 0)]


@asynccontextmanager
async def traced(**settings: Any) -> AsyncIterator[tuple[Recorded, grpc.aio.Channel]]:
    """A server with one document that sends its traces to one that records them."""
    async with (
        opik_server() as opik,
        running_server(**({"opik_url": opik.url} | settings)) as address,
        grpc.aio.insecure_channel(address, NONE) as channel,
    ):
        parts = calls.whole("animals.md", TEXT.encode())
        async for _ in DocumentServiceStub(channel).PutDocuments(iter(parts), timeout=60):
            pass
        yield opik, channel
