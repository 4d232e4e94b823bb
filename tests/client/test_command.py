"""The command as a shell meets it: what it prints where, in a pipe and on a terminal, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ragents_client import RateLimited, StateUnavailable
from ragents_client.command.app import shared_first
from ragents_client.testing import ReceivedCall
from ragents_client.v1 import (
    Answer,
    Citation,
    Collection,
    DeleteCollectionResponse,
    DeleteDocumentResponse,
    Delta,
    Document,
    Event,
    Passage,
    Refusal,
    RetrieveResponse,
    Score,
)

RAGENTS = [sys.executable, "-c", "from ragents_client.command import main; main()"]
MOLE = Citation(
    number=1,
    quote="Boats of 20 m\nuse mole 2.",
    passage=Passage(document=Document(name="docs/harbour.md"), first_line=3, heading="Moles > Use"),
)
FEES = Citation(
    number=2, quote="12 euros", passage=Passage(document=Document(name="fees.pdf"), first_page=4, last_page=5)
)
ANSWER = Answer(text="Mole 2 [1]. It costs 12 euros [2].", citations=[FEES, MOLE, MOLE])
REFUSED = Answer(text="No passage says this.", refusal=Refusal(message="The closest is docs/fees.md."))
STREAMED = [Event(delta=Delta(text="Mole 2 [1].")), Event(delta=Delta(text=" It costs")), Event(answer=ANSWER)]


def test_an_answer_is_printed_with_its_numbered_sources(ragents: Any, serve: Any) -> None:
    server = serve(StreamQuery=STREAMED)
    result = ragents(
        "ask", "Which mole?", "--collection", "harbour", "--top-k", "3", "--where", "year=2024", "--where", "a=b=c"
    )
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Mole 2 [1]. It costs 12 euros [2].",
        "[1] docs/harbour.md, line 3",
        "    “Boats of 20 m use mole 2.”",
        "[2] fees.pdf, pages 4-5",
        "    “12 euros”",
    ]
    question = server.calls[0].request.question
    assert (list(question.collections), question.top_k) == (["harbour"], 3)
    assert [one.equals.number_value or one.equals.string_value for one in question.conditions] == [2024, "b=c"]


def test_a_refusal_says_why_and_ends_with_3(ragents: Any, serve: Any) -> None:
    serve(StreamQuery=Event(answer=REFUSED))
    result = ragents("ask", "Which mole?")
    assert (result.exit_code, result.stdout) == (3, "No passage says this.\nThe closest is docs/fees.md.\n")


@pytest.mark.parametrize(("answer", "status"), [(ANSWER, 0), (REFUSED, 3)])
@pytest.mark.parametrize("arguments", [("ask", "?", "--json"), ("--json", "ask", "?")])
def test_json_is_the_whole_response_wherever_the_option_stands(
    ragents: Any, serve: Any, arguments: tuple[str, ...], answer: Answer, status: int
) -> None:
    serve(Query=answer)
    result = ragents(*arguments)
    assert result.exit_code == status
    assert json.loads(result.stdout)["answer"]["text"] == answer.text


def test_a_failed_call_is_two_lines_and_no_traceback(ragents: Any, serve: Any) -> None:
    serve(StreamQuery=RateLimited("60 requests a minute for user ada", retry_after=2.4))
    result = ragents("ask", "Which mole?")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "RateLimited: 60 requests a minute for user ada; send again in 2.4 s\n"


def test_no_server_ends_with_4_and_says_what_to_check(ragents: Any, serve: Any) -> None:
    serve().close()
    result = ragents("ask", "Which mole?")
    assert result.exit_code == 4
    assert result.stderr.startswith("Unreachable: cannot reach 127.0.0.1:")
    assert "ragents-server" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("ask",),
        ("ask", "?", "--where", "year"),
        ("ask", "?", "--server", "far.example:1", "--token-file", "TOKEN"),
        ("bark",),
    ],
)
def test_wrong_usage_ends_with_2(ragents: Any, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    result = ragents(*(str(token) if one == "TOKEN" else one for one in arguments))
    assert result.exit_code == 2
    assert "secret" not in result.output


def test_shared_options_stop_at_the_double_dash() -> None:
    assert shared_first(["ask", "--timeout", "3", "--", "--json"]) == ["--timeout", "3", "ask", "--", "--json"]
    assert shared_first(["ask", "--server=a:1", "x"]) == ["--server=a:1", "ask", "x"]


def test_a_documents_escape_sequences_do_not_reach_the_terminal(ragents: Any, serve: Any) -> None:
    serve(StreamQuery=Event(answer=Answer(text="red \x1b[31malert\x1b]0;title\x07 [bold]x[/bold]")))
    assert ragents("ask", "?").stdout == "red [31malert]0;title [bold]x[/bold]\n"


def test_retrieve_shows_both_legs(ragents: Any, serve: Any) -> None:
    score = Score(fused=0.8, lexical=7.25, dense=0.5)
    passage = Passage(document=Document(name="a.md"), first_line=2, text="Mole\n2", score=score)
    serve(Retrieve=RetrieveResponse(passages=[passage]))
    assert ragents("retrieve", "?").stdout == "0.800\t7.250\t0.500\ta.md, line 2\tMole 2\n"
    assert json.loads(ragents("retrieve", "?", "--json").stdout)["passages"][0]["score"]["lexical"] == 7.25


def test_documents_are_listed_shown_and_deleted_by_name(ragents: Any, serve: Any) -> None:
    kept = Document(id="0" * 32, name="a.md", passages=2, size=10, state=2, media_type="text/markdown")
    server = serve(ListDocuments=kept, GetDocument=kept, DeleteDocument=DeleteDocumentResponse())
    assert ragents("documents", "list").stdout == f"a.md\t2\t10\tready\ttext/markdown\t{'0' * 32}\n"
    assert json.loads(ragents("documents", "list", "--json").stdout)["documents"][0]["name"] == "a.md"
    assert "name: a.md\n" in ragents("documents", "show", "a.md").stdout
    result = ragents("documents", "delete", "a.md", "b.md", "1" * 32)
    assert (result.exit_code, result.stdout) == (1, f"deleted a.md\ndeleted {'1' * 32}\n")
    assert "no document 'b.md'" in result.stderr
    deleted = [call.request.document_id for call in server.calls if call.rpc == "DeleteDocument"]
    assert deleted == ["0" * 32, "1" * 32]


def test_a_collection_is_deleted_only_when_meant(ragents: Any, serve: Any) -> None:
    server = serve(
        ListCollections=Collection(name="c", documents=3), DeleteCollection=DeleteCollectionResponse(documents=3)
    )
    assert ragents("collections", "list").stdout.startswith("c\t3\t")
    assert ragents("collections", "delete", "c", typed="n\n").exit_code == 1
    assert server.count("DeleteCollection") == 0
    assert ragents("collections", "delete", "c", "--yes").stdout == "deleted c with 3 documents\n"


def test_version_is_the_release(ragents: Any) -> None:
    assert ragents("version").stdout.startswith("ragents ")
    assert json.loads(ragents("version", "--json").stdout)["version"]


def test_output_in_a_pipe_has_no_escape_sequences(serve: Any) -> None:
    serve(StreamQuery=STREAMED)
    environment = {**os.environ, "TERM": "xterm-256color"}
    done = subprocess.run([*RAGENTS, "ask", "?"], capture_output=True, check=False, env=environment, timeout=60)
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout + done.stderr
    assert done.stdout.startswith(b"Mole 2 [1].")


def test_an_answer_grows_on_a_terminal_and_is_said_whole_when_a_piece_was_lost(on_a_terminal: Any, serve: Any) -> None:
    serve(StreamQuery=STREAMED)
    status, shown = on_a_terminal("ask", "?")
    assert status == 0
    assert shown.index("Mole 2 [1]. It costs\r\n") < shown.index("Mole 2 [1]. It costs 12 euros [2].\r\n")
    assert "\x1b[" in shown


def test_silence_is_explained_and_ctrl_c_ends_with_130(serve: Any) -> None:
    came, left = threading.Event(), threading.Event()

    def hang(call: ReceivedCall) -> Any:
        call.context.add_callback(left.set)
        came.set()
        left.wait(30)
        raise StateUnavailable("left")

    server = serve(StreamQuery=hang, Query=hang)
    for arguments in (["ask", "?"], ["ask", "?", "--json"]):
        came.clear()
        left.clear()
        with subprocess.Popen([*RAGENTS, *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE) as running:
            assert running.stderr is not None
            assert running.stderr.readline().decode() == f"waiting for {server.address} …\n"
            assert came.wait(30)
            running.send_signal(signal.SIGINT)
            assert running.wait(30) == 130, running.stderr.read().decode()
            assert running.stderr.read() == b""
        assert left.wait(10)


def test_without_its_extra_the_command_names_it(tmp_path: Path) -> None:
    (tmp_path / "rich.py").write_text("raise ModuleNotFoundError(\"No module named 'rich'\", name='rich')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [*RAGENTS, "version"], capture_output=True, text=True, check=False, env=environment, timeout=60
    )
    assert (done.returncode, done.stderr) == (78, "ragents: rich is not installed; install ragents-grpc[cli]\n")
