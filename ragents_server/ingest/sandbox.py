"""Parses documents in child processes, so that a hostile one costs itself and nothing else."""

import asyncio
import logging
import math
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any, Self

from ragents_server.index.chunk import Chunk
from ragents_server.ingest.child import BrokenFrame, Child, NotAccepted
from ragents_server.ingest.chunks import Cut
from ragents_server.ingest.failures import DocumentError
from ragents_server.ingest.loaders import LOADERS
from ragents_server.ingest.names import check_name

_MB = 1 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one document may cost: its bytes, the bytes it unpacks to, memory, CPU and wall-clock seconds.

    The seconds are for documents of up to 8 MB; a larger one gets them in proportion.
    """

    document_bytes: int = 64 * _MB
    unzipped_bytes: int = 256 * _MB
    memory_bytes: int = 512 * _MB
    cpu_seconds: int = 60
    wall_seconds: float = 120.0

    def scale(self, size: int) -> float:
        """By how much the seconds grow for a document of `size` bytes."""
        return max(1.0, size / (8 * _MB))


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document in chunks. `text_bytes` is the size of its extracted text, `pages` is 0 where there are none."""

    media_type: str
    text_bytes: int
    pages: int
    chunks: tuple[Chunk, ...]


class Sandbox:
    """At most `workers` children, each used for many documents one after the other, replaced when worn or suspect."""

    def __init__(self, workers: int, bounds: Bounds, documents_per_worker: int, loaders: Mapping[str, str]) -> None:
        self._workers = workers
        self._bounds = bounds
        self._documents_per_worker = documents_per_worker
        self._loaders = loaders
        self._free = asyncio.Semaphore(workers)
        self._idle: list[Child] = []
        self._children: set[Child] = set()
        self._closed = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        workers: int = 2,
        bounds: Bounds | None = None,
        documents_per_worker: int = 200,
        loaders: Mapping[str, str] = LOADERS,
    ) -> AsyncIterator[Self]:
        """Starts the children without waiting for their imports; none is left when it closes."""
        sandbox = cls(workers, bounds or Bounds(), documents_per_worker, loaders)
        try:
            for _ in range(workers):
                sandbox._idle.append(await sandbox._start())
            yield sandbox
        finally:
            await sandbox._close()

    async def parse(self, content: bytes, name: str, media_type: str = "", cut: Cut | None = None) -> Parsed:
        """The document's chunks; waits for a free child. Raises DocumentError for what cannot go in."""
        check_name(name)
        self._check_size(content)
        request = self._request(name, media_type, cut or Cut(), self._bounds.scale(len(content)))
        async with self._free:
            header, body = await self._answered(request, content)
        return await asyncio.to_thread(_read_reply, header, body)

    def _check_size(self, content: bytes) -> None:
        most = self._bounds.document_bytes
        if not content:
            raise DocumentError("DOCUMENT_EMPTY", "The document has no bytes; send one that has text.")
        if len(content) > most:
            size = f"The document has {len(content) / 1e6:.1f} MB, {most / 1e6:.1f} MB are allowed"
            raise DocumentError("DOCUMENT_TOO_LARGE", f"{size}; split it up.")

    def _request(self, name: str, media_type: str, cut: Cut, scale: float) -> dict[str, Any]:
        return {
            "name": name,
            "media_type": media_type,
            "cut": asdict(cut),
            "loaders": dict(self._loaders),
            "max_unzipped": self._bounds.unzipped_bytes,
            "max_text_bytes": self._bounds.document_bytes,
            "memory_bytes": self._bounds.memory_bytes,
            "cpu_seconds": math.ceil(self._bounds.cpu_seconds * scale),
        }

    async def _answered(self, request: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
        """A child that ended while it waited for work is no fault of the document: another one gets it."""
        for _ in range(self._workers):
            with suppress(NotAccepted):
                return await self._exchange(await self._take(), request, content)
        try:
            return await self._exchange(await self._start(), request, content)
        except NotAccepted as error:
            raise _crash(None) from error

    async def _exchange(self, child: Child, request: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
        """One document to one child; a child that did not answer in full never sees another document."""
        reusable = False
        wall_seconds = self._bounds.wall_seconds * self._bounds.scale(len(content))
        try:
            async with asyncio.timeout(wall_seconds):
                reply = await child.exchange(request, content, most=8 * self._bounds.document_bytes + _MB)
            reusable = not child.worn(self._documents_per_worker, self._bounds.memory_bytes // 2)
        except TimeoutError as error:
            message = f"Reading the document took over {wall_seconds:.0f} s; split it up."
            raise DocumentError("DOCUMENT_TIMEOUT", message) from error
        except BrokenFrame as error:
            raise _crash(await child.exit_code()) from error
        finally:
            if reusable:
                self._idle.append(child)
            else:
                await self._end(child)
        return reply

    async def _take(self) -> Child:
        while self._idle:
            child = self._idle.pop()
            if child.alive:
                return child
            await self._end(child)
        return await self._start()

    async def _start(self) -> Child:
        child = await Child.start()
        self._children.add(child)
        if self._closed:
            await self._end(child)
            raise RuntimeError("the sandbox is closed")
        return child

    async def _close(self) -> None:
        self._closed = True
        for child in self._children:
            child.kill()
        for child in list(self._children):
            await self._end(child)

    async def _end(self, child: Child) -> None:
        child.kill()
        await child.exit_code()
        self._children.discard(child)


def _crash(exit_code: int | None) -> DocumentError:
    if exit_code == -signal.SIGXCPU:
        return DocumentError("DOCUMENT_TIMEOUT", "Reading the document takes too much computing time; split it up.")
    _log.warning("a parsing child ended with %s", exit_code)
    return DocumentError(
        "DOCUMENT_PARSER_CRASHED", "Reading the document ended the program that reads it; open it and save it again."
    )


def _read_reply(reply: Mapping[str, Any], body: bytes) -> Parsed:
    if "reason" in reply:
        if "detail" in reply:
            _log.warning("a parser failed: %s", reply["detail"])
        raise DocumentError(reply["reason"], reply["message"])
    return Parsed(reply["media_type"], len(body), reply["pages"], tuple(_chunk(body, row) for row in reply["chunks"]))


def _chunk(body: bytes, row: Sequence[Any]) -> Chunk:
    """The text is cut from the body here: it cannot be anything else than what its span says."""
    start, end, first_page, last_page, line, heading, spans = row
    sentences = tuple((begin, stop) for begin, stop in spans)
    return Chunk(body[start:end].decode(), start, end, first_page, last_page, line, heading, sentences)
