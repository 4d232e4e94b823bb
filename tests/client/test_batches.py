"""`ragents batch`, at a scripted server."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ragents_client import NotFound
from ragents_client.testing import ReceivedCall
from ragents_client.v1 import (
    BATCH_STATE_CANCELLED,
    BATCH_STATE_DONE,
    BATCH_STATE_QUEUED,
    BATCH_STATE_RUNNING,
    Answer,
    Batch,
    BatchItem,
    ErrorReason,
    Failure,
    GetBatchResponse,
    Refusal,
)

NOON = Timestamp(seconds=1_700_000_000)
QUEUED = Batch(id="b1", state=BATCH_STATE_QUEUED, total=3, create_time=NOON)
DONE = Batch(id="b1", state=BATCH_STATE_DONE, total=3, done=3, create_time=NOON)
FAILURE = Failure(code=14, reason=ErrorReason.ERROR_REASON_MODEL_UNAVAILABLE, message="The model is away.")
ITEMS = [
    BatchItem(index=0, answer=Answer(text="Mole 2\n[1].")),
    BatchItem(index=1, answer=Answer(refusal=Refusal(message="No document says so."))),
    BatchItem(index=2),
]


@pytest.fixture
def questions(tmp_path: Path) -> str:
    path = tmp_path / "questions.txt"
    path.write_text("Which mole?\n\n  How deep is it? \nWhy?\n")
    return str(path)


def test_a_file_is_submitted_line_by_line(ragents: Any, serve: Any, questions: str) -> None:
    server = serve(SubmitBatch=QUEUED)
    result = ragents("batch", "submit", questions, "--priority", "low", "-c", "papers", "--request-id", "r1")
    assert (result.exit_code, result.stdout) == (0, "b1\n")
    [call] = server.calls
    assert [one.text for one in call.request.questions] == ["Which mole?", "How deep is it?", "Why?"]
    assert call.request.questions[2].collections == ["papers"]
    assert (call.metadata["x-ragents-priority"], call.request.request_id) == ("LOW", "r1")


def test_standard_input_is_a_file_too(ragents: Any, serve: Any) -> None:
    server = serve(SubmitBatch=QUEUED)
    assert json.loads(ragents("batch", "submit", "-", "--json", typed="Why?\n").stdout)["id"] == "b1"
    assert server.calls[0].metadata["x-ragents-priority"] == "NORMAL"


def test_a_file_without_questions_is_wrong_usage(ragents: Any, serve: Any) -> None:
    serve()
    assert ragents("batch", "submit", "-", typed="\n \n").exit_code == 2


def test_waiting_looks_until_it_is_over_and_prints_the_outcomes(ragents: Any, serve: Any, questions: str) -> None:
    looks = iter([BATCH_STATE_QUEUED, BATCH_STATE_RUNNING, BATCH_STATE_DONE, BATCH_STATE_DONE])

    def look(call: ReceivedCall) -> GetBatchResponse:
        batch = Batch(id="b1", state=next(looks), total=2, done=1)
        return GetBatchResponse(batch=batch, items=ITEMS[:2])

    server = serve(SubmitBatch=QUEUED, GetBatch=look)
    result = ragents("batch", "submit", questions, "--wait")
    assert (result.exit_code, result.stdout) == (0, "1\tMole 2 [1].\n2\tNo document says so.\n")
    assert server.count("GetBatch") == 4


def test_a_batch_is_shown_as_far_as_it_is(ragents: Any, serve: Any) -> None:
    items = [*ITEMS, BatchItem(index=3, failure=FAILURE)]
    running = Batch(id="b1", state=BATCH_STATE_RUNNING, total=4, done=3, create_time=NOON)
    serve(GetBatch=GetBatchResponse(batch=running, items=items))
    result = ragents("batch", "show", "b1")
    assert result.exit_code == 1
    assert result.stdout == "1\tMole 2 [1].\n2\tNo document says so.\n"
    assert result.stderr.startswith("b1  running  3 of 4  2023-11-14T22:13:20+00:00\n4\tThe model is away.")
    shown = json.loads(ragents("batch", "show", "b1", "--json").stdout)
    assert (shown["batch"]["done"], len(shown["items"])) == (3, 4)


def test_a_batch_is_cancelled(ragents: Any, serve: Any) -> None:
    cancelled = Batch(id="b1", state=BATCH_STATE_CANCELLED, total=3, done=1, create_time=NOON)
    server = serve(CancelBatch=cancelled)
    assert ragents("batch", "cancel", "b1").stdout.startswith("b1  cancelled  1 of 3")
    assert server.calls[0].request.batch_id == "b1"


def test_a_batch_that_is_not_there_is_told_in_a_line(ragents: Any, serve: Any) -> None:
    serve(GetBatch=NotFound("no such batch"))
    result = ragents("batch", "show", "b1")
    assert result.exit_code == 1 and result.stderr.startswith("NotFound: no such batch")


def test_both_clients_submit_follow_and_cancel(connect: Any, serve: Any) -> None:
    server = serve(SubmitBatch=QUEUED, GetBatch=GetBatchResponse(batch=DONE, items=ITEMS), CancelBatch=DONE)
    with connect(server.address, priority="HIGH") as rag:
        assert rag.submit_batch(["Why?", "How?"], top_k=3).id == "b1"
        assert rag.get_batch("b1").state == BATCH_STATE_DONE
        assert [item.index for item in rag.list_batch_items("b1")] == [0, 1, 2]
        assert rag.cancel_batch("b1").done == 3
    assert {call.metadata["x-ragents-priority"] for call in server.calls} == {"HIGH"}
    assert len(server.calls[0].request.request_id) == 32
