"""What the server and its parsing children say to each other: a length-prefixed JSON header and raw bytes.

Never pickle: a child that a hostile document has taken over must not run code in the server.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

LENGTHS = struct.Struct("!IQ")
ACCEPTED = b"\x06"
"""Sent when a request has arrived in full: what ends the child from here on is the document's doing."""


def packed(header: Mapping[str, Any], body: bytes) -> tuple[bytes, bytes]:
    """The two parts to write, so that a large body is not copied."""
    head = json.dumps(header).encode()
    return LENGTHS.pack(len(head), len(body)) + head, body


def write(stream: BinaryIO, header: Mapping[str, Any], body: bytes) -> None:
    stream.writelines(packed(header, body))
    stream.flush()


def read(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """The next frame of a blocking stream, None at its end."""
    lengths = stream.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    head, body = LENGTHS.unpack(lengths)
    return json.loads(stream.read(head)), stream.read(body)
