"""SubmitBatch, GetBatch and CancelBatch through a real channel: outcomes, pages, bounds, and whose they are."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from ragents_client import AsyncClient
from ragents_client.v1 import (
    BATCH_STATE_CANCELLED,
    BATCH_STATE_DONE,
    BATCH_STATE_QUEUED,
    Answer,
    Batch,
    BatchItem,
    CancelBatchRequest,
    GetBatchRequest,
    QueryServiceStub,
    Question,
    SubmitBatchRequest,
)
from ragents_server.connections.postgres import open_connection
from ragents_server.services.batch_checks import fitting
from tests.postgres_servers import embedded_database
from tests.servers import bearer, keys_file, running_server
from tests.services import calls

SECONDS = 30


class Asked:
    """A server, and calls of it as somebody."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.stub = QueryServiceStub(channel)

    async def submit(self, request_id: str, *texts: str, who: str = "ada", **how: str) -> Batch:
        request = SubmitBatchRequest(request_id=request_id, questions=[Question(text=text) for text in texts])
        called = self.stub.SubmitBatch(request, metadata=bearer(who, **how), timeout=SECONDS)
        return (await awaited(called)).batch

    async def get(self, batch: str, size: int = 0, page: str = "", who: str = "ada") -> Any:
        request = GetBatchRequest(batch_id=batch, page_size=size, page_token=page)
        return await awaited(self.stub.GetBatch(request, metadata=bearer(who), timeout=SECONDS))

    async def cancel(self, batch: str, who: str = "ada") -> Batch:
        request = CancelBatchRequest(batch_id=batch)
        return (await awaited(self.stub.CancelBatch(request, metadata=bearer(who), timeout=SECONDS))).batch

    async def ended(self, batch: str) -> Any:
        """The first page, once the batch is done."""
        async with asyncio.timeout(SECONDS):
            while (response := await self.get(batch)).batch.state != BATCH_STATE_DONE:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.02)
        return response


async def awaited(call: Any) -> Any:
    return await call


async def refused(coming: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await coming
    return caught.value


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return keys_file(
        tmp_path,
        ada={"tenant": "acme", "user": "ada", "scopes": ["ask", "write"], "priority": "HIGH"},
        bob={"tenant": "acme", "user": "bob"},
        lowly={"tenant": "acme", "user": "lowly", "priority": "LOW"},
        zoe={"tenant": "other", "user": "ada"},
        narrow={"tenant": "acme", "user": "narrow", "collections": ["open"]},
    )


@pytest.fixture
async def asked(keys: Path) -> AsyncIterator[Asked]:
    async with running_server(keys=keys) as address, grpc.aio.insecure_channel(address) as channel:
        async with AsyncClient(address, token="ada") as client:
            await client.put_documents([("harbour.txt", b"The harbour of Visby was dredged in 1912.")])
        yield Asked(channel)


@pytest.fixture
async def queued(keys: Path) -> AsyncIterator[Asked]:
    """The same without workers, for a queue that stays as it is."""
    settings: dict[str, Any] = {"batch_workers": 0, "batch_jobs": 10_000, "batch_tenant_jobs": 10_000}
    async with running_server(keys=keys, **settings) as address, grpc.aio.insecure_channel(address) as channel:
        yield Asked(channel)


async def test_a_batch_is_answered_in_the_background_in_order(asked: Asked) -> None:
    good = "When was the harbour of Visby dredged?"
    batch = await asked.submit("r", good, "Who painted the ceiling of the opera?", good)
    assert (batch.total, batch.HasField("create_time")) == (3, True)
    response = await asked.ended(batch.id)
    assert response.batch.done == 3 and response.batch.update_time.ToNanoseconds() > 0
    assert [item.index for item in response.items] == [0, 1, 2]
    assert "1912" in response.items[0].answer.text and "1912" in response.items[2].answer.text
    assert response.items[1].answer.HasField("refusal")
    assert response.items[0].cache.outcome


async def test_the_same_submission_at_once_is_one_batch(asked: Asked) -> None:
    batches = await asyncio.gather(*(asked.submit("r", "Why?", "How?") for _ in range(50)))
    assert len({batch.id for batch in batches}) == 1
    assert (await asked.ended(batches[0].id)).batch.total == 2


async def test_another_submission_under_the_same_request_id_is_refused(queued: Asked) -> None:
    await queued.submit("r", "Why?")
    error = await refused(queued.submit("r", "How?"))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert calls.details(error)["ErrorInfo"].reason == "REQUEST_ID_REUSED"
    mine = await queued.submit("r", "How?", who="bob")  # a request_id is its user's own
    assert mine.total == 1


async def test_items_come_page_after_page(queued: Asked) -> None:
    batch = await queued.submit("r", *(f"Why {i}?" for i in range(5)))
    seen, page = [], ""
    while True:
        response = await queued.get(batch.id, size=2, page=page)
        seen.append([item.index for item in response.items])
        assert all(item.WhichOneof("outcome") is None for item in response.items)
        if not (page := response.next_page_token):
            break
    assert seen == [[0, 1], [2, 3], [4]]
    other = await queued.submit("s", "Why?", "How?")
    first = await queued.get(other.id, size=1)
    assert calls.fields_of(await refused(queued.get(batch.id, page=first.next_page_token))) == {"page_token"}


@pytest.mark.parametrize("name", ["get", "cancel"])
async def test_anothers_batch_is_not_found_to_the_byte(queued: Asked, name: str) -> None:
    batch = await queued.submit("r", "Why?")
    ask = getattr(queued, name)
    told = set()
    for wanted, who in ((batch.id, "bob"), (batch.id, "zoe"), ("0" * 32, "ada"), ("nonsense", "ada")):
        error = await refused(ask(wanted, who=who))
        assert error.code() == grpc.StatusCode.NOT_FOUND
        trailers = dict(error.trailing_metadata() or ())
        told.add((error.details(), trailers.get("grpc-status-details-bin")))
    assert len(told) == 1
    assert (await queued.get(batch.id)).batch.state == BATCH_STATE_QUEUED


async def test_a_cancelled_batch_is_never_answered(queued: Asked) -> None:
    batch = await queued.submit("r", "Why?", "How?")
    for _ in range(2):
        cancelled = await queued.cancel(batch.id)
        assert (cancelled.state, cancelled.done) == (BATCH_STATE_CANCELLED, 0)
    assert (await queued.get(batch.id)).batch.state == BATCH_STATE_CANCELLED


async def test_a_full_queue_tells_when_to_come_again(queued: Asked) -> None:
    full = await queued.submit("r", *["q"] * 10_000)
    error = await refused(queued.submit("s", "Why?"))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    details = calls.details(error)
    assert details["ErrorInfo"].reason == "OVERLOADED" and details["RetryInfo"].retry_delay.seconds > 0
    await queued.cancel(full.id)
    assert (await queued.submit("s", "Why?")).state == BATCH_STATE_QUEUED


async def test_what_is_wrong_is_told_field_by_field(queued: Asked) -> None:
    assert calls.fields_of(await refused(queued.submit("", "Why?"))) == {"request_id"}
    assert calls.fields_of(await refused(queued.submit("r" * 129, "Why?"))) == {"request_id"}
    assert calls.fields_of(await refused(queued.submit("r"))) == {"questions"}
    assert calls.fields_of(await refused(queued.submit("r", *["q"] * 10_001))) == {"questions"}
    assert calls.fields_of(await refused(queued.submit("r", "Why?", " "))) == {"questions[1].text"}
    assert calls.fields_of(await refused(queued.get(""))) == {"batch_id"}
    assert calls.fields_of(await refused(queued.cancel(""))) == {"batch_id"}
    assert calls.fields_of(await refused(queued.get("0" * 32, size=1001))) == {"page_size"}


async def test_a_collection_that_is_not_granted_cannot_be_asked_later_either(queued: Asked) -> None:
    error = await refused(queued.submit("r", "Why?", who="narrow"))
    assert error.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_a_batch_is_no_more_urgent_than_its_caller_may_be(keys: Path) -> None:
    """What is stored, and so what it is taken and worked for with."""
    async with embedded_database() as database:
        settings: dict[str, Any] = {"database": database, "keys": keys, "batch_workers": 0}
        async with running_server(**settings) as address, grpc.aio.insecure_channel(address) as channel:
            asked, stored = Asked(channel), {}
            for who, priority in (("lowly", "CRITICAL"), ("ada", "high"), ("bob", "")):
                how = {"x_ragents_priority": priority} if priority else {}
                stored[(await asked.submit("r", "Why?", who=who, **how)).id] = who
            async with open_connection(database, command_timeout=10) as connection:
                rows = await connection.fetch("SELECT batch, priority FROM batch_items")
    assert {stored[row["batch"]]: row["priority"] for row in rows} == {"lowly": 0, "ada": 2, "bob": 1}


async def test_an_unknown_priority_is_refused(queued: Asked) -> None:
    error = await refused(queued.submit("r", "Why?", x_ragents_priority="urgent"))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_page_holds_what_a_message_holds_and_one_item_at_least() -> None:
    items = [BatchItem(index=index, answer=Answer(text="x" * 100)) for index in range(4)]
    size = items[1].ByteSize()
    assert fitting(items, 3 * size) == items[:3]
    assert fitting(items, size // 2) == items[:1]
    assert fitting([], size) == []
