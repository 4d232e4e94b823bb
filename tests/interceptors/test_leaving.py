"""A caller that has left just when it is answered is no bug, and the log tells of none."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest

from ragents_server.errors import NotFound
from ragents_server.incidents import quiet_leaving
from ragents_server.interceptors.around import Around, Context
from ragents_server.interceptors.errors import errors

SECONDS = 20
PATH = "/test.Service/Call"


async def told(context: Context) -> bytes:
    return b"found"


async def refused(context: Context) -> bytes:
    raise NotFound("no such thing")


async def aborted(context: Context) -> bytes:
    await context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")


async def written(context: Context) -> bytes:
    await context.write(b"found")
    return b""


ENDS: dict[str, Callable[[Context], Awaitable[bytes]]] = {
    "told": told,
    "refused": refused,
    "aborted": aborted,
    "written": written,
}


@pytest.mark.parametrize("name", ENDS)
async def test_a_caller_that_has_left_is_no_bug(name: str, caplog: pytest.LogCaptureFixture) -> None:
    arrived, left = threading.Event(), threading.Event()

    async def serve(request: bytes, context: Context) -> bytes:
        arrived.set()
        assert left.wait(SECONDS)  # blocks the loop: nothing tells this call that its caller has gone
        return await ENDS[name](context)

    handler: Any = grpc.unary_unary_rpc_method_handler(serve)
    if name == "written":
        handler = grpc.unary_stream_rpc_method_handler(serve)
    quiet_leaving()
    caplog.set_level(logging.WARNING)
    server = grpc.aio.server(interceptors=[Around([errors], [], 2**20)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", {"Call": handler}),))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    leaving = threading.Thread(target=leave, args=(address, arrived, left, name == "written"))
    leaving.start()
    await asyncio.to_thread(leaving.join, SECONDS)
    await server.stop(None)
    assert not leaving.is_alive()
    assert [record.getMessage() for record in caplog.records] == []


def leave(address: str, arrived: threading.Event, left: threading.Event, streams: bool) -> None:
    """Cancels a call in its middle, and lets its server go on once the transport knows."""
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_stream(PATH)(b"") if streams else channel.unary_unary(PATH).future(b"")
        assert arrived.wait(SECONDS)
        call.cancel()
        pings = grpc.channel_ready_future(channel)  # the cancel is on its way before this connection closes
        pings.result(SECONDS)
    left.set()
