"""A bare grpc.aio server that sends back the bytes it gets: what stock gRPC costs, beside which we stand.

As a program it prints its address, and ends when its standard input does, however its parent ended.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import uvloop

METHOD = "/echo.Echo/Echo"
START = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Echo:
    """A running echo server; `call` sends bytes and returns them."""

    pid: int
    call: Callable[[bytes], Awaitable[bytes]]


@asynccontextmanager
async def echoing() -> AsyncIterator[Echo]:
    """The server in a process of its own, and a channel to it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START):
            address = (await process.stdout.readline()).decode().strip()
        async with grpc.aio.insecure_channel(address) as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
            yield Echo(process.pid, call)
    finally:
        process.kill()
        await process.wait()


async def _echo(request: bytes, _: Any) -> bytes:
    return request


async def _serve() -> None:
    server = grpc.aio.server()
    handler = grpc.method_handlers_generic_handler("echo.Echo", {"Echo": grpc.unary_unary_rpc_method_handler(_echo)})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(_serve())
