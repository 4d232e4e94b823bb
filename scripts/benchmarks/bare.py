"""A bare grpc.aio server whose answer to everything is the same bytes: stock gRPC and nothing else.

As a program, with a loop's name and a file of the bytes, it prints its address, and ends when its standard input does.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import uvloop

LOOPS: dict[str, Callable[[Any], Any]] = {"default": asyncio.run, "uvloop": uvloop.run}
START = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Bare:
    """A running server."""

    address: str
    pid: int


@asynccontextmanager
async def answering(method: str, reply: Path, *, loop: str) -> AsyncIterator[Bare]:
    """The server in a process of its own, on one of the LOOPS."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__, loop, method, reply),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # as the real server has: the kernel shares a core out by session
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START):
            address = (await process.stdout.readline()).decode().strip()
        yield Bare(address, process.pid)
    finally:
        process.kill()
        await process.wait()


def _replying(reply: bytes) -> Callable[[bytes, Any], Awaitable[bytes]]:
    async def answer(_request: bytes, _context: Any) -> bytes:
        return reply

    return answer


async def _serve(method: str, reply: bytes) -> None:
    server = grpc.aio.server()
    _, service, rpc = method.split("/")
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(_replying(reply))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {rpc: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    LOOPS[sys.argv[1]](_serve(sys.argv[2], Path(sys.argv[3]).read_bytes()))
