"""Finds documents in folders and sends them piece by piece, so that neither a big file nor a bad one is in the way."""

import hashlib
import io
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import grpc
from google.protobuf.struct_pb2 import Struct

from ragents_client.v1 import (
    PUT_OUTCOME_UNSPECIFIED,
    Document,
    Failure,
    Progress,
    PutDocumentsRequest,
    PutDocumentsResponse,
    PutOutcome,
    Upload,
    UploadEnd,
)

CHUNK = 256 * 1024
# One stream takes so many documents or bytes: its deadline then means something, and replicas share a large folder.
STREAM_DOCUMENTS = 64
STREAM_BYTES = 64 * 1024 * 1024
UNFINISHED = "0" * 64  # no content has this SHA-256: the server drops what it has of the document

FilePath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Source:
    """One document to put: its name, and its file or its bytes."""

    name: str
    content: Path | bytes

    def open(self) -> BinaryIO:
        """The content to read from."""
        return io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open("rb")


Sources = FilePath | Iterable[FilePath | tuple[str, bytes] | Source]


@dataclass(frozen=True, slots=True)
class PutEvent:
    """What happens to one document: `progress`, and at last either the `document` or the `failure`."""

    index: int  # the document's place among those given, from 0
    name: str
    progress: Progress | None = None
    document: Document | None = None
    failure: Failure | None = None
    outcome: PutOutcome.ValueType = PUT_OUTCOME_UNSPECIFIED

    @property
    def is_result(self) -> bool:
        """Whether this is the last event of its document."""
        return self.progress is None


def find_sources(given: Sources) -> Iterator[Source]:
    """The documents meant: a file is one, a folder all its files by name, (name, bytes) one that is no file.

    Hidden files, and links that leave their folder, are left out unless named themselves.
    """
    if isinstance(given, str | os.PathLike):
        given = [given]
    for one in given:
        match one:
            case Source():
                yield one
            case tuple():
                yield Source(*one)
            case _:
                yield from files_under(Path(one))


def files_under(path: Path) -> Iterator[Source]:
    """A file, or all files of a folder, under the names they get."""
    if not path.is_dir():
        yield Source(named(path).as_posix(), path)
        return
    start, root = named(path), path.resolve()
    unreadable: list[OSError] = []
    for folder, folders, files in os.walk(path, onerror=unreadable.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            file = Path(folder, name)
            if not name.startswith(".") and belongs(file, root):
                yield Source((start / file.relative_to(path)).as_posix(), file)
    for closed in (Path(error.filename) for error in unreadable):
        yield Source((start / closed.relative_to(path)).as_posix(), closed)


def named(path: Path) -> Path:
    """A path's name on the server: relative to the working folder when inside it, else from its own last part on.

    So the same file has the same name whether it is put alone or with its folder.
    """
    full = Path(os.path.abspath(path))  # noqa: PTH100 # resolve() would follow links
    return full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else Path(full.name)


def belongs(file: Path, root: Path) -> bool:
    """Whether it is a regular file that lies in the folder, links followed; a broken link counts, to be reported."""
    target = file.resolve()
    return target.is_relative_to(root) and (target.is_file() or not target.exists())


def local_failure(error: OSError) -> Failure:
    """Why a file could not be read here."""
    code = {
        FileNotFoundError: grpc.StatusCode.NOT_FOUND,
        PermissionError: grpc.StatusCode.PERMISSION_DENIED,
    }.get(type(error), grpc.StatusCode.UNKNOWN)
    return Failure(code=code.value[0], message=f"cannot be read: {error.strerror or error}")


class Uploads:
    """The documents of one put, as the requests of one stream after another, and what came of each."""

    def __init__(self, given: Sources, collection: str, metadata: Mapping[str, Any] | None) -> None:
        self._sources = enumerate(find_sources(given))
        self._collection = collection
        self._metadata = Struct()
        self._metadata.update(dict(metadata or {}))
        self._parts = self._all_parts()
        self._sent: list[int] = []  # the given index of each document of the stream under way
        self._bytes = 0
        self._broken: dict[int, Failure] = {}  # documents that could not be read to their end
        self._unread: deque[PutEvent] = deque()  # documents of which nothing was sent
        self.error: Exception | None = None  # what the caller's own iterable raised

    def next_stream(self) -> Iterator[PutDocumentsRequest] | None:
        """The requests of the next stream; None when everything was sent. Reads from files: may block."""
        self._sent, self._bytes = [], 0
        first = next(self._parts, None)
        return None if first is None else self._until_full(first)

    def receive(self, response: PutDocumentsResponse) -> PutEvent:
        """What a response of the stream under way says of which document."""
        index = self._sent[response.index]
        kind = response.WhichOneof("event")
        if kind == "progress":
            return PutEvent(index, response.name, progress=response.progress)
        if index in self._broken:
            return PutEvent(index, response.name, failure=self._broken[index])
        if kind == "document":
            return PutEvent(index, response.name, document=response.document, outcome=response.outcome)
        return PutEvent(index, response.name, failure=response.failure)

    def unread(self) -> Iterator[PutEvent]:
        """The failures since the last call that the server does not know of."""
        while self._unread:
            yield self._unread.popleft()

    def _until_full(self, part: PutDocumentsRequest | None) -> Iterator[PutDocumentsRequest]:
        while part is not None:
            yield part
            ends = part.HasField("end") or bool(part.upload.content)
            if ends and (len(self._sent) >= STREAM_DOCUMENTS or self._bytes >= STREAM_BYTES):
                return
            part = next(self._parts, None)

    def _all_parts(self) -> Iterator[PutDocumentsRequest]:
        try:
            for index, source in self._sources:
                yield from self._document(index, source)
        except Exception as error:  # noqa: BLE001 # raised again by the caller, after what was sent is answered
            self.error = error

    def _document(self, index: int, source: Source) -> Iterator[PutDocumentsRequest]:
        try:
            content = source.open()
            with content:
                first = content.read(CHUNK)
                self._sent.append(index)
                self._bytes += len(first)
                yield from self._pieces(index, source.name, first, content)
        except OSError as error:
            self._unread.append(PutEvent(index, source.name, failure=local_failure(error)))

    def _pieces(self, index: int, name: str, piece: bytes, content: BinaryIO) -> Iterator[PutDocumentsRequest]:
        upload = Upload(collection=self._collection, name=name, metadata=self._metadata)
        if 0 < len(piece) < CHUNK:  # a short read: this is all of it
            upload.content = piece
            yield PutDocumentsRequest(upload=upload)
            return
        yield PutDocumentsRequest(upload=upload)
        digest = hashlib.sha256()
        while piece:
            digest.update(piece)
            yield PutDocumentsRequest(chunk=piece)
            try:
                piece = content.read(CHUNK)
            except OSError as error:
                self._broken[index] = local_failure(error)
                yield PutDocumentsRequest(end=UploadEnd(sha256=UNFINISHED))
                return
            self._bytes += len(piece)
        yield PutDocumentsRequest(end=UploadEnd(sha256=digest.hexdigest()))
