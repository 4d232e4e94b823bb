"""A caller who leaves an attached run stops the model's request; one who leaves a detached run does not."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ragents_client import AsyncClient
from tests.openai_server import OpenAIServer, Reply, openai_server
from tests.servers import running_server

TEXT = "Boats of 20 m use mole 2. The fee is 12 euros a night."
SECONDS = 20


@pytest.fixture
async def model() -> AsyncIterator[OpenAIServer]:
    async with openai_server() as server:
        yield server


@pytest.fixture
async def rag(model: OpenAIServer) -> AsyncIterator[AsyncClient]:
    settings: dict[str, Any] = {"chat_model": "openai:stub", "chat_url": model.url, "agents": "simple,react"}
    async with running_server(**settings) as address, AsyncClient(address) as rag:
        await rag.put_documents([("harbour.txt", TEXT.encode())])
        yield rag


@pytest.mark.parametrize("agent", ["simple", "react"])
async def test_who_leaves_ends_the_models_request(rag: AsyncClient, model: OpenAIServer, agent: str) -> None:
    model.answers = lambda _: Reply(["Mole ", "2"], hold=True)
    stream = rag.stream_run(agent, "Which mole do boats of 20 m use?")
    async with asyncio.timeout(SECONDS), stream:
        while not model.held.is_set():
            await anext(stream)
            await asyncio.sleep(0)
    async with asyncio.timeout(SECONDS):
        await model.left.wait()


async def test_who_leaves_a_detached_run_leaves_the_model_alone(rag: AsyncClient, model: OpenAIServer) -> None:
    going = asyncio.Event()
    model.answers = lambda _: Reply(["Boats of 20 m use mole 2 [1]."], wait=going)
    stream = rag.stream_run("simple", "Which mole do boats of 20 m use?", detached=True)
    async with asyncio.timeout(SECONDS), stream:
        started = (await anext(stream)).started
        await model.held.wait()
    going.set()
    events = [event async for event in rag.attach_run(started.run_id)]
    assert events[-1].answer.text == "Boats of 20 m use mole 2 [1]."
    assert not model.left.is_set()
