"""`ragents agents`, `ragents threads` and `ragents chat --thread`, at a scripted server."""

import json
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from ragents_client import Draining, ModelUnavailable, NotFound
from ragents_client.testing import ReceivedCall
from ragents_client.v1 import (
    Agent,
    Answer,
    Checkpoint,
    DeleteThreadResponse,
    Delta,
    Event,
    Exchange,
    GetThreadResponse,
    Interrupt,
    ListAgentsResponse,
    ListThreadsResponse,
    Started,
    Thread,
)

NOON = Timestamp(seconds=1_700_000_000)
FIRST = Thread(id="t1", agent="react", title="Which mole?", turns=2, update_time=NOON)
WAITING = Thread(id="t2", agent="logical", title="And now?", interrupt=Interrupt(id="i1", text="Which harbour?"))
SAID = [Exchange(question="Which mole?", answer="Mole 2 [1].")]


def test_agents_are_listed_for_people_and_for_scripts(ragents: Any, serve: Any) -> None:
    agent = Agent(name="react", description="Calls tools.", capabilities=["memory"], tools=["retrieve", "date"])
    serve(ListAgents=ListAgentsResponse(agents=[agent]))
    assert ragents("agents").stdout == "react\tCalls tools.\tmemory\tretrieve, date\n"
    assert json.loads(ragents("agents", "--json").stdout)["agents"][0]["tools"] == ["retrieve", "date"]


def test_threads_are_listed_with_what_they_do(ragents: Any, serve: Any) -> None:
    running = Thread(id="t3", agent="react", run_id="r1", title="x")
    serve(ListThreads=ListThreadsResponse(threads=[FIRST, WAITING, running]))
    rows = [line.split("\t") for line in ragents("threads", "list").stdout.splitlines()]
    assert rows[0] == ["t1", "react", "2", "2023-11-14T22:13:20+00:00", "", "Which mole?"]
    assert [row[4] for row in rows] == ["", "waits for a reply", "running"]
    assert len(json.loads(ragents("threads", "list", "--json").stdout)["threads"]) == 3


def test_only_as_many_threads_are_asked_for_as_are_shown(ragents: Any, serve: Any) -> None:
    server = serve(ListThreads=ListThreadsResponse(threads=[FIRST, WAITING], next_page_token="more"))
    assert len(ragents("threads", "list", "--most", "2").stdout.splitlines()) == 2
    assert [call.request.page_size for call in server.calls] == [2]


def test_a_conversation_is_shown_with_what_it_waits_on(ragents: Any, serve: Any) -> None:
    serve(GetThread=GetThreadResponse(thread=WAITING, exchanges=SAID))
    assert ragents("threads", "show", "t2").stdout == "> Which mole?\nMole 2 [1].\n\nWhich harbour?\n"


def test_saved_states_are_listed_and_forked_from(ragents: Any, serve: Any) -> None:
    checkpoint = Checkpoint(id="c2", step=1, next=["answer"], exchanges=SAID, create_time=NOON)
    server = serve(GetThreadHistory=checkpoint, ForkThread=Thread(id="t9"))
    assert ragents("threads", "history", "t1").stdout == "c2\t1\t2023-11-14T22:13:20+00:00\tanswer\t1\n"
    assert ragents("threads", "fork", "t1", "--checkpoint", "c2").stdout == "t9\n"
    asked = server.calls[-1].request
    assert (asked.thread_id, asked.checkpoint_id, len(asked.request_id)) == ("t1", "c2", 32)


def test_deleting_goes_on_after_a_thread_that_is_not_there(ragents: Any, serve: Any) -> None:
    serve(
        DeleteThread=lambda call: (
            NotFound("no such thread") if call.request.thread_id == "t1" else DeleteThreadResponse()
        )
    )
    result = ragents("threads", "delete", "t1", "t2")
    assert (result.exit_code, result.stdout) == (1, "deleted t2\n")
    assert result.stderr.startswith("t1: no such thread")


def test_a_chat_goes_on_with_a_thread_and_with_what_it_waits_on(ragents: Any, serve: Any) -> None:
    server = serve(
        ListAgents=Agent(name="react"),
        GetThread=GetThreadResponse(thread=WAITING, exchanges=SAID),
        StreamRun=[Event(seq=1, started=Started(thread_id="t2")), Event(seq=2, answer=Answer(text="North."))],
    )
    result = ragents("chat", "--thread", "t2", typed="north\n")
    assert (result.exit_code, result.stdout) == (0, "Which harbour?\nNorth.\n")
    turn = server.calls[-1].request.turn
    assert (turn.thread_id, turn.reply.interrupt_id, turn.reply.value.string_value) == ("t2", "i1", "north")


def test_a_thread_of_a_name_of_ones_own_is_begun_by_its_first_turn(ragents: Any, serve: Any) -> None:
    server = serve(
        ListAgents=Agent(name="react"),
        GetThread=NotFound("no such thread"),
        StreamRun=[Event(seq=1, started=Started(thread_id="harbour")), Event(seq=2, answer=Answer(text="Yes."))],
    )
    assert ragents("chat", "--thread", "harbour", typed="one\ntwo\n").exit_code == 0
    assert [call.request.turn.thread_id for call in server.calls if call.rpc == "StreamRun"] == ["harbour", "harbour"]


def test_a_turn_that_was_cut_is_sent_again_under_its_request_id(ragents: Any, serve: Any) -> None:
    def turn(call: ReceivedCall) -> list[Any]:
        again = sum(one.rpc == "StreamRun" for one in server.calls) > 1
        begun = Event(seq=4 if again else 1, started=Started(thread_id="t1", attempt=2 if again else 1))
        rest = [Event(seq=5, answer=Answer(text="Mole 2."))] if again else [Draining("shutting down")]
        return [begun, Event(delta=Delta(text="Mo")), *rest]

    server = serve(ListAgents=Agent(name="react"), StreamRun=turn)
    result = ragents("chat", typed="Which mole?\n")
    assert (result.exit_code, result.stdout) == (0, "Mole 2.\n")
    turns = [call.request.turn for call in server.calls if call.rpc == "StreamRun"]
    assert len(turns) == 2 and turns[0] == turns[1]


def test_a_turn_that_never_began_is_not_sent_again_by_hand(ragents: Any, serve: Any) -> None:
    server = serve(ListAgents=Agent(name="react"), StreamRun=ModelUnavailable("the model is away"))
    result = ragents("chat", typed="Which mole?\n")
    assert result.exit_code == 1 and result.stderr.startswith("ModelUnavailable: the model is away")
    assert sum(call.rpc == "StreamRun" for call in server.calls) <= 3  # gRPC's own retries
