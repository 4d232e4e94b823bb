"""`ragents put` tells of each document what became of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ragents_client.testing import ReceivedCall
from ragents_client.v1 import (
    PUT_OUTCOME_CREATED,
    Document,
    Failure,
    Progress,
    PutDocumentsResponse,
)


def keep(call: ReceivedCall) -> Iterator[PutDocumentsResponse]:
    """Takes every document but those named bad."""
    for index, part in enumerate(call.read()):
        name = part.upload.name
        yield PutDocumentsResponse(index=index, name=name, progress=Progress(total=2))
        if "bad" in name:
            yield PutDocumentsResponse(
                index=index, name=name, failure=Failure(code=3, reason=32, message="it is encrypted")
            )
        else:
            document = Document(name=name, passages=2)
            yield PutDocumentsResponse(index=index, name=name, document=document, outcome=PUT_OUTCOME_CREATED)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("a.md", "bad.pdf", "c.md"):
        (docs / name).write_text("text")
    return docs


@pytest.mark.usefixtures("folder")
def test_put_prints_a_line_a_document_and_failures_apart(ragents: Any, serve: Any) -> None:
    server = serve(PutDocuments=keep)
    result = ragents("put", "docs", "--collection", "c", "--meta", "year=2024")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "created docs/a.md  2 passages",
        "created docs/c.md  2 passages",
        "2 documents, 4 passages, 1 failed",
    ]
    assert result.stderr.startswith("docs/bad.pdf: it is encrypted")
    assert server.calls[0].sent[0].upload.metadata["year"] == 2024


@pytest.mark.usefixtures("folder")
def test_put_ends_with_0_when_all_are_in(ragents: Any, serve: Any) -> None:
    serve(PutDocuments=keep)
    result = ragents("put", "docs/a.md", "docs/c.md", "--json")
    assert result.exit_code == 0
    results = json.loads(result.stdout)["results"]
    assert [(one["name"], one["outcome"]) for one in results] == [
        ("docs/a.md", "PUT_OUTCOME_CREATED"),
        ("docs/c.md", "PUT_OUTCOME_CREATED"),
    ]


def test_put_of_nothing_says_so(ragents: Any, serve: Any, tmp_path: Path) -> None:
    serve()
    empty = ragents("put", str(tmp_path))
    assert (empty.exit_code, empty.stderr) == (1, f"no files in {tmp_path}\n")
    missing = ragents("put", str(tmp_path / "nowhere.md"))
    assert missing.exit_code == 1
    assert "nowhere.md: cannot be read: No such file or directory" in missing.stderr


@pytest.mark.usefixtures("folder")
def test_put_counts_documents_and_passages_on_a_terminal(on_a_terminal: Any, serve: Any) -> None:
    serve(PutDocuments=keep)
    status, shown = on_a_terminal("put", "docs")
    assert status == 1
    assert "reading docs" in shown
    assert "3/3" in shown
    assert "4 passages" in shown
    assert "docs/bad.pdf: it is encrypted" in shown
