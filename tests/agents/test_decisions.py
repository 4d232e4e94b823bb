"""What is done for a turn, given what is stored."""

from dataclasses import replace

import pytest
from google.protobuf.struct_pb2 import Value

from ragents_client.v1 import Failure, Question, Reply, Run, RunState, Turn
from ragents_client.v1.error_reason_pb2 import ERROR_REASON_BUDGET_SPENT, ERROR_REASON_MODEL_UNAVAILABLE
from ragents_server.agents.decisions import Follow, Over, SameReply, Take, Wait, decide
from ragents_server.caller import Caller
from ragents_server.errors import InvalidRequest, NotFound, RequestIdReused
from ragents_server.threads.request import TurnRequest
from ragents_server.threads.runs import Known, Look

ADA = Caller("acme", "ada")
GIVEN = "0" * 32  # the form of an id that a server gives
NOTHING = Look(
    thread=False, agent="", token=None, leased=False, latest=None, latest_state=0, run=None, replied=None, seq=0
)
IDLE = replace(
    NOTHING, thread=True, agent="react", token=3, latest="before", latest_state=RunState.Value("RUN_STATE_ANSWERED")
)


def state(name: str) -> "RunState.ValueType":
    return RunState.Value(f"RUN_STATE_{name}")


def asking(text: str = "Which mole?", thread: str = "mine", request: str = "r1") -> TurnRequest:
    return TurnRequest(ADA, Turn(thread_id=thread, request_id=request, question=Question(text=text)))


def replying(to: str, words: str = "north", request: str = "r2") -> TurnRequest:
    reply = Reply(interrupt_id=to, value=Value(string_value=words))
    return TurnRequest(ADA, Turn(thread_id="mine", request_id=request, reply=reply))


def known(request: TurnRequest, name: str, reason: int = 0) -> Known:
    outcome = Run(failure=Failure(reason=reason)) if reason else Run()
    return Known(request.run_id, request.digest, state(name), outcome)


def test_a_new_thread_is_begun() -> None:
    assert decide(asking(), NOTHING) == Take("", rewind=False)


def test_a_thread_with_an_id_that_a_server_gave_must_be_there() -> None:
    with pytest.raises(NotFound, match="no such thread"):
        decide(asking(thread=GIVEN), NOTHING)


def test_an_idle_thread_is_gone_on_with_by_its_own_agent() -> None:
    assert decide(asking(), IDLE) == Take("react", rewind=False)


@pytest.mark.parametrize("left", ["FAILED", "CANCELLED", "INTERRUPTED", "RUNNING"])
def test_what_an_abandoned_turn_left_is_dropped(left: str) -> None:
    assert decide(asking(), replace(IDLE, latest_state=state(left))) == Take("react", rewind=True)


def test_a_busy_thread_is_waited_for() -> None:
    assert decide(asking(), replace(IDLE, leased=True)) == Wait()


@pytest.mark.parametrize("end", ["ANSWERED", "INTERRUPTED", "CANCELLED"])
def test_a_run_that_is_over_is_not_run_again(end: str) -> None:
    run = known(asking(), end)
    assert decide(asking(), replace(IDLE, run=run, leased=True)) == Over(run)


def test_a_run_that_failed_is_tried_again_where_it_was() -> None:
    request = asking()
    run = known(request, "FAILED", ERROR_REASON_MODEL_UNAVAILABLE)
    look = replace(IDLE, run=run, latest=request.run_id, latest_state=state("FAILED"))
    assert decide(request, look) == Take("react", rewind=False)


def test_a_spent_budget_is_not_spent_again() -> None:
    run = known(asking(), "FAILED", ERROR_REASON_BUDGET_SPENT)
    assert decide(asking(), replace(IDLE, run=run)) == Over(run)


def test_a_run_under_way_elsewhere_is_followed_and_taken_up_when_its_lease_ends() -> None:
    request = asking()
    look = replace(IDLE, run=known(request, "RUNNING"), latest=request.run_id, latest_state=state("RUNNING"))
    assert decide(request, replace(look, leased=True)) == Follow()
    assert decide(request, look) == Take("react", rewind=False)


def test_a_failed_run_waits_for_the_turn_that_came_since_and_then_begins_anew() -> None:
    request = asking()
    look = replace(IDLE, run=known(request, "FAILED"), latest="later", latest_state=state("RUNNING"))
    assert decide(request, replace(look, leased=True)) == Wait()
    assert decide(request, look) == Take("react", rewind=True)
    assert decide(request, replace(look, latest_state=state("ANSWERED"))) == Take("react", rewind=False)


def test_the_same_request_id_for_another_request_is_refused() -> None:
    run = known(asking(), "ANSWERED")
    with pytest.raises(RequestIdReused):
        decide(asking("Which harbour?"), replace(IDLE, run=run))


def test_a_reply_goes_on_with_what_the_thread_waits_on() -> None:
    waiting = replace(IDLE, latest="asked", latest_state=state("INTERRUPTED"))
    assert decide(replying("asked"), waiting) == Take("react", rewind=False)


@pytest.mark.parametrize("look", [IDLE, replace(IDLE, latest="asked", latest_state=state("ANSWERED"))])
def test_a_reply_that_nobody_waits_on_is_refused(look: Look) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decide(replying("asked"), look)
    assert refused.value.violations == {"turn.reply.interrupt_id": "is not what the thread waits on"}


def test_a_reply_in_an_absent_thread_is_not_found() -> None:
    with pytest.raises(NotFound):
        decide(replying("asked"), NOTHING)


def test_the_same_reply_under_another_request_id_has_the_first_ones_outcome() -> None:
    first = replying("asked", request="r7").turn
    assert decide(replying("asked"), replace(IDLE, replied=("run7", first))) == SameReply(first)
    with pytest.raises(InvalidRequest):
        decide(replying("asked", "south"), replace(IDLE, replied=("run7", first)))


def test_a_reply_whose_question_was_dropped_since_is_refused() -> None:
    request = replying("asked")
    look = replace(IDLE, run=known(request, "FAILED"), latest="later")
    with pytest.raises(InvalidRequest):
        decide(request, look)
