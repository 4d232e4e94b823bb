"""A server on Redis' port that is not well: it says the same to whatever it is sent."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

Say = Callable[[], bytes]


def loading() -> bytes:
    """What Redis says while it reads its data set."""
    return b"-LOADING Redis is loading the dataset in memory\r\n"


def garbage(draw: random.Random) -> Say:
    """Bytes that mean nothing in the protocol."""
    return lambda: bytes(draw.choices(range(1, 256), k=40)) + b"\r\n"


@asynccontextmanager
async def impostor(port: int, say: Say) -> AsyncIterator[None]:
    """Listens on the port of loopback until the block ends, then hangs up on everyone."""
    writers = set[asyncio.StreamWriter]()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        with suppress(ConnectionError):
            while await reader.read(65536):
                writer.write(say())
                await writer.drain()
        writers.discard(writer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()
