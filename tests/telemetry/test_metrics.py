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
    AgentServiceStub,
    DocumentServiceStub,
    ListDocumentsRequest,
    QueryRequest,
    QueryServiceStub,
    Question,
    RunRequest,
    StreamQueryRequest,
    Turn,
)
from ragents_server.errors import ConfigurationError
from ragents_server.operations import prepare
from ragents_server.server import listening
from ragents_server.settings import Settings
from ragents_server.telemetry.catalogue import FAMILIES
from ragents_server.telemetry.page import page as page_served
from ragents_server.wiring import opened
from scripts import metrics_table
from tests.metrics_page import Page, read, read_when
from tests.openai_server import Fault, Reply, openai_server
from tests.postgres_servers import embedded_database
from tests.redis_servers import valkey_server
from tests.servers import bearer, keys_file
from tests.services import calls
from tests.services.processes import UNLIMITED

QUERY = {"grpc_service": "ragents.v1.QueryService", "grpc_method": "Query"}
STREAM = {"grpc_service": "ragents.v1.QueryService", "grpc_method": "StreamQuery"}
ROOT = Path(__file__).parents[2]
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


async def test_a_models_requests_tokens_and_breaker_are_told() -> None:
    async with (
        openai_server(lambda _: "The lighthouse is 31 metres tall [1].") as model,
        running(
            chat_model="openai:gpt-test",
            chat_url=model.url,
            chat_key="none",
            attempts=1,
            model_prices="openai:gpt-test=1/1",
        ) as one,
    ):
        await put(one.channel, "a.txt", "The lighthouse is 31 metres tall.")
        await QueryServiceStub(one.channel).Query(ASK, timeout=20)
        page = await one.read()
        of = {"model": "openai:gpt-test"}
        assert page.total("ragents_model_requests_total", outcome="ok", **of) == 1
        assert page.total("ragents_model_seconds_count", **of) == 1
        assert page.total("ragents_model_first_token_seconds_count", **of) == 1
        assert page.total("ragents_model_tokens_total", direction="input", **of) > 0
        assert page.total("ragents_model_tokens_total", direction="output", **of) > 0
        dollars = page.total("ragents_model_tokens_total", **of) / 1e6
        assert page.total("ragents_model_cost_dollars_total", **of) == pytest.approx(dollars)
        assert page.total("ragents_answers_total", outcome="cited") == 1
        assert page.total("ragents_answers_total") == 1
        assert page.total("ragents_breaker_open", dependency="model openai:gpt-test") == 0
        model.answers = lambda _: Fault(500)
        fresh = QueryRequest(question=Question(text="How tall is the lighthouse?", cache_mode=CACHE_MODE_NONE))
        for _ in range(5):
            await refused(QueryServiceStub(one.channel).Query(fresh, timeout=20), grpc.StatusCode.UNAVAILABLE)
        page = await one.until(5, "ragents_errors_total", code="UNAVAILABLE", method="ragents.v1.QueryService/Query")
        assert page.total("ragents_model_requests_total", outcome="failed", **of) == 5
        assert page.total("ragents_breaker_open", dependency="model openai:gpt-test") == 1


async def test_an_agents_run_tells_of_its_tools_and_checkpoints() -> None:
    async with running() as one:
        await put(one.channel, "a.txt", "The lighthouse is 31 metres tall.")
        turn = Turn(agent="react", request_id="turn-1", question=Question(text="What is 12 * 12?"))
        await AgentServiceStub(one.channel).Run(RunRequest(turn=turn), timeout=60)
        page = await one.until(1, "grpc_server_handled_total", grpc_method="Run", grpc_code="OK")
    assert page.values("ragents_tool_seconds_count", "tool") == {"calculate"}
    assert page.total("ragents_checkpoints_total", outcome="stored") >= 2
    assert page.total("ragents_checkpoint_bytes_sum") > 100
    assert page.total("ragents_active_threads") == 0


async def test_each_redis_tells_its_connections_and_whether_it_is_away() -> None:
    async with valkey_server() as redis, running(cache=redis.url, limits=redis.url) as one:
        await put(one.channel, "a.txt", "The lighthouse is 31 metres tall.")
        await QueryServiceStub(one.channel).Query(ASK, timeout=20)
        page = await one.read()
        assert page.values("ragents_redis_connections", "role") == {"cache", "limits", "queue"}
        assert page.total("ragents_redis_connections", role="cache") >= 1
        assert page.total("ragents_batch_jobs", state="waiting") == 0
        assert page.values("ragents_batch_jobs", "state") == {"waiting", "dead"}
        await redis.kill()
        fresh = QueryRequest(question=Question(text="And how old is it?"))  # for which the cache is asked
        await QueryServiceStub(one.channel).Query(fresh, timeout=20)
        page = await one.until(1, "ragents_breaker_open", dependency="redis cache")
        assert page.total("ragents_breaker_open", dependency="database") == 0
        assert page.values("ragents_batch_jobs", "state") == set()


async def test_the_documentation_names_what_is_on_the_page_and_nothing_else() -> None:
    documented = (ROOT / "docs" / "metrics.md").read_text()
    table = documented.partition("<!-- metrics -->\n")[2].partition("<!-- /metrics -->")[0]
    assert table.splitlines() == metrics_table.rows(), "run scripts/metrics_table.py"
    async with running() as one:
        page = await one.read()
    ours = {name for name in page.families if not name.startswith("process_")}
    assert ours == {family.name.removesuffix("_total") for family in FAMILIES}


async def test_without_the_setting_nothing_is_counted() -> None:
    async with embedded_database() as url:
        given = Settings(listen="127.0.0.1:0", database=url, parsers=1)
        async with opened(given) as parts, listening(given, parts) as server:
            assert server.measured is None


async def test_a_port_that_is_taken_is_a_wrong_configuration() -> None:
    async def nothing() -> list[Any]:
        return []

    async with page_served("127.0.0.1:0", nothing) as taken:
        with pytest.raises(ConfigurationError, match=f"RAGENTS_METRICS_LISTEN: cannot listen on {taken}"):
            async with page_served(taken, nothing):
                pass
