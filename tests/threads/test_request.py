"""Ids of threads and runs, and the caller that is kept with a run."""

import pytest
from google.protobuf.struct_pb2 import Value

from ragents_client.v1 import Question, Reply, Turn
from ragents_server.caller import Caller, from_text, to_text
from ragents_server.threads.request import TurnRequest

ADA = Caller("acme", "ada")
ASKED = Turn(request_id="r1", question=Question(text="Which mole?"))


def test_an_id_is_each_users_own() -> None:
    callers = [ADA, Caller("acme", "bob"), Caller("b", "ada"), Caller("acm", "eada")]
    requests = [TurnRequest(caller, ASKED) for caller in callers]
    for ids in ({one.run_id for one in requests}, {one.thread_id for one in requests}, {one.key for one in requests}):
        assert len(ids) == 4
    assert TurnRequest(ADA, ASKED).run_id == requests[0].run_id


def test_a_new_thread_has_the_same_id_when_its_request_is_sent_again_and_another_for_another_request() -> None:
    other = Turn(request_id="r2", question=Question(text="Which mole?"))
    assert TurnRequest(ADA, ASKED).thread_id == TurnRequest(ADA, ASKED).thread_id
    assert TurnRequest(ADA, ASKED).thread_id != TurnRequest(ADA, other).thread_id


@pytest.mark.parametrize(
    "change",
    [
        {"question": Question(text="Which harbour?")},
        {"thread_id": "mine"},
        {"agent": "react"},
        {"reply": Reply(interrupt_id="i", value=Value(bool_value=True))},
    ],
)
def test_whatever_is_asked_for_is_in_the_digest(change: dict[str, object]) -> None:
    other = Turn()
    other.CopyFrom(ASKED)
    other.MergeFrom(Turn(**change))  # type: ignore[arg-type]
    assert TurnRequest(ADA, other).digest != TurnRequest(ADA, ASKED).digest


def test_how_a_run_is_waited_for_is_not_in_the_digest() -> None:
    detached = Turn()
    detached.CopyFrom(ASKED)
    detached.detached = True
    assert TurnRequest(ADA, detached).digest == TurnRequest(ADA, ASKED).digest


@pytest.mark.parametrize(
    ("turn", "must"),
    [
        (Turn(thread_id="0" * 32, question=Question(text="x")), True),
        (Turn(thread_id="mine", question=Question(text="x")), False),
        (Turn(question=Question(text="x")), False),
        (Turn(thread_id="mine", reply=Reply(interrupt_id="i")), True),
    ],
)
def test_a_thread_must_be_there_when_a_server_named_it_or_it_is_replied_in(turn: Turn, must: bool) -> None:
    assert TurnRequest(ADA, turn).must_exist == must


def test_a_caller_is_kept_whole() -> None:
    caller = Caller(
        "acme", "ada", frozenset({"ask"}), frozenset({"papers", "fees"}), "HIGH", "gold", frozenset({"retrieve"})
    )
    assert from_text(to_text(caller)) == caller
    assert from_text(to_text(ADA)) == ADA
