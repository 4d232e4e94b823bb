"""`ragents chat` goes on from question to question."""

from typing import Any

from ragents_client import RateLimited
from ragents_client.testing import ReceivedCall
from ragents_client.v1 import (
    Agent,
    Answer,
    Citation,
    Delta,
    Document,
    Event,
    Interrupt,
    Passage,
    Refusal,
    Started,
)

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
