"""The shipped Envoy in front of three real servers: gRPC as it is, and HTTP with JSON by the same contract."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio

from ragents_client import AsyncClient
from ragents_client.contract import all_methods
from scripts.faulting.proxy import DESCRIPTORS, SHIPPED, Proxy, proxied
from scripts.http_mapping_file import WRITTEN, mapped, rules
from tests.postgres_servers import embedded_database
from tests.servers import keys_file
from tests.services.processes import ready

TEXT = b"The quokka lives on Rottnest Island."
ASK = {"question": {"text": "Where does the quokka live?"}}
KEY = {"authorization": "Bearer ada"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Proxy]:
    folder: Path = tmp_path_factory.mktemp("envoy")
    keys = keys_file(folder, ada={"tenant": "zoo", "user": "ada", "scopes": ["ask", "write"]})
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(embedded_database())
        servers = [await stack.enter_async_context(ready(database=url, keys=keys)) for _ in range(3)]
        found = await stack.enter_async_context(proxied([running.address for running, _ in servers], folder))
        async with AsyncClient(found.address, token="ada", wait_for_ready=True) as rag:
            await rag.put_documents([("quokka.txt", TEXT)])
        yield found


def test_the_descriptors_are_fresh_and_every_rpc_has_a_path() -> None:
    assert WRITTEN.read_bytes() == mapped(), "run scripts/http_mapping"
    assert rules().keys() == {method.full_name for method in all_methods()}


def test_envoy_accepts_the_shipped_file(tmp_path: Path) -> None:
    text = SHIPPED.read_text().replace("/etc/envoy/ragents-http.binpb", str(DESCRIPTORS))
    path = tmp_path / "envoy.yaml"
    path.write_text(text)
    envoy = Path(sys.executable).with_name("envoy")
    done = subprocess.run([envoy, "--mode", "validate", "-c", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.asyncio(loop_scope="module")
async def test_calls_streams_and_uploads_go_through_as_grpc(proxy: Proxy) -> None:
    async with AsyncClient(proxy.address, token="ada", wait_for_ready=True) as rag:
        assert "Rottnest" in (await rag.query(ASK["question"]["text"])).text
        events = [event async for event in rag.stream_query(ASK["question"]["text"])]
        assert "Rottnest" in events[-1].answer.text
        run = await rag.run("simple", ASK["question"]["text"])
        assert "Rottnest" in run.answer.text
        assert (await rag.get_health()).version


@pytest.mark.asyncio(loop_scope="module")
async def test_a_question_is_a_post_of_json(proxy: Proxy) -> None:
    async with httpx.AsyncClient(base_url=f"http://{proxy.address}", headers=KEY) as web:
        reply = await web.post("/v1/query", json=ASK)
        assert reply.status_code == 200, reply.text
        answer = reply.json()["answer"]
        assert "Rottnest" in answer["text"]
        assert answer["citations"][0]["passage"]["document"]["name"] == "quokka.txt"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_stream_is_a_line_of_json_an_event(proxy: Proxy) -> None:
    async with httpx.AsyncClient(base_url=f"http://{proxy.address}", headers=KEY) as web:
        reply = await web.post("/v1/query:stream", json=ASK)
        events = [json.loads(line)["event"] for line in reply.text.splitlines()]
        assert "Rottnest" in events[-1]["answer"]["text"]
        assert len(events) > 2


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_looked_up_is_a_get_and_what_is_dropped_a_delete(proxy: Proxy) -> None:
    async with httpx.AsyncClient(base_url=f"http://{proxy.address}", headers=KEY) as web:
        agents = (await web.get("/v1/agents")).json()["agents"]
        assert {one["name"] for one in agents} >= {"simple", "react"}
        documents = (await web.get("/v1/documents", params={"page_size": 1})).json()["documents"]
        assert documents[0]["name"] == "quokka.txt"
        found = (await web.get(f"/v1/documents/{documents[0]['id']}")).json()["document"]
        assert found["name"] == "quokka.txt"
        turn: Any = {"agent": "simple", "threadId": "web-1", "requestId": "r1", **ASK}
        run = (await web.post("/v1/runs", json={"turn": turn})).json()["run"]
        assert "Rottnest" in run["answer"]["text"]
        thread = (await web.get("/v1/threads/web-1")).json()
        assert thread["exchanges"][0]["question"] == ASK["question"]["text"]
        assert (await web.delete("/v1/threads/web-1")).status_code == 200
        assert (await web.get("/v1/threads/web-1")).status_code == 404
        assert (await web.get("/v1/cache")).json()["layers"]
        assert (await web.get("/v1/health")).json()["components"]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_failure_is_its_status_with_reason_and_advice(proxy: Proxy) -> None:
    async with httpx.AsyncClient(base_url=f"http://{proxy.address}") as web:
        refused = await web.post("/v1/query", json=ASK)
        assert refused.status_code == 401
        wrong = await web.post("/v1/query", json={"question": {"text": ""}}, headers=KEY)
        assert wrong.status_code == 400
        told = wrong.json()
        info = next(one for one in told["details"] if one["@type"].endswith("ErrorInfo"))
        assert info["reason"] == "INVALID_REQUEST"
        assert info["metadata"]["advice"]
        garbage = await web.post("/v1/query", content=b"{", headers=KEY | {"content-type": "application/json"})
        assert garbage.status_code == 400
        assert (await web.get("/v1/nothing", headers=KEY)).status_code == 404


@pytest.mark.asyncio(loop_scope="module")
async def test_a_forged_certificate_header_does_not_reach_the_servers(proxy: Proxy) -> None:
    forged = (("x-forwarded-client-cert", "URI=spiffe://cluster.local/ns/shop/sa/admin"),)
    async with grpc.aio.insecure_channel(proxy.address) as channel:
        call = channel.unary_unary("/ragents.v1.AgentService/ListAgents")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"", metadata=forged, timeout=10)
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
