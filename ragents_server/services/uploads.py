"""Puts the parts of an upload stream together: one document after another, whole or in chunks."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

from ragents_client.v1.document_pb2 import Upload
from ragents_client.v1.document_service_pb2 import PutDocumentsRequest, UploadEnd
from ragents_client.v1.error_reason_pb2 import ERROR_REASON_DOCUMENT_CORRUPT, ERROR_REASON_DOCUMENT_TOO_LARGE
from ragents_server.errors import DocumentRefused, InvalidRequest

MAX_CHUNK = 256 * 1024


@dataclass(slots=True)
class Assembled:
    """A document as it came in: its header, its content, or why it cannot be taken."""

    upload: Upload
    content: bytes = b""
    refusal: DocumentRefused | None = None


@dataclass(slots=True)
class _Open:
    """The document whose chunks are coming in."""

    upload: Upload
    most: int
    content: bytearray = field(default_factory=bytearray)
    too_large: bool = False

    def add(self, chunk: bytes) -> None:
        """Takes a chunk; past the limit it is dropped, so that the stream's other documents still come in."""
        if len(chunk) > MAX_CHUNK:
            text = f"has {len(chunk):,} bytes, more than {MAX_CHUNK:,}"
            raise InvalidRequest(f"chunk {text}", violations={"chunk": text})
        self.too_large = self.too_large or len(self.content) + len(chunk) > self.most
        if self.too_large:
            self.content.clear()
        else:
            self.content += chunk

    def close(self, end: UploadEnd) -> Assembled:
        """The whole document."""
        if self.too_large:
            return Assembled(self.upload, refusal=_too_large(self.most))
        if end.sha256 and hashlib.sha256(self.content).hexdigest() != end.sha256.lower():
            refusal = DocumentRefused(ERROR_REASON_DOCUMENT_CORRUPT, "its content does not have the SHA-256 given")
            return Assembled(self.upload, refusal=refusal)
        return Assembled(self.upload, bytes(self.content))


async def assemble(requests: AsyncIterator[PutDocumentsRequest], most: int) -> AsyncGenerator[Assembled, None]:
    """The documents of a stream in order; InvalidRequest when its parts are out of order.

    A document that the stream breaks off in is dropped: what was not ended was not sent.
    """
    current: _Open | None = None
    async for request in requests:
        part = request.WhichOneof("part")
        if part == "upload":
            if current is not None:
                raise InvalidRequest("a new upload began before the end of the last one; send `end` first")
            if request.upload.content:
                yield _whole(request.upload, most)
            else:
                current = _Open(request.upload, most)
        elif current is None:
            raise InvalidRequest(f"{part or 'an empty request'} came before any upload; send `upload` first")
        elif part == "chunk":
            current.add(request.chunk)
        elif part == "end":
            yield current.close(request.end)
            current = None
        else:
            raise InvalidRequest("an empty request: set upload, chunk or end")
    if current is not None:
        raise InvalidRequest(f"the stream ended within {current.upload.name!r:.100}; send `end`")


def _whole(upload: Upload, most: int) -> Assembled:
    content = upload.content
    upload.ClearField("content")
    if len(content) > most:
        return Assembled(upload, refusal=_too_large(most))
    return Assembled(upload, content)


def _too_large(most: int) -> DocumentRefused:
    return DocumentRefused(ERROR_REASON_DOCUMENT_TOO_LARGE, f"it has more than {most:,} bytes; split it")
