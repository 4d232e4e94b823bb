"""Folders become documents: names, what is left out, pieces of big files, and failures that stop nothing."""

import hashlib
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from ragents_client import Cancelled, Client, PutEvent, Source, find_sources
from ragents_client.testing import ReceivedCall, ScriptedServer, scripted_server
from ragents_client.uploads import CHUNK, STREAM_DOCUMENTS, Uploads
from ragents_client.v1 import (
    ERROR_REASON_DOCUMENT_CORRUPT,
    ERROR_REASON_DOCUMENT_EMPTY,
    PUT_OUTCOME_CREATED,
    Document,
    Failure,
    Progress,
    PutDocumentsResponse,
)

BIG = bytes(range(256)) * 4096 + b"end"  # 1 MB and a bit


def keep(call: ReceivedCall) -> Iterator[PutDocumentsResponse]:
    """Does what the real server does with an upload, but for reading it."""
    index, content, name = -1, b"", ""
    for part in call.read():
        if part.HasField("upload"):
            index, content, name = index + 1, part.upload.content, part.upload.name
            yield PutDocumentsResponse(index=index, name=name, progress=Progress(total=1))
        content += part.chunk
        if part.HasField("end") or (content and part.HasField("upload")):
            digest = hashlib.sha256(content).hexdigest()
            if part.end.sha256 not in {"", digest}:
                failure = Failure(code=3, reason=ERROR_REASON_DOCUMENT_CORRUPT)
                yield PutDocumentsResponse(index=index, name=name, failure=failure)
            elif content:
                document = Document(name=name, size=len(content), version=digest)
                yield PutDocumentsResponse(index=index, name=name, document=document, outcome=PUT_OUTCOME_CREATED)
            else:
                failure = Failure(code=3, reason=ERROR_REASON_DOCUMENT_EMPTY)
                yield PutDocumentsResponse(index=index, name=name, failure=failure)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server({"PutDocuments": keep}) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of every kind of file, beside what must not be read."""
    monkeypatch.chdir(tmp_path)
    papers = tmp_path / "papers"
    (papers / "b" / "c").mkdir(parents=True)
    (papers / ".git").mkdir()
    (papers / ".git" / "config").write_text("hidden")
    (papers / ".hidden").write_text("hidden")
    (papers / "a.txt").write_text("small")
    (papers / "b" / "c" / "big.bin").write_bytes(BIG)
    (papers / "b" / "exact.bin").write_bytes(b"x" * CHUNK)
    (papers / "empty.txt").touch()
    (papers / "inner.txt").symlink_to("a.txt")
    (papers / "gone.txt").symlink_to("nowhere")
    secret = tmp_path / "secret.txt"
    secret.write_text("outside")
    (papers / "leaves.txt").symlink_to(secret)
    (papers / "away").symlink_to("/etc")
    os.mkfifo(papers / "pipe")
    return papers


NAMES = ["a.txt", "empty.txt", "gone.txt", "inner.txt", "b/exact.bin", "b/c/big.bin"]


@pytest.mark.usefixtures("folder")
def test_a_folder_is_its_regular_files_in_order() -> None:
    assert [source.name for source in find_sources("papers/")] == [f"papers/{name}" for name in NAMES]


def test_a_file_has_one_name_however_it_is_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ["papers/a.txt", folder / "a.txt", "./papers/../papers/a.txt"]
    assert [source.name for source in find_sources(given)] == ["papers/a.txt"] * 3
    assert "papers/a.txt" in [source.name for source in find_sources(".")]
    monkeypatch.chdir("/")
    assert next(find_sources(folder / "a.txt")).name == str(folder / "a.txt").lstrip("/")


def test_a_path_outside_the_working_folder_is_named_from_its_last_part_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "b")
    assert [source.name for source in find_sources([folder / "a.txt", "../../papers"])][:2] == ["a.txt", "papers/a.txt"]


def test_what_is_named_itself_is_taken_even_when_hidden_or_a_link(folder: Path) -> None:
    given = [folder / ".hidden", folder / "leaves.txt"]
    assert [source.name for source in find_sources(given)] == ["papers/.hidden", "papers/leaves.txt"]


@pytest.mark.usefixtures("folder")
def test_good_documents_go_in_and_bad_ones_say_why(connect: Any, server: ScriptedServer) -> None:
    with connect(server.address) as rag:
        results = rag.put_documents("papers", collection="c", metadata={"year": 2024})
    assert [result.name for result in results] == [f"papers/{name}" for name in NAMES]
    by_name = {result.name.removeprefix("papers/"): result for result in results}
    assert by_name["b/c/big.bin"].document.version == hashlib.sha256(BIG).hexdigest()
    assert by_name["b/exact.bin"].document.size == CHUNK
    assert by_name["inner.txt"].outcome == PUT_OUTCOME_CREATED
    assert by_name["empty.txt"].failure.reason == ERROR_REASON_DOCUMENT_EMPTY
    assert by_name["gone.txt"].failure.message == "cannot be read: No such file or directory"
    uploads = [part.upload for part in server.calls[0].sent if part.HasField("upload")]
    assert {(upload.collection, upload.metadata["year"]) for upload in uploads} == {("c", 2024.0)}


@pytest.mark.usefixtures("folder")
def test_big_files_travel_in_chunks_and_small_ones_whole(connect: Any, server: ScriptedServer) -> None:
    with connect(server.address) as rag:
        rag.put_documents(["papers/a.txt", "papers/b/c/big.bin"])
    kinds = [part.WhichOneof("part") for part in server.calls[0].sent]
    assert kinds == ["upload", "upload", *["chunk"] * 5, "end"]
    assert max(len(part.chunk) for part in server.calls[0].sent) == CHUNK


def test_bytes_need_no_file(connect: Any, server: ScriptedServer) -> None:
    with connect(server.address) as rag:
        results = rag.put_documents((f"{number}.txt", b"text") for number in range(3))
    assert [result.document.name for result in results] == ["0.txt", "1.txt", "2.txt"]


def test_a_missing_file_alone_needs_no_server(connect: Any, server: ScriptedServer) -> None:
    with connect(server.address) as rag:
        (result,) = rag.put_documents("nowhere.txt")
    assert (result.failure.code, server.calls) == (5, [])


def test_an_empty_folder_is_no_document(connect: Any, server: ScriptedServer, tmp_path: Path) -> None:
    with connect(server.address) as rag:
        assert rag.put_documents(tmp_path) == []


class Breaking(Source):
    """A file on a disk that fails after the first piece."""

    def open(self) -> Any:
        return Torn()


class Torn:
    pieces = 0

    def __enter__(self) -> "Torn":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def read(self, size: int) -> bytes:
        self.pieces += 1
        if self.pieces > 2:
            raise OSError(5, "Input/output error")
        return b"x" * size


def test_a_file_that_breaks_off_is_a_failure_and_the_next_goes_in(connect: Any, server: ScriptedServer) -> None:
    with connect(server.address) as rag:
        torn, whole = rag.put_documents([Breaking("torn.bin", b""), ("whole.txt", b"text")])
    assert torn.failure.message == "cannot be read: Input/output error"
    assert whole.document.name == "whole.txt"


def test_a_large_folder_takes_several_streams(connect: Any, server: ScriptedServer) -> None:
    count = STREAM_DOCUMENTS + 3
    with connect(server.address) as rag:
        results = rag.put_documents([(f"{number:03}.txt", b"text") for number in range(count)])
    assert [result.index for result in results] == list(range(count))
    assert {result.name for result in results} == {f"{number:03}.txt" for number in range(count)}
    assert server.count("PutDocuments") == 2


def test_an_iterable_that_fails_says_so_after_what_it_gave_is_in(connect: Any, server: ScriptedServer) -> None:
    def documents() -> Iterator[tuple[str, bytes]]:
        yield "a.txt", b"text"
        raise LookupError("no more")

    seen: list[PutEvent] = []
    with connect(server.address) as rag, pytest.raises(LookupError, match="no more"):
        rag.put_documents(documents(), progress=seen.append)
    assert [(event.name, event.is_result) for event in seen] == [("a.txt", False), ("a.txt", True)]


def test_progress_is_told_as_it_happens(connect: Any, server: ScriptedServer) -> None:
    with connect(server.address) as rag:
        events = list(rag.stream_put_documents([("a.txt", b"text")]))
    assert [event.is_result for event in events] == [False, True]


def test_a_big_file_is_never_in_memory(tmp_path: Path) -> None:
    huge = tmp_path / "huge.bin"
    with huge.open("wb") as file:
        file.truncate(256 * CHUNK)  # 64 MB of nothing
    tracemalloc.start()
    try:
        for _ in Uploads(huge, "", None).next_stream() or ():
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * CHUNK


def test_a_slow_server_holds_the_reading_back(tmp_path: Path) -> None:
    reads: list[int] = []

    class Watched(Source):
        def open(self) -> Any:
            reads.append(1)
            return super().open()

    def never_reads(call: ReceivedCall) -> Iterator[PutDocumentsResponse]:
        next(call.read())
        yield PutDocumentsResponse(index=0, name="0", progress=Progress())
        call.context.abort(grpc.StatusCode.CANCELLED, "enough")

    documents = [Watched(str(number), b"x" * (CHUNK - 1)) for number in range(STREAM_DOCUMENTS)]
    with (
        scripted_server({"PutDocuments": never_reads}) as server,
        Client(server.address) as rag,
        pytest.raises(Cancelled, match="enough"),
    ):
        rag.put_documents(documents)
    assert len(reads) < STREAM_DOCUMENTS
