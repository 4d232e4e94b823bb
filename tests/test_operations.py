"""What the command does with a whole server: `--check`, and what a start refuses."""

import asyncio
import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from ragents_client.v1 import (
    DocumentServiceStub,
    QueryRequest,
    QueryServiceStub,
    Question,
    StreamQueryRequest,
)
from ragents_server.__main__ import main
from ragents_server.operations import prepare
from ragents_server.rag.retrieval import Retrieval
from ragents_server.server import listening
from ragents_server.settings import Settings
from ragents_server.wiring import opened
from tests.openai_server import Fault, openai_server
from tests.postgres_servers import data_folder, embedded_database, free_port
from tests.redis_servers import valkey_server
from tests.services import calls
from tests.services.processes import environment, finished


@pytest.fixture
def data() -> Iterator[Path]:
    with data_folder(ready=True) as folder:
        yield folder


async def test_a_check_prints_the_settings_and_tries_the_back_ends(data: Path) -> None:
    status, out, _ = await finished("--check", data=data, chat_key="hunter2")
    assert status == 0
    lines = out.splitlines()
    named = [line for line in lines if line.startswith("RAGENTS_")]
    assert [line.partition("=")[0] for line in named] == [f"RAGENTS_{name.upper()}" for name in Settings.model_fields]
    assert "RAGENTS_LISTEN=127.0.0.1:0" in named
    assert "RAGENTS_CHAT_KEY=********" in named
    assert "hunter2" not in out
    assert "embeddings: all-MiniLM-L6-v2, 384 dimensions: ok" in lines
    assert any(line.startswith("database: PostgreSQL 18") for line in lines)
    assert lines[-1].startswith("ready in ")


async def test_a_check_of_a_database_that_is_away_says_so() -> None:
    url = f"postgresql://u:hunter2@127.0.0.1:{free_port()}/d"
    status, out, said = await finished("--check", database=url)
    assert status == 1
    assert "database: does not answer" in out
    assert out.splitlines()[-1] == "not ready"
    assert "hunter2" not in out + said
    assert "Traceback" not in said


async def test_a_check_asks_the_redis_of_the_cache(data: Path) -> None:
    async with valkey_server() as valkey:
        status, out, _ = await finished("--check", data=data, cache=valkey.url)
        assert (status, "cache: ok" in out.splitlines()) == (0, True)
    status, out, said = await finished("--check", data=data, cache=valkey.url.replace("//", "//:hunter2@"))
    assert (status, out.splitlines()[-1]) == (1, "not ready")
    assert "cache: does not answer" in out
    assert "hunter2" not in out + said


async def test_a_start_refuses_a_cache_that_is_no_redis(data: Path) -> None:
    status, _, said = await finished("serve", data=data, cache="http://127.0.0.1:1")
    assert status == 78
    assert said.splitlines()[-1].startswith("ragents-server: RAGENTS_CACHE: ")


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [("ok", 0, "chat model: openai:m: ok"), (Fault(500), 1, "chat model: the model")],
    ids=["answers", "fails"],
)
async def test_a_check_lets_the_chat_model_write_a_word(
    data: Path, answer: str | Fault, status: int, told: str
) -> None:
    async with openai_server(lambda messages: answer) as stub:
        chat = {"chat_model": "openai:m", "chat_url": stub.url, "chat_key": "hunter2"}
        found, out, _ = await finished("--check", data=data, **chat)
    assert found == status
    assert told in out
    assert stub.keys == ["hunter2"]
    assert "hunter2" not in out


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"keys": "/nonexistent/keys.json"}, "RAGENTS_KEYS: cannot read"),
        ({"listen": "0.0.0.0:0"}, "RAGENTS_LISTEN: "),
        ({"profile": "production"}, "RAGENTS_IDENTITY: "),
        ({"identity": "jwt"}, "RAGENTS_JWT_ISSUER: "),
        ({"tls_cert": "/nonexistent"}, "RAGENTS_TLS_CERT: "),
        ({"embeddings": "none"}, "RAGENTS_EMBEDDINGS: "),
        ({"writer": "poet"}, "RAGENTS_WRITER: "),
        ({"reranker": "nowhere.at:all"}, "RAGENTS_RERANKER: "),
        ({"postgres_bin": "/nonexistent"}, "/nonexistent"),
        ({"data": "/proc/ragents"}, "RAGENTS_DATA names a writable folder"),
        ({"database": "mysql://u:hunter2@h/d"}, "RAGENTS_DATABASE: "),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("word", ["--check", "serve"])
def test_a_wrong_setting_ends_the_start_with_one_line(
    data: Path, wrong: dict[str, Any], said: str, word: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patched, pytest.raises(SystemExit) as ended:
        patched.setattr(os, "environ", environment(**({"data": data} | wrong)))
        main([word])
    told = capfd.readouterr().err
    assert (ended.value.code, told.count("\n")) == (78, 1), told
    assert said in told
    assert "hunter2" not in told


async def test_the_version_and_the_help_need_no_settings() -> None:
    status, out, _ = await finished("--version", top_k="many")
    assert status == 0
    assert out.startswith("ragents-server ")
    status, out, _ = await finished("--help", top_k="many")
    assert status == 0
    assert "reindex" in out


async def test_a_reindex_of_what_is_not_there_says_so(data: Path) -> None:
    status, out, _ = await finished("reindex", "nothing", data=data)
    assert status == 1
    assert "there is no collection nothing" in out


async def test_callers_that_leave_leave_nothing_behind() -> None:
    """Neither a task nor a connection of the pool."""
    async with embedded_database() as url:
        settings = Settings(listen="127.0.0.1:0", database=url, embedding_threads=2, parsers=1)
        async with opened(settings) as parts, listening(settings, parts) as server:
            await prepare(parts)
            await server.set_ready(True)
            async with grpc.aio.insecure_channel(server.address) as channel:
                found = DocumentServiceStub(channel).PutDocuments(
                    iter(calls.whole("a.txt", b"The quokka lives on Rottnest Island.")), timeout=60
                )
                assert [one async for one in found][-1].HasField("document")
                before = await quiet(0)
                entered = asyncio.Semaphore(0)
                await leave(channel, entered)
                await quiet(before)
                idle = parts.pool.get_idle_size()
                assert idle == parts.pool.get_size()
                held = await asyncio.wait_for(asyncio.gather(*(parts.pool.acquire() for _ in range(10))), 20)
                for connection in held:
                    await parts.pool.release(connection)


async def leave(channel: grpc.aio.Channel, entered: asyncio.Semaphore) -> None:
    """Callers that cancel while they are served: before, during and after retrieval, and within an upload."""
    serve = Retrieval.__call__

    async def noted(*given: Any) -> Any:
        entered.release()
        return await serve(*given)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Retrieval, "__call__", noted)
        stub = QueryServiceStub(channel)
        for round_ in range(30):
            question = Question(text=f"Where does quokka {round_} live?")  # none is answered from the cache
            unary = stub.Query(QueryRequest(question=question), timeout=30)
            stream = stub.StreamQuery(StreamQueryRequest(question=question), timeout=30)
            upload = DocumentServiceStub(channel).PutDocuments(timeout=30)
            for part in calls.chunked("b.txt", b"x" * 3000)[: 1 + round_ % 4]:
                await upload.write(part)
            for _ in range(1 + round_ % 4):
                await stream.read()
            await asyncio.wait_for(entered.acquire(), 20)
            for call in (unary, stream, upload):
                call.cancel()


async def quiet(most: int) -> int:
    """The number of tasks when no call is served any more: `most`, or what it settles at when that is 0."""
    number = -1
    async with asyncio.timeout(20):
        while True:
            gc.collect()
            await asyncio.sleep(0.2)
            previous, number = number, len(asyncio.all_tasks())
            if number == previous and (not most or number <= most):
                return number
