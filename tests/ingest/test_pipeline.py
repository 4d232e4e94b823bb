"""What a killed server left without vectors gets them: from the next put, from the next start, from a look-out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg

from ragents_client import AsyncClient
from ragents_client.v1 import DOCUMENT_STATE_READY, DOCUMENT_STATE_SEARCHABLE, PUT_OUTCOME_UNCHANGED
from ragents_server import operations
from ragents_server.settings import Settings
from ragents_server.signals import Span, listening
from ragents_server.wiring import opened
from tests.postgres_servers import embedded_database
from tests.servers import running_server

HARBOUR = ("harbour.txt", b"A boat of 20 m may use the north mole. The fee is 30 euros.")
HALF_DONE = """
WITH gone AS (DELETE FROM passage_vectors), silent AS (DELETE FROM sentence_vectors)
UPDATE documents SET embedded = false, leased_until = now() + interval '1 hour'
"""


@asynccontextmanager
async def half_done() -> AsyncIterator[tuple[AsyncClient, str]]:
    """A server, and its database in the state that a server leaves which is killed before the first vector."""
    async with embedded_database() as url, running_server(database=url) as address, AsyncClient(address) as rag:
        await rag.put_documents([HARBOUR])
        connection = await asyncpg.connect(url)
        await connection.execute(HALF_DONE)
        await connection.close()
        yield rag, url


async def test_a_document_without_vectors_is_found_by_its_words_and_answered_from() -> None:
    async with half_done() as (rag, _):
        [document] = [one async for one in rag.list_documents()]
        assert document.state == DOCUMENT_STATE_SEARCHABLE
        answer = await rag.query("Which mole may a boat of 20 m use?")
    assert answer.citations[0].quote == "A boat of 20 m may use the north mole."


async def test_the_same_bytes_put_again_make_the_missing_vectors() -> None:
    async with half_done() as (rag, _):
        [put] = await rag.put_documents([HARBOUR])
        assert put.outcome == PUT_OUTCOME_UNCHANGED
        assert put.document is not None
        assert put.document.state == DOCUMENT_STATE_READY
        [passage] = await rag.retrieve("harbour fee")
    assert passage.score.dense > 0


async def test_a_look_out_takes_up_what_nobody_is_at_and_nothing_else() -> None:
    async with half_done() as (rag, url), opened(Settings(database=url)) as parts:
        assert await parts.pipeline.resume() == 0  # leased
        await parts.stores[0].vectors.end_leases()
        assert await parts.pipeline.resume() == 1
        [document] = [one async for one in rag.list_documents()]
    assert document.state == DOCUMENT_STATE_READY


async def test_the_path_size_success_and_time_of_each_document_are_signals() -> None:
    told: list[Span] = []
    with listening(told.append):
        async with running_server() as address, AsyncClient(address) as rag:
            await rag.put_documents([HARBOUR, ("broken.pdf", b"%PDF-1.7 and no more")])
    puts = {span.attributes["path"]: span for span in told if span.name == "ingest"}
    assert puts["harbour.txt"].error == ""
    assert puts["harbour.txt"].attributes["size"] == len(HARBOUR[1])
    assert puts["harbour.txt"].seconds > 0
    assert puts["broken.pdf"].error == "DocumentRefused"


async def test_an_embedded_start_frees_what_the_killed_server_held() -> None:
    async with half_done() as (_, url), opened(Settings(database=url)) as parts:
        await operations.prepare(replace(parts, embedded=True))
        assert await parts.pipeline.resume() == 1
