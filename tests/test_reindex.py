"""A collection moves to another embedding model under load: no call fails, and none sees two models at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from ragents_client import AsyncClient, ModelMismatch
from ragents_server import operations
from ragents_server.settings import Settings
from tests.openai_server import openai_server
from tests.postgres_servers import embedded_database
from tests.servers import running_server

QUESTION = "Which mole may a boat of 20 m use?"
TEXTS = {f"berth-{n}.txt": f"Berth {n} lies at mole {n}. A boat of {10 + n} m may use it in summer." for n in range(12)}


@dataclass(slots=True)
class Load:
    """Calls made over and over while something else happens; an exception of any of them is a failure."""

    rag: AsyncClient
    seen: list[dict[str, float]] = field(default_factory=list)  # the cosine of each of TEXTS, a row a Retrieve
    puts: int = 0
    more: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def retrieve(self) -> None:
        self.seen.append(await cosines(self.rag))
        async with self.more:
            self.more.notify_all()

    async def seen_at_least(self, number: int) -> None:
        async with self.more:
            await self.more.wait_for(lambda: len(self.seen) >= number)

    async def query(self) -> None:
        await self.rag.query(QUESTION)

    async def put_and_delete(self) -> None:
        text = f"Guest {self.puts} came by boat.".encode()
        [put] = await self.rag.put_documents([("guest.txt", text)])
        assert put.document is not None, put.failure
        await self.rag.delete_document(put.document.id)
        self.puts += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        stop = asyncio.Event()

        async def again(call: Callable[[], Awaitable[None]]) -> None:
            while not stop.is_set():
                await call()

        async with asyncio.TaskGroup() as group:
            for call in (self.retrieve, self.retrieve, self.query, self.put_and_delete):
                group.create_task(again(call))
            yield
            stop.set()


async def cosines(rag: AsyncClient) -> dict[str, float]:
    found = await rag.retrieve(QUESTION, top_k=100)
    return {one.document.name: round(one.score.dense, 2) for one in found if one.document.name in TEXTS}


def other_model(url: str) -> dict[str, Any]:
    return {"embeddings": "openai:other", "embedding_url": url, "embedding_key": "any", "previous_embeddings": "minilm"}


async def test_a_reindex_to_another_model_fails_no_call_and_mixes_no_models() -> None:
    async with embedded_database() as database, openai_server() as stub:
        async with running_server(database=database) as address, AsyncClient(address) as rag:
            await rag.put_documents([(name, text.encode()) for name, text in TEXTS.items()])
            old = await cosines(rag)
        settings = {"database": database} | other_model(stub.url)
        async with running_server(**settings) as address, AsyncClient(address) as rag:
            assert await cosines(rag) == old  # still searched with the model it was embedded by
            load = Load(rag)
            async with load.running():
                await load.seen_at_least(5)
                assert await operations.reindex(Settings(**settings), "local", "default") == 0
                await load.seen_at_least(len(load.seen) + 5)
            new = await cosines(rag)
            collection = await rag.get_collection("default")
    assert collection.embedding_model == "openai:other"
    assert len(old) == len(new) == len(TEXTS)
    assert old != new
    assert load.puts > 0
    assert old in load.seen
    assert new in load.seen
    assert [seen for seen in load.seen if seen not in (old, new)] == []


async def test_without_the_previous_model_a_collection_refuses_another() -> None:
    async with embedded_database() as database, openai_server() as stub:
        async with running_server(database=database) as address, AsyncClient(address) as rag:
            await rag.put_documents([("a.txt", b"A boat of 20 m may use the north mole.")])
        settings = other_model(stub.url) | {"previous_embeddings": ""}
        async with running_server(database=database, **settings) as address, AsyncClient(address) as rag:
            with pytest.raises(ModelMismatch, match="reindex"):
                await rag.query(QUESTION)


async def test_a_reindex_of_no_collection_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    async with embedded_database() as database:
        assert await operations.reindex(Settings(database=database), "local", "nowhere") == 1
    assert "no collection nowhere" in capsys.readouterr().out
