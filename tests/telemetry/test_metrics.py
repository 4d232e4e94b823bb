"""What Prometheus reads of a real server under real calls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from ragents_client.v1 import (
    CACHE_MODE_NONE,
    DocumentServiceStub,
    ListDocumentsRequest,
    QueryRequest,
    QueryServiceStub,
    Question,
    StreamQueryRequest,
)
from ragents_server.operations import prepare
from ragents_server.server import listening
from ragents_server.settings import Settings
from ragents_server.wiring import opened
from tests.metrics_page import Page, read, read_when
from tests.openai_server import Reply, openai_server
from tests.postgres_servers import embedded_database
from tests.servers import bearer, keys_file
from tests.services import calls
from tests.services.processes import UNLIMITED

QUERY = {"grpc_service": "ragents.v1.QueryService", "grpc_method": "Query"}
STREAM = {"grpc_service": "ragents.v1.QueryService", "grpc_method": "StreamQuery"}
NONE = [("grpc.enable_retries", 0)]
ASK = QueryRequest(question=Question(text="How tall is the lighthouse?"))


@dataclass
class Running:
    """A server, its page, and a channel to it."""

    page: str
    channel: grpc.aio.Channel

    async def read(self) -> Page:
        return await asyncio.to_thread(read, self.page)

    async def until(self, number: float, name: str, **labels: str) -> Page:
        return await read_when(self.page, lambda page: page.total(name, **labels) >= number)


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Running]:
    async with embedded_database() as url:
        plain = {"listen": "127.0.0.1:0", "metrics_listen": "127.0.0.1:0", "database": url, "parsers": 1}
        given = Settings(**(plain | UNLIMITED | settings))
        async with opened(given) as parts, listening(given, parts) as server:
            await prepare(parts)
            await server.set_ready(True)
            assert server.measured is not None
            assert server.measured.address is not None
            async with grpc.aio.insecure_channel(server.address, NONE) as channel:
                yield Running(server.measured.address, channel)


async def put(channel: grpc.aio.Channel, name: str, text: str) -> None:
    parts = calls.whole(name, text.encode())
    replies = DocumentServiceStub(channel).PutDocuments(iter(parts), timeout=60)
    async for _ in replies:
        pass


async def refused(call: Any, code: grpc.StatusCode) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is code


async def test_calls_are_counted_by_method_and_status() -> None:
    async with running() as one:
        await put(one.channel, "a.txt", "The lighthouse is 31 metres tall.")
        await QueryServiceStub(one.channel).Query(ASK, timeout=20)
        await QueryServiceStub(one.channel).Query(ASK, timeout=20)
        await refused(QueryServiceStub(one.channel).Query(QueryRequest(), timeout=20), grpc.StatusCode.INVALID_ARGUMENT)
        page = await one.until(3, "grpc_server_handled_total", **QUERY)
    assert page.total("grpc_server_handled_total", grpc_type="unary", grpc_code="OK", **QUERY) == 2
    assert page.total("grpc_server_handled_total", grpc_code="INVALID_ARGUMENT", **QUERY) == 1
    assert page.total("grpc_server_started_total", **QUERY) == 3
    assert page.total("grpc_server_handling_seconds_count", **QUERY) == 3
    assert page.total("grpc_server_msg_sent_total", **QUERY) == 2
    assert page.total("grpc_server_handled_total", grpc_type="bidi_stream", grpc_method="PutDocuments") == 1
    assert page.total("grpc_server_msg_received_total", grpc_method="PutDocuments") == 1
    assert page.total("ragents_errors_total") == 0
    assert page.total("ragents_ingested_documents_total", outcome="stored") == 1
    assert page.total("ragents_ingested_passages_total") == 1
    assert page.total("ragents_cache_requests_total", layer="answer", outcome="hit") == 1
    assert page.total("ragents_cache_requests_total", layer="answer", outcome="miss") == 1
    assert page.total("ragents_cache_entries", layer="answer") == 1
    for leg in ("embed", "search", "passages", "all"):
        assert page.total("ragents_retrieval_seconds_count", leg=leg) == 1
    assert page.total("ragents_queue_wait_seconds_count", priority="NORMAL") == 1
    assert page.total("ragents_grpc_connections") == 1
    assert page.total("ragents_database_connections") >= 1


async def test_a_limits_refusal_is_no_error(tmp_path: Path) -> None:
    keys = keys_file(tmp_path, ada={"tenant": "acme", "user": "ada"})
    limits = {"requests_per_minute": 1, "burst": 1, "rate_limit_wait": 0}
    async with running(keys=keys, **limits) as one:
        stub = DocumentServiceStub(one.channel)
        await stub.ListDocuments(ListDocumentsRequest(), metadata=bearer("ada"), timeout=20)
        late = stub.ListDocuments(ListDocumentsRequest(), metadata=bearer("ada"), timeout=20)
        await refused(late, grpc.StatusCode.RESOURCE_EXHAUSTED)
        page = await one.until(1, "grpc_server_handled_total", grpc_code="RESOURCE_EXHAUSTED")
    assert page.total("ragents_limited_total", limit="requests a minute for the user") == 1
    assert page.total("grpc_server_started_total", grpc_method="ListDocuments") == 2
    assert page.total("ragents_errors_total") == 0


async def test_a_method_that_nobody_serves_has_no_name_of_its_own() -> None:
    async with running() as one:
        for name in ("/made.up/One", "/made.up/Two"):
            await refused(one.channel.unary_unary(name)(b"", timeout=20), grpc.StatusCode.UNIMPLEMENTED)
        page = await one.until(2, "grpc_server_handled_total", grpc_method="unknown", grpc_code="UNIMPLEMENTED")
    assert page.values("grpc_server_started_total", "grpc_service") == {"unknown"}


async def test_a_cancelled_stream_and_one_whose_deadline_passes_end_with_their_own_codes(stuck: Any) -> None:
    async with stuck() as (one, writing):
        stream = QueryServiceStub(one.channel).StreamQuery(StreamQueryRequest(question=ASK.question), timeout=60)
        await writing.wait()
        page = await one.read()
        assert page.total("ragents_inflight_requests") == 1
        assert page.total("grpc_server_started_total", **STREAM) == 1
        assert page.total("grpc_server_handled_total", **STREAM) == 0
        stream.cancel()
        page = await one.until(1, "grpc_server_handled_total", **STREAM)
        assert page.total("grpc_server_handled_total", grpc_type="server_stream", grpc_code="CANCELLED", **STREAM) == 1
        assert page.total("ragents_errors_total") == 0
        await refused(QueryServiceStub(one.channel).Query(ASK, timeout=1), grpc.StatusCode.DEADLINE_EXCEEDED)
        page = await one.until(1, "grpc_server_handled_total", **QUERY)
        assert page.total("grpc_server_handled_total", grpc_code="DEADLINE_EXCEEDED", **QUERY) == 1
        assert page.total("ragents_errors_total", method="ragents.v1.QueryService/Query", code="DEADLINE_EXCEEDED") == 1


async def test_a_deadline_that_passes_in_the_line_is_no_error(stuck: Any) -> None:
    async with stuck(executions=1) as (one, writing):
        first = QueryServiceStub(one.channel).Query(ASK, timeout=60)
        await writing.wait()
        other = QueryRequest(question=Question(text="And how old?", cache_mode=CACHE_MODE_NONE))
        second = QueryServiceStub(one.channel).Query(other, timeout=1.5)
        page = await one.until(1, "ragents_queue_depth", priority="NORMAL")
        assert page.total("ragents_inflight_requests") == 2
        assert page.total("ragents_executing_requests") == 1
        await refused(second, grpc.StatusCode.DEADLINE_EXCEEDED)
        page = await one.until(1, "grpc_server_handled_total", grpc_code="DEADLINE_EXCEEDED", **QUERY)
        assert page.total("ragents_errors_total") == 0
        first.cancel()


@pytest.fixture
def stuck() -> Any:
    """A server whose chat model begins to answer, and never goes on."""

    @asynccontextmanager
    async def made(**settings: Any) -> AsyncIterator[tuple[Running, asyncio.Event]]:
        async with (
            openai_server() as model,
            running(chat_model="openai:gpt-test", chat_url=model.url, chat_key="none", **settings) as one,
        ):
            model.answers = lambda _: Reply(["The ", "lighthouse"], hold=True)
            await put(one.channel, "a.txt", "The lighthouse is 31 metres tall.")
            yield one, model.held

    return made
