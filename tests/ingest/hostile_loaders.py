"""Loaders that misbehave as hostile documents make real ones do; the sandbox's tests choose them by import path."""

import os
import socket
import sys
import time

from ragents_server.ingest.loaded import Loaded


def hangs(content: bytes, media_type: str) -> Loaded:
    """Says over the socket that `content` names that it runs, then waits for ever."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(content.decode())
        line.sendall(f"{os.getpid()}\n".encode())
        line.recv(1)
    return Loaded(media_type, "came back")


def computes(content: bytes, media_type: str) -> Loaded:
    while True:
        time.perf_counter()


def eats_memory(content: bytes, media_type: str) -> Loaded:
    pieces = []
    while True:
        pieces.append(bytearray(16 << 20))


def dies(content: bytes, media_type: str) -> Loaded:
    os.abort()


def raises(content: bytes, media_type: str) -> Loaded:
    raise LookupError("/secret/path")


def recurses(content: bytes, media_type: str) -> Loaded:
    return recurses(content, media_type)


def prints(content: bytes, media_type: str) -> Loaded:
    """A library that writes to standard output, below Python too."""
    os.write(1, b"noise\n" * 1000)
    return Loaded(media_type, "printed")


def garbles(content: bytes, media_type: str) -> Loaded:
    """A taken-over child that writes nonsense where a reply belongs."""
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b"\xff" * 64)
        except OSError:
            continue
    return Loaded(media_type, "garbled")


def writes(content: bytes, media_type: str) -> Loaded:
    """Tries to leave a file behind."""
    try:
        with open(content.decode(), "wb") as file:  # noqa: PTH123 - as a parser would
            file.write(b"x" * 10_000)
    except OSError as error:
        return Loaded(media_type, f"refused: {type(error).__name__}")
    return Loaded(media_type, "written")


def tells(content: bytes, media_type: str) -> Loaded:
    """What of the server the child can see: its environment and the heavy modules it has loaded."""
    modules = sorted({"onnxruntime", "grpc", "asyncpg", "docx", "pypdfium2"} & sys.modules.keys())
    return Loaded(media_type, f"pid={os.getpid()} environment={sorted(os.environ)} modules={modules}")
