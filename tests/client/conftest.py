"""Both clients behind one face, so that each test says once what both must do; and the command as a function."""

import asyncio
import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from inspect import isasyncgen, isawaitable
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ragents_client import AsyncClient, AsyncStream, Client
from ragents_client.command.app import app, shared_first
from ragents_client.testing import ScriptedServer, scripted_server


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


@pytest.fixture
def ragents() -> Callable[..., Result]:
    def run(*arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(app, shared_first(arguments), input=typed)

    return run


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ScriptedServer]]:
    """Starts a scripted server that the command finds by itself."""
    running: list[ScriptedServer] = []

    def start(**script: Any) -> ScriptedServer:
        running.append(scripted_server(script))
        monkeypatch.setenv("RAGENTS_SERVER", running[-1].address)
        return running[-1]

    yield start
    for server in running:
        server.close()


@pytest.fixture
def on_a_terminal() -> Callable[..., tuple[int, str]]:
    """Runs the command on a terminal of its own; gives its exit status and all it showed."""
    return run_on_a_terminal


RAGENTS = [sys.executable, "-c", "from ragents_client.command import main; main()"]


def run_on_a_terminal(*arguments: str) -> tuple[int, str]:
    """Runs the command on a terminal of its own; gives its exit status and all it showed."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    with subprocess.Popen(
        [*RAGENTS, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as running:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # the terminal's other side is closed
            pass
        os.close(ours)
        return running.wait(60), shown.decode()
