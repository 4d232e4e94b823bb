"""A hostile document costs itself and nothing else: each failure has its reason, and the next document goes on."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from ragents_server.ingest.chunks import Cut
from ragents_server.ingest.failures import DocumentError
from ragents_server.ingest.loaders import LOADERS
from ragents_server.ingest.sandbox import Bounds, Sandbox
from tests.ingest import documents

CUT = Cut(count_tokens="tests.ingest.counting:words")
HOSTILE = LOADERS | {
    f"test/{name}": f"tests.ingest.hostile_loaders:{name}"
    for name in (
        "hangs", "computes", "eats_memory", "dies", "raises", "recurses", "prints", "garbles", "writes", "tells",
    )
}  # fmt: skip
MB = 1 << 20


def sandbox(workers: int = 1, documents_per_worker: int = 200, **bounds: float) -> "AsyncIterator[Sandbox]":
    return Sandbox.open(workers, Bounds(**bounds), documents_per_worker, HOSTILE)  # type: ignore[arg-type,return-value]


async def text_of(box: Sandbox, content: bytes, media_type: str = "", name: str = "a.txt") -> str:
    parsed = await box.parse(content, name, media_type, CUT)
    return " ".join(chunk.text for chunk in parsed.chunks)


async def refusal(box: Sandbox, content: bytes, media_type: str = "", name: str = "a.txt") -> str:
    with pytest.raises(DocumentError) as caught:
        await box.parse(content, name, media_type, CUT)
    assert "/secret" not in caught.value.message
    assert caught.value.message.endswith(".")
    return caught.value.reason


class Line:
    """The socket over which a hanging document says that it runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pids: asyncio.Queue[int] = asyncio.Queue()
        self.writers: list[asyncio.StreamWriter] = []

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.pids.put_nowait(int(await reader.readline()))


@asynccontextmanager
async def line(folder: Path) -> AsyncIterator[Line]:
    answers = Line(folder / "line")
    server = await asyncio.start_unix_server(answers.connected, answers.path)
    try:
        yield answers
    finally:
        for writer in answers.writers:
            writer.close()
        server.close()
        await server.wait_closed()


def children() -> set[int]:
    """The sandboxes' children; this process may have others."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
            if "ragents_server.ingest.worker" in child.cmdline():
                found.add(child.pid)
    return found


async def test_every_format_comes_back_in_chunks() -> None:
    files: dict[str, Callable[[], bytes]] = {
        "a.pdf": documents.pdf, "a.docx": documents.docx, "a.pptx": documents.pptx, "a.xlsx": documents.xlsx,
        "a.eml": documents.mail, "a.html": documents.HTML.encode, "a.md": documents.MARKDOWN.encode,
        "a.csv": documents.CSV.encode, "a.json": documents.JSON.encode, "a.jsonl": documents.JSON_LINES.encode,
        "a.txt": documents.TEXT.encode,
    }  # fmt: skip
    async with sandbox() as box:
        for name, content in files.items():
            parsed = await box.parse(content(), name, cut=CUT)
            assert parsed.chunks, name
            assert max(chunk.end for chunk in parsed.chunks) <= parsed.text_bytes
        parsed = await box.parse(
            documents.pdf(), "a.pdf", cut=Cut(size=60, overlap=20, count_tokens="tests.ingest.counting:words")
        )
    assert parsed.pages == 2
    assert [(chunk.first_page, chunk.last_page) for chunk in parsed.chunks] == [(1, 1), (1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("loader", "reason"),
    [
        ("eats_memory", "DOCUMENT_MEMORY"),
        ("dies", "DOCUMENT_PARSER_CRASHED"),
        ("raises", "DOCUMENT_PARSER_CRASHED"),
        ("recurses", "DOCUMENT_CORRUPT"),
        ("garbles", "DOCUMENT_PARSER_CRASHED"),
    ],
)
async def test_a_failing_parser_costs_one_document(loader: str, reason: str) -> None:
    async with sandbox(memory_bytes=128 * MB) as box:
        assert await refusal(box, b"x", f"test/{loader}") == reason
        assert await text_of(box, b"The next one.") == "The next one."


async def test_a_document_that_computes_for_ever_is_stopped() -> None:
    async with sandbox(cpu_seconds=1, wall_seconds=30) as box:
        assert await refusal(box, b"x", "test/computes") == "DOCUMENT_TIMEOUT"
        assert await text_of(box, b"The next one.") == "The next one."


async def test_a_document_that_hangs_is_stopped(tmp_path: Path) -> None:
    async with line(tmp_path) as answers, sandbox(wall_seconds=1) as box:
        assert await refusal(box, bytes(answers.path), "test/hangs") == "DOCUMENT_TIMEOUT"
        assert await text_of(box, b"The next one.") == "The next one."
        assert not psutil.pid_exists(await answers.pids.get())


async def test_a_child_killed_from_outside_costs_one_document(tmp_path: Path) -> None:
    async with line(tmp_path) as answers, sandbox() as box:
        hanging = asyncio.create_task(refusal(box, bytes(answers.path), "test/hangs"))
        os.kill(await answers.pids.get(), signal.SIGKILL)
        assert await hanging == "DOCUMENT_PARSER_CRASHED"
        assert await text_of(box, b"The next one.") == "The next one."


async def test_a_child_killed_while_it_waits_costs_no_document() -> None:
    async with sandbox(workers=2) as box:
        for number in range(3):
            for pid in children():
                os.kill(pid, signal.SIGKILL)
            assert await text_of(box, f"Number {number}.".encode()) == f"Number {number}."


async def test_a_cancelled_document_never_answers_for_the_next(tmp_path: Path) -> None:
    async with line(tmp_path) as answers, sandbox() as box:
        for number in range(3):
            hanging = asyncio.create_task(text_of(box, bytes(answers.path), "test/hangs"))
            pid = await answers.pids.get()
            hanging.cancel()
            await asyncio.wait([hanging])
            assert hanging.cancelled()
            assert not psutil.pid_exists(pid)
            assert await text_of(box, f"Number {number}.".encode()) == f"Number {number}."


async def test_documents_at_once_get_their_own_answers() -> None:
    async with sandbox(workers=2) as box:
        texts = [f"Document {number} speaks." for number in range(40)]
        assert await asyncio.gather(*(text_of(box, text.encode()) for text in texts)) == texts
        assert len(children()) == 2


async def test_a_worn_child_is_replaced() -> None:
    async with sandbox(documents_per_worker=2) as box:
        pids = [(await text_of(box, b"x", "test/tells")).split()[0] for _ in range(6)]
    assert [len(set(pids[:2])), len(set(pids))] == [1, 3]


async def test_no_child_is_left_when_the_sandbox_closes(tmp_path: Path) -> None:
    async with line(tmp_path) as answers:
        async with sandbox(workers=2) as box:
            hanging = asyncio.create_task(refusal(box, bytes(answers.path), "test/hangs"))
            await answers.pids.get()
        assert children() == set()
        assert await hanging == "DOCUMENT_PARSER_CRASHED"


async def test_a_child_sees_no_secret_and_nothing_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGENTS_CHAT_KEY", "secret")
    async with sandbox() as box:
        parsed = await box.parse(b"x", "a.txt", "test/tells", Cut(size=4000))
        seen = parsed.chunks[0].text
    assert "environment=['GRPC_ENABLE_FORK_SUPPORT', 'LC_CTYPE', 'PYTHONPATH', 'PYTHONUTF8', 'TZ']" in seen.replace(
        "'LC_CTYPE', '", "'LC_CTYPE', '"
    )
    assert seen.endswith("modules=[]")


async def test_a_parser_can_print_but_not_write_files(tmp_path: Path) -> None:
    async with sandbox() as box:
        assert await text_of(box, b"x", "test/prints") == "printed"
        assert await text_of(box, bytes(tmp_path / "left"), "test/writes") == "refused: OSError"


def test_a_child_dies_with_the_server_in_the_middle_of_a_document(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from tests.ingest.test_sandbox import sandbox, text_of\n"
        "async def main():\n"
        "    async with sandbox() as box:\n"
        "        await text_of(box, sys.argv[1].encode(), 'test/hangs')\n"
        "asyncio.run(main())\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "line"))
        listener.listen()
        listener.settimeout(60)
        command = [sys.executable, "-c", program, str(tmp_path / "line")]
        with subprocess.Popen(command, env=environment) as server, listener.accept()[0] as connection:
            child = psutil.Process(int(connection.makefile().readline()))
            server.kill()
            assert psutil.wait_procs([child], timeout=10)[1] == []


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b"", "a.txt", "DOCUMENT_EMPTY"),
        (b"x" * (2 * MB + 1), "a.txt", "DOCUMENT_TOO_LARGE"),
        (b"text", "../a.txt", "DOCUMENT_NAME"),
        (documents.pdf(password="tide"), "a.pdf", "DOCUMENT_ENCRYPTED"),
        (documents.replaced(documents.docx(), "word/document.xml", b" " * (20 << 20)), "a.docx", "DOCUMENT_BOMB"),
    ],
)
async def test_refusals_reach_the_caller_with_their_reason(content: bytes, name: str, reason: str) -> None:
    async with sandbox(document_bytes=2 * MB) as box:
        assert await refusal(box, content, name=name) == reason


async def test_a_document_that_outgrows_its_memory_is_refused() -> None:
    body = b"<w:p><w:r><w:t>x</w:t></w:r></w:p>" * 100_000
    name = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    part = b'<w:document xmlns:w="' + name + b'"><w:body>' + body + b"</w:body></w:document>"
    content = documents.replaced(documents.docx(), "word/document.xml", part)
    async with sandbox(memory_bytes=48 * MB) as box:
        assert await refusal(box, content, name="a.docx") == "DOCUMENT_MEMORY"
        assert await text_of(box, b"The next one.") == "The next one."


async def test_text_beyond_the_bound_is_refused() -> None:
    rows = b"".join(b'{"a": "' + b"\\u9999" * 50 + b'"}\n' for _ in range(10))
    async with sandbox(document_bytes=len(rows)) as box:
        assert await text_of(box, rows, name="a.jsonl")
        wide = b'{"' + b"k" * 400 + b'": [' + b"1," * 1200 + b"1]}"
        assert await refusal(box, wide, name="a.json") == "DOCUMENT_TOO_LARGE"
