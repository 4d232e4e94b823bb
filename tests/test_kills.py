"""kill -9 in the middle of uploads: what was acknowledged is there, READY and found; the rest is absent or healed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import grpc
import pytest

from ragents_client.v1 import (
    DOCUMENT_STATE_READY,
    DOCUMENT_STATE_SEARCHABLE,
    PROGRESS_STAGE_SEARCHABLE,
    Document,
    DocumentServiceStub,
    ListDocumentsRequest,
    PutDocumentsRequest,
    QueryServiceStub,
    Question,
    RetrieveRequest,
)
from ragents_server.connections.launcher import embedded_postgres
from ragents_server.connections.postgres import open_pool
from tests.postgres_servers import data_folder
from tests.services import calls, processes
from tests.services.processes import ready

STREAMS = 4
ENOUGH = 12  # documents acknowledged before the kill


def text(number: int) -> bytes:
    """Two passages, so that a kill may fall between their commit and that of their vectors."""
    filler = "It was seen by the keeper at dawn and written down in the old book. " * 14
    return f"The word of document {number} is zebra{number}.\n\n{filler}".encode()


class Uploads:
    """Streams of documents: which were sent whole, which are searchable, which were acknowledged."""

    def __init__(self) -> None:
        self._numbers = iter(range(10**6))
        self.sent: set[str] = set()
        self.searchable: set[str] = set()
        self.acknowledged: set[str] = set()
        self.refused: set[str] = set()
        self.over = False
        self.moved = asyncio.Condition()

    @property
    def in_flight(self) -> set[str]:
        return self.sent - self.acknowledged - self.refused

    async def run(self, channel: grpc.aio.Channel) -> None:
        """One stream, until it breaks."""
        try:
            async for response in DocumentServiceStub(channel).PutDocuments(self._parts(), timeout=120):
                await self._note(response)
        except grpc.aio.AioRpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE, error

    async def _parts(self) -> AsyncIterator[PutDocumentsRequest]:
        while not self.over:
            number = next(self._numbers)
            for part in calls.chunked(f"{number}.txt", text(number), "kills"):
                yield part
            self.sent.add(f"{number}.txt")
            async with self.moved:  # a few ahead of the server, not thousands
                await self.moved.wait_for(lambda: self.over or len(self.in_flight) < 2 * STREAMS)

    async def _note(self, response: calls.PutDocumentsResponse) -> None:
        if response.HasField("document"):
            assert response.document.state == DOCUMENT_STATE_READY
            self.acknowledged.add(response.name)
        if response.HasField("failure"):
            assert calls.reason(response.failure) == "STATE_UNAVAILABLE"
            self.refused.add(response.name)
        if response.progress.stage == PROGRESS_STAGE_SEARCHABLE:
            self.searchable.add(response.name)
        async with self.moved:
            self.moved.notify_all()

    async def end(self) -> None:
        """Sends no further document."""
        self.over = True
        async with self.moved:
            self.moved.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60), self.moved:
            await self.moved.wait_for(condition)


async def listed(channel: grpc.aio.Channel) -> dict[str, Document]:
    request = ListDocumentsRequest(collection="kills", page_size=1000)
    found = await DocumentServiceStub(channel).ListDocuments(request, timeout=20)
    return {one.name: one for one in found.documents}


async def healed(channel: grpc.aio.Channel) -> dict[str, Document]:
    """All documents, once none of them waits for its vectors any more."""
    async with asyncio.timeout(30):
        while any(  # noqa: ASYNC110 - nothing tells when
            one.state == DOCUMENT_STATE_SEARCHABLE for one in (await listed(channel)).values()
        ):
            await asyncio.sleep(0.05)
    return await listed(channel)


async def found(channel: grpc.aio.Channel, name: str) -> bool:
    """Whether the document comes first for its own word, with a vector."""
    question = Question(text=f"Which document has the word zebra{name.removesuffix('.txt')}?", collections=["kills"])
    best = await QueryServiceStub(channel).Retrieve(RetrieveRequest(question=question), timeout=20)
    return best.passages[0].document.name == name and best.passages[0].score.dense != 0


async def all_is_well(channel: grpc.aio.Channel, uploads: Uploads) -> None:
    """Holds what the server has now against what it acknowledged; then puts the rest again."""
    kept = await healed(channel)
    assert uploads.acknowledged <= kept.keys()
    assert kept.keys() <= uploads.sent | uploads.searchable
    for name in kept:
        assert kept[name].state == DOCUMENT_STATE_READY
        assert await found(channel, name), name
    lost = sorted(uploads.sent - uploads.acknowledged)
    parts = [part for name in lost for part in calls.chunked(name, text(int(name[:-4])), "kills")]
    again = [one async for one in DocumentServiceStub(channel).PutDocuments(iter(parts), timeout=60)]
    results = calls.results(again)
    assert sorted(one.document.name for one in results.values()) == lost
    assert all(one.document.state == DOCUMENT_STATE_READY for one in results.values())
    assert [await found(channel, name) for name in lost] == [True] * len(lost)


async def end_leases(data: Path) -> set[str]:
    """As if the two minutes had passed in which nobody takes up what the dead server was at; what has no vectors."""
    async with embedded_postgres(data) as url, open_pool(url) as pool:
        rows = await pool.fetch("UPDATE documents SET leased_until = now() WHERE NOT embedded RETURNING name")
    return {row["name"] for row in rows}


@pytest.fixture
def data() -> Iterator[Path]:
    with data_folder(ready=True) as folder:
        yield folder


async def killed_while_uploading(channel: grpc.aio.Channel, victims: list[int]) -> Uploads:
    """Kills when enough was acknowledged and more was under way, some of it searchable already."""
    uploads = Uploads()
    async with asyncio.TaskGroup() as group:
        streams = [group.create_task(uploads.run(channel)) for _ in range(STREAMS)]
        await uploads.until(
            lambda: len(uploads.acknowledged) >= ENOUGH and bool(uploads.in_flight & uploads.searchable)
        )
        for process in victims:
            os.kill(process, signal.SIGKILL)
        at_kill = set(uploads.in_flight)
        await uploads.end()
        _, late = await asyncio.wait(streams, timeout=45)
        assert not late
    assert len(at_kill) >= 1, "nothing was in flight at the kill"
    return uploads


async def test_killing_the_server_loses_nothing_acknowledged(data: Path) -> None:
    async with ready(data=data) as (running, channel):
        uploads = await killed_while_uploading(channel, [running.process.pid])
        await running.process.wait()
    assert uploads.in_flight
    assert not await end_leases(data) & uploads.acknowledged
    async with ready(data=data) as (_, channel):
        await all_is_well(channel, uploads)


async def test_killing_postgres_loses_nothing_acknowledged_and_the_server_goes_on(data: Path) -> None:
    async with ready(data=data) as (running, channel):
        victims = processes.family(processes.postmaster(data))
        uploads = await killed_while_uploading(channel, victims)
        assert running.process.returncode is None
    assert not await end_leases(data) & uploads.acknowledged
    async with ready(data=data) as (_, channel):
        await all_is_well(channel, uploads)
