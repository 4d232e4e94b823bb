"""The command as a shell meets it: what it prints where, in a pipe and on a terminal, and how it ends."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ragents_client import RateLimited, StateUnavailable
from ragents_client.command.app import app, shared_first
from ragents_client.testing import ReceivedCall, ScriptedServer, scripted_server
from ragents_client.v1 import (
    PUT_OUTCOME_CREATED,
    Agent,
    Answer,
    Citation,
    Collection,
    DeleteCollectionResponse,
    DeleteDocumentResponse,
    Delta,
    Document,
    Event,
    Failure,
    Interrupt,
    Passage,
    Progress,
    PutDocumentsResponse,
    Refusal,
    RetrieveResponse,
    Score,
    Started,
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


@pytest.fixture
def ragents() -> Callable[..., Result]:
    def run(*arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(app, shared_first(arguments), input=typed)

    return run


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ScriptedServer]]:
    """Starts a scripted server that the command finds by itself."""
    running: list[ScriptedServer] = []

    def start(**script: Any) -> ScriptedServer:
        running.append(scripted_server(script))
        monkeypatch.setenv("RAGENTS_SERVER", running[-1].address)
        return running[-1]

    yield start
    for server in running:
        server.close()


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


def test_a_piped_chat_sends_what_was_said_before(ragents: Any, serve: Any) -> None:
    server = serve(StreamQuery=STREAMED)
    result = ragents("chat", typed="Which mole?\n\nAnd the fee?\n/exit\nnever\n")
    assert result.exit_code == 0
    assert result.stdout.count("Mole 2 [1]. It costs 12 euros [2].\n") == 2
    asked = [call.request.question for call in server.calls if call.rpc == "StreamQuery"]
    assert [one.text for one in asked] == ["Which mole?", "And the fee?"]
    assert [(one.question, one.answer) for one in asked[1].history] == [("Which mole?", ANSWER.text)]


def test_a_chat_with_an_agent_stays_on_its_thread_and_answers_its_questions(ragents: Any, serve: Any) -> None:
    def turn(call: ReceivedCall) -> list[Event]:
        started = Event(started=Started(thread_id="t1"))
        if call.request.turn.HasField("question"):
            return [started, Event(interrupt=Interrupt(id="i1", text="Which harbour?", options=["north", "south"]))]
        return [started, Event(answer=ANSWER)]

    server = serve(ListAgents=Agent(name="react"), StreamRun=turn)
    result = ragents("chat", "--agent", "react", typed="Which mole?\nsouth\n")
    assert result.exit_code == 0
    assert "Which harbour?\n(north / south)\nMole 2" in result.stdout
    first, second = (call.request.turn for call in server.calls if call.rpc == "StreamRun")
    assert (first.agent, first.thread_id) == ("react", "")
    assert (second.thread_id, second.reply.interrupt_id, second.reply.value.string_value) == ("t1", "i1", "south")


def test_a_chat_goes_on_after_a_failure_and_tells_it_at_the_end(ragents: Any, serve: Any) -> None:
    serve(
        StreamQuery=lambda call: [RateLimited("no", retry_after=1)] if call.request.question.text == "a" else STREAMED
    )
    result = ragents("chat", typed="a\nb\n")
    assert result.exit_code == 1
    assert "RateLimited: no" in result.stderr
    assert "Mole 2" in result.stdout


def test_a_named_agent_that_is_not_there_is_a_failure(ragents: Any, serve: Any) -> None:
    serve()
    result = ragents("chat", "--agent", "react", typed="a\n")
    assert (result.exit_code, result.stderr.partition(":")[0]) == (1, "Unimplemented")


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


def on_a_terminal(*arguments: str) -> tuple[int, str]:
    """Runs the command on a terminal of its own; gives its exit status and all it showed."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    with subprocess.Popen(
        [*RAGENTS, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as running:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # the terminal's other side is closed
            pass
        os.close(ours)
        return running.wait(60), shown.decode()


def test_an_answer_grows_on_a_terminal_and_is_said_whole_when_a_piece_was_lost(serve: Any) -> None:
    serve(StreamQuery=STREAMED)
    status, shown = on_a_terminal("ask", "?")
    assert status == 0
    assert shown.index("Mole 2 [1]. It costs\r\n") < shown.index("Mole 2 [1]. It costs 12 euros [2].\r\n")
    assert "\x1b[" in shown


@pytest.mark.usefixtures("folder")
def test_put_counts_documents_and_passages_on_a_terminal(serve: Any) -> None:
    serve(PutDocuments=keep)
    status, shown = on_a_terminal("put", "docs")
    assert status == 1
    assert "reading docs" in shown
    assert "3/3" in shown
    assert "4 passages" in shown
    assert "docs/bad.pdf: it is encrypted" in shown


def test_silence_is_explained_and_ctrl_c_ends_with_130(serve: Any) -> None:
    left = threading.Event()

    def hang(call: ReceivedCall) -> Any:
        call.context.add_callback(left.set)
        left.wait(30)
        raise StateUnavailable("left")

    server = serve(StreamQuery=hang, Query=hang)
    for arguments in (["ask", "?"], ["ask", "?", "--json"]):
        left.clear()
        with subprocess.Popen([*RAGENTS, *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE) as running:
            assert running.stderr is not None
            assert running.stderr.readline().decode() == f"waiting for {server.address} …\n"
            running.send_signal(signal.SIGINT)
            assert running.wait(30) == 130
            assert running.stderr.read() == b""
        assert left.wait(10)


def test_without_its_extra_the_command_names_it(tmp_path: Path) -> None:
    (tmp_path / "rich.py").write_text("raise ModuleNotFoundError(\"No module named 'rich'\", name='rich')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [*RAGENTS, "version"], capture_output=True, text=True, check=False, env=environment, timeout=60
    )
    assert (done.returncode, done.stderr) == (78, "ragents: rich is not installed; install ragents-grpc[cli]\n")
