"""Tools of MCP servers: real ones, as processes and over HTTP."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ragents_client.v1 import error_reason_pb2 as reasons
from ragents_client.v1.agent_pb2 import ToolCall, ToolResult
from ragents_client.v1.answer_pb2 import Question
from ragents_server.agents.tools.box import Box
from ragents_server.agents.tools.mcp import Place, open_tools, read_places
from ragents_server.errors import ConfigurationError

SERVER = Path(__file__).parent / "mcp_server.py"
ENVIRONMENT = {"GREETING": "hello", "PYTHONPATH": os.pathsep.join(sys.path)}
PROCESS = Place("tests", command=sys.executable, args=(str(SERVER),), env=ENVIRONMENT)


@asynccontextmanager
async def box(*places: Place) -> AsyncIterator[Box]:
    pytest.importorskip("mcp")
    async with open_tools(places, timeout=20, longest=1000) as tools:
        yield Box(tools)


async def called(tools: Box, name: str, **arguments: Any) -> ToolResult:
    call = ToolCall(id="1", name=name)
    call.arguments.update(arguments)
    return (await tools.call(call, key="key-1", question=Question(text="?"))).result


async def test_the_tools_of_a_process_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    async with box(PROCESS) as tools:
        assert tools.names() == ("tests_add", "tests_fail", "tests_end", "tests_table", "tests_key")
        add = tools.find("tests_add")
        assert add is not None
        assert (add.description, sorted(add.schema["properties"])) == ("Adds two numbers.", ["a", "b"])
        results = await asyncio.gather(*(called(tools, "tests_add", a=i, b=1) for i in range(5)))
        assert [result.text for result in results] == [f"{i} + 1 = {i + 1}" for i in range(5)]
        assert json.loads((await called(tools, "tests_table")).text) == {"a": 1}
        assert (await called(tools, "tests_key")).text == "key-1 hello False"
        failed = await called(tools, "tests_fail", words="no such thing")
        assert failed.failure.reason == reasons.ERROR_REASON_INVALID_REQUEST
        assert (await called(tools, "tests_add", a="x", b=1)).failure.reason == reasons.ERROR_REASON_INVALID_REQUEST


async def test_a_server_that_goes_away_fails_its_call_and_comes_back() -> None:
    async with box(PROCESS) as tools:
        ended = await called(tools, "tests_end")
        assert "the server of tests does not answer" in ended.failure.message
        assert (await called(tools, "tests_add", a=1, b=1)).text == "1 + 1 = 2"


async def test_a_server_that_is_not_there_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    nobody = Place("nobody", url="http://127.0.0.1:9/mcp")
    absent = Place("absent", command="/no/such/command")
    mute = Place("mute", command="/bin/false")
    async with box(nobody, absent, mute, PROCESS) as tools:
        assert [name for name in tools.names() if not name.startswith("tests_")] == []
        assert (await called(tools, "tests_add", a=1, b=1)).text == "1 + 1 = 2"
    for name in ("nobody", "absent", "mute"):
        assert f"MCP server {name} does not tell its tools" in caplog.text


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer x"}])
async def test_the_tools_of_a_server_over_http_are_called(headers: dict[str, str]) -> None:
    pytest.importorskip("mcp")
    import uvicorn

    from tests.agents.mcp_server import server

    seen = list[str]()
    app = server.streamable_http_app()

    async def listening(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen.append(dict(scope["headers"]).get(b"authorization", b"").decode())
        await app(scope, receive, send)

    running = uvicorn.Server(
        uvicorn.Config(listening, port=0, log_level="error", ws="none", timeout_graceful_shutdown=1)
    )
    task = asyncio.create_task(running.serve())
    while not running.started:  # noqa: ASYNC110 - uvicorn tells it in no other way
        await asyncio.sleep(0.01)
    try:
        port = running.servers[0].sockets[0].getsockname()[1]
        async with box(Place("web", url=f"http://127.0.0.1:{port}/mcp", headers=headers)) as tools:
            assert (await called(tools, "web_add", a=2, b=2)).text == "2 + 2 = 4"
        assert set(seen) == {headers.get("authorization", "")}
    finally:
        running.should_exit = True
        await task


def test_servers_are_read_from_a_file_in_the_usual_form(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text(
        '{"mcpServers": {"files": {"command": "npx", "args": ["-y", "x"], "env": {"A": "b"}}, '
        '"web": {"url": "https://x.example/mcp", "headers": {"authorization": "Bearer x"}}}}'
    )
    assert read_places(path) == [
        Place("files", command="npx", args=("-y", "x"), env={"A": "b"}),
        Place("web", url="https://x.example/mcp", headers={"authorization": "Bearer x"}),
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", 'is not JSON with "mcpServers"'),
        ("{}", 'is not JSON with "mcpServers"'),
        ("[]", 'is not JSON with "mcpServers"'),
        ({"mcpServers": []}, "must map names to servers"),
        ({"mcpServers": {"a b": {"command": "x"}}}, "needs a name"),
        ({"mcpServers": {"a": []}}, "either a command"),
        ({"mcpServers": {"a": {}}}, "either a command"),
        ({"mcpServers": {"a": {"command": "x", "url": "y"}}}, "either a command"),
        ({"mcpServers": {"a": {"command": "x", "comand": "y"}}}, "either a command"),
        ({"mcpServers": {"a": {"command": "x", "args": [1]}}}, "all are text"),
        ({"mcpServers": {"a": {"command": "x", "args": "y z"}}}, "all are text"),
        ({"mcpServers": {"a": {"command": "x", "env": {"A": 1}}}}, "all are text"),
        ({"mcpServers": {"a": {"command": "x", "env": ["A"]}}}, "all are text"),
        ({"mcpServers": {"a": {"url": ["x"]}}}, "all are text"),
    ],
)
def test_a_file_that_is_wrong_is_told_in_one_line(tmp_path: Path, content: Any, told: str) -> None:
    path = tmp_path / "mcp.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ConfigurationError, match=told) as caught:
        read_places(path)
    assert str(caught.value).startswith("RAGENTS_MCP: ")
    with pytest.raises(ConfigurationError, match="cannot read"):
        read_places(tmp_path / "absent.json")


async def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(ConfigurationError, match=r"install ragents-grpc\[mcp\]"):
        async with open_tools([PROCESS], timeout=1, longest=100):
            pass
    async with open_tools([], timeout=1, longest=100) as none:
        assert none == []
