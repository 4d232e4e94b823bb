"""The clients and the command against the real server: what one puts, the other asks."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ragents_client import DocumentRefused, InvalidRequest, NotFound, error_of_item
from ragents_client.command.app import app
from ragents_client.v1 import PUT_OUTCOME_UNCHANGED, PUT_OUTCOME_UPDATED

HARBOUR = "# Moles\n\nBoats of more than 15 metres use mole two in the harbour of Kehl.\n"
QUESTION = "Which mole do boats of more than 15 metres use?"


def test_documents_go_in_are_asked_and_go_out(connect: Any, grpc_server: str, request: pytest.FixtureRequest) -> None:
    collection = f"c-{len(request.node.name)}"
    with connect(grpc_server) as rag:
        big = b"sail and anchor" + b"\n" * 300_000  # two chunks, one passage
        given = [("harbour.md", HARBOUR.encode()), ("empty.txt", b" "), ("big.txt", big)]
        results = rag.put_documents(given, collection=collection, metadata={"year": 2024})
        assert [bool(result.document) for result in results] == [True, False, True]
        assert isinstance(error_of_item(results[1].failure), DocumentRefused)

        again = rag.put_documents([given[0], ("big.txt", b"sail")], collection=collection, metadata={"year": 2024})
        assert [result.outcome for result in again] == [PUT_OUTCOME_UNCHANGED, PUT_OUTCOME_UPDATED]
        assert [one.name for one in rag.list_documents(collection, page_size=1)] == ["big.txt", "harbour.md"]

        answer = rag.query(QUESTION, collections=collection, conditions={"year": 2024})
        assert "mole two" in answer.text
        assert answer.citations[0].passage.document.name == "harbour.md"
        assert list(rag.stream_query(QUESTION, collections=collection))[-1].answer.text == answer.text
        assert rag.query(QUESTION, collections=collection, conditions={"year": 2023}).HasField("refusal")
        assert rag.retrieve(QUESTION, collections=collection, top_k=1)[0].document.name == "harbour.md"

        assert rag.delete_collection(collection) == 2
        with pytest.raises(NotFound):
            rag.get_document(results[0].document.id)


def test_a_wrong_field_is_named(connect: Any, grpc_server: str) -> None:
    with connect(grpc_server) as rag, pytest.raises(InvalidRequest) as caught:
        rag.query(QUESTION, top_k=1000)
    assert [one.field for one in caught.value.violations] == ["question.top_k"]
    assert caught.value.advice
    assert caught.value.request_id


def test_the_command_puts_and_evaluates(grpc_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAGENTS_SERVER", grpc_server)
    (tmp_path / "harbour.md").write_text(HARBOUR)
    cases = [
        {"question": QUESTION, "expected": "Mole two", "document": "harbour.md"},
        {"question": "Who painted the ceiling of the chapel?", "refused": True},
    ]
    (tmp_path / "cases.jsonl").write_text("\n".join(json.dumps(case) for case in cases))
    run = CliRunner().invoke
    put = run(app, ["put", "harbour.md", "--collection", "evaluated"])
    assert (put.exit_code, put.stdout.partition("  ")[0]) == (0, "created harbour.md")
    result = run(app, ["--json", "eval", "cases.jsonl", "--collection", "evaluated"])
    assert result.exit_code == 0, result.output
    assert run(app, ["ask", "Who painted the chapel?", "--collection", "evaluated"]).exit_code == 3
