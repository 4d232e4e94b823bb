"""Connections grow old: a client is asked to connect anew, and no call is cut for it."""

import asyncio

import grpc
import psutil

from ragents_client import AsyncClient
from ragents_client.v1 import DocumentServiceStub, ListDocumentsRequest, QueryRequest, QueryServiceStub, Question
from tests.openai_server import Reply, openai_server
from tests.servers import running_server

SECONDS = 20


def ports_to(address: str) -> set[int]:
    """The ports of this process' own ends of its connections to a server."""
    port = int(address.rpartition(":")[2])
    connections = psutil.Process().net_connections("tcp")
    return {
        one.laddr.port for one in connections if one.raddr and one.raddr.port == port and one.status == "ESTABLISHED"
    }


async def test_a_call_that_outlives_its_connections_age_is_served_to_its_end_while_later_ones_connect_anew() -> None:
    going = asyncio.Event()
    async with openai_server(lambda _: Reply(["The mole is long [1]."], wait=going)) as model:
        settings = {"chat_model": "openai:stub", "chat_url": model.url, "connection_age": 1}
        async with running_server(**settings) as address:
            async with AsyncClient(address) as client:
                await client.put_documents([("mole.txt", b"The mole is long.")])
            async with grpc.aio.insecure_channel(address, [("grpc.enable_retries", 0)]) as channel:
                request = QueryRequest(question=Question(text="How long is the mole?"))
                under_way = asyncio.ensure_future(
                    asyncio.wait_for(QueryServiceStub(channel).Query(request, timeout=SECONDS), SECONDS)
                )
                await asyncio.wait_for(model.held.wait(), SECONDS)
                first = ports_to(address)
                async with asyncio.timeout(SECONDS):
                    while ports_to(address) <= first:
                        await DocumentServiceStub(channel).ListDocuments(ListDocumentsRequest(), timeout=SECONDS)
                going.set()
                assert (await under_way).answer.text == "The mole is long [1]."
