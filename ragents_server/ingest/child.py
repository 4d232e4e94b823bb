"""One parsing child as the server sees it: a process of its own that answers one request at a time."""

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, cast

from ragents_server.ingest import frames

_EXIT_SECONDS = 2
_READ_AHEAD = 1 << 20


class BrokenFrame(Exception):
    """The child sent less than it announced, more than is allowed, or something else altogether."""


class NotAccepted(Exception):
    """The child was gone before it had the document, which is not the document's fault."""


class Child:
    """Starts fresh, serves, and is killed as soon as anything about it is in doubt."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._requests = cast("asyncio.StreamWriter", process.stdin)
        self._replies = cast("asyncio.StreamReader", process.stdout)
        self._served = 0
        self._resident = 0
        self._fresh = True

    @classmethod
    async def start(cls) -> Self:
        """A new interpreter: never a fork of the server, whose memory, files and secrets it would share."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ragents_server.ingest.worker", str(os.getpid()),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env=_environment(), cwd="/", limit=_READ_AHEAD,
        )  # fmt: skip
        return cls(process)

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    def worn(self, documents: int, resident_bytes: int) -> bool:
        """Whether it has served long enough, keeps too much memory, or says itself that it should go."""
        return not self._fresh or self._served >= documents or self._resident > resident_bytes

    async def exchange(self, request: dict[str, Any], content: bytes, most: int) -> tuple[dict[str, Any], bytes]:
        """The reply's header and body; raises NotAccepted, or BrokenFrame when it dies or sends anything but one."""
        try:
            for part in frames.packed(request, content):
                self._requests.write(part)
                await self._requests.drain()
            if await self._replies.readexactly(1) != frames.ACCEPTED:
                raise BrokenFrame
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise NotAccepted from error
        head, body = await _receive(self._replies, most)
        reply = await asyncio.to_thread(_parsed, head)
        self._served += 1
        self._resident, self._fresh = int(reply["resident"]), bool(reply["fresh"])
        return reply, body

    async def exit_code(self) -> int | None:
        """Its exit code (negative: the signal that ended it) or None if it has not ended within seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_EXIT_SECONDS):
                return await self._process.wait()
        return None

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()


async def _receive(reader: asyncio.StreamReader, most: int) -> tuple[bytes, bytes]:
    """The next frame's header and body, still as bytes; raises BrokenFrame."""
    try:
        head, body = frames.LENGTHS.unpack(await reader.readexactly(frames.LENGTHS.size))
        if head + body > most:
            raise BrokenFrame
        return await reader.readexactly(head), await reader.readexactly(body)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise BrokenFrame from error


def _parsed(head: bytes) -> dict[str, Any]:
    try:
        reply: dict[str, Any] = json.loads(head)
    except ValueError as error:
        raise BrokenFrame from error
    return reply


def _environment() -> dict[str, str]:
    """Where modules are found and nothing else: the server's environment holds keys and passwords."""
    paths = (path or str(Path.cwd()) for path in sys.path)
    return {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUTF8": "1", "TZ": "UTC"}
