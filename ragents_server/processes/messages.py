"""What a process and its parent say to each other, one line each, over a socket that nobody else has."""

import asyncio
import socket
from contextlib import suppress

PULSE = 1.0  # seconds between two signs of life

# The process says:
ALIVE, READY, NOT_READY, LEAVING = b"alive\n", b"ready\n", b"not ready\n", b"leaving\n"
# The parent says whether all processes are ready:
ALL_READY, NOT_ALL_READY = b"all ready\n", b"not all ready\n"

# The parent asks for the metrics; the process says their number of bytes, and behind that line they follow:
TELL_METRICS, METRICS = b"tell metrics\n", b"metrics "

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def closed(writer: asyncio.StreamWriter) -> None:
    """Ends the link; what was not sent is lost."""
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


async def opened(ours: socket.socket) -> Ends:
    """The two directions of one end."""
    return await asyncio.open_unix_connection(sock=ours)
