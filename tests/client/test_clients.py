"""What both clients do around every call: requests, deadlines, retries, credentials, pages, streams."""

import threading
from typing import Any

import pytest

from ragents_client import (
    AsyncClient,
    Client,
    ClientClosed,
    DeadlineTooShort,
    ModelUnavailable,
    StateUnavailable,
    Unimplemented,
    between,
)
from ragents_client.contract import all_methods
from ragents_client.testing import ReceivedCall, scripted_server
from ragents_client.v1 import (
    Answer,
    Collection,
    Delta,
    Event,
    Exchange,
    ListCollectionsResponse,
    Passage,
    QueryResponse,
    Question,
    Reply,
    RetrieveResponse,
    Run,
)

ANSWER = Answer(text="Mole 2 [1].")


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("rpc", [method.name for method in all_methods()])
def test_every_rpc_has_a_documented_method(kind: type, rpc: str) -> None:
    assert getattr(kind, snake(rpc)).__doc__


def test_words_go_in_and_the_answer_comes_out(connect: Any) -> None:
    with scripted_server({"Query": ANSWER}) as server, connect(server.address) as rag:
        answer = rag.query(
            "Which mole?",
            collections="harbour",
            top_k=3,
            conditions={"year": 2024, "language": ["de", "en"], "public": True},
            history=[Exchange(question="Who?", answer="You.")],
        )
    assert answer == ANSWER
    question = server.calls[0].request.question
    assert (question.text, list(question.collections), question.top_k) == ("Which mole?", ["harbour"], 3)
    year, language, public = question.conditions
    assert (year.equals.number_value, public.equals.bool_value) == (2024, True)
    assert [value.string_value for value in language.any_of.values] == ["de", "en"]
    assert question.history[0].answer == "You."


def test_a_ready_question_is_sent_as_it_is_and_stays_as_it_was(connect: Any) -> None:
    question = Question(text="Which mole?", collections=["a"], conditions=[between("year", 2000, 2010)])
    with scripted_server({"Query": ANSWER}) as server, connect(server.address) as rag:
        rag.query(question)
        rag.query(question, collections=["b"])
    assert server.calls[0].request.question == question
    assert list(server.calls[1].request.question.collections) == ["b"]
    assert list(question.collections) == ["a"]


def test_the_envelope_is_there_for_whoever_wants_it(connect: Any) -> None:
    response = QueryResponse(answer=ANSWER)
    response.cache.entry_id = "e1"
    with scripted_server({"Query": response}) as server, connect(server.address) as rag:
        assert rag.query_response("Which mole?").cache.entry_id == "e1"


def test_passages_are_a_list(connect: Any) -> None:
    response = RetrieveResponse(passages=[Passage(text="a"), Passage(text="b")])
    with scripted_server({"Retrieve": response}) as server, connect(server.address) as rag:
        assert [passage.text for passage in rag.retrieve("Which mole?")] == ["a", "b"]


def test_pages_follow_by_themselves(connect: Any) -> None:
    pages = {
        "": ListCollectionsResponse(collections=[Collection(name="a")], next_page_token="2"),
        "2": ListCollectionsResponse(collections=[Collection(name="b")]),
    }
    script = {"ListCollections": lambda call: pages[call.request.page_token]}
    with scripted_server(script) as server, connect(server.address) as rag:
        assert [one.name for one in rag.list_collections(page_size=1)] == ["a", "b"]
    assert server.count("ListCollections") == 2


def test_events_come_in_order_and_the_last_is_the_answer(connect: Any) -> None:
    events = [Event(seq=1, delta=Delta(text="Mole")), Event(seq=2, answer=ANSWER)]
    with scripted_server({"StreamQuery": events}) as server, connect(server.address) as rag:
        assert list(rag.stream_query("Which mole?")) == events


def test_a_turn_gets_a_request_id_of_its_own(connect: Any) -> None:
    with scripted_server({"Run": Run(id="r1")}) as server, connect(server.address) as rag:
        rag.run("react", "Compare both fees", thread_id="t1", top_k=7)
        rag.run("react", Reply(interrupt_id="i1"), request_id="mine")
    first, second = (call.request.turn for call in server.calls)
    assert (first.agent, first.thread_id, first.question.text, first.question.top_k) == (
        "react",
        "t1",
        "Compare both fees",
        7,
    )
    assert len(first.request_id) == 32
    assert (second.request_id, second.reply.interrupt_id) == ("mine", "i1")


def test_unavailable_is_sent_again_under_one_request_id(connect: Any) -> None:
    script = {"Run": lambda call: StateUnavailable("away") if server.count("Run") < 3 else Run(id="r1")}
    with scripted_server(script) as server, connect(server.address) as rag:
        assert rag.run("react", "go").id == "r1"
    assert server.count("Run") == 3
    assert len({call.request.turn.request_id for call in server.calls}) == 1


def test_three_attempts_are_enough(connect: Any) -> None:
    with (
        scripted_server({"Query": ModelUnavailable("down")}) as server,
        connect(server.address) as rag,
        pytest.raises(ModelUnavailable),
    ):
        rag.query("Which mole?")
    assert server.count("Query") == 3


def test_what_is_not_unavailable_is_sent_once(connect: Any) -> None:
    with scripted_server({}) as server, connect(server.address) as rag, pytest.raises(Unimplemented):
        rag.query("Which mole?")
    assert server.count("Query") == 1


def test_a_deadline_ends_a_call_and_says_how_long_it_was(connect: Any) -> None:
    done = threading.Event()

    def hang(call: ReceivedCall) -> Any:
        done.wait(30)
        return ANSWER

    with scripted_server({"Query": hang}) as server, connect(server.address) as rag:
        with pytest.raises(DeadlineTooShort, match=r"within 0\.2 s.*more time"):
            rag.query("Which mole?", timeout=0.2)
        done.set()


@pytest.mark.parametrize(("options", "most", "least"), [({}, 60, 50), ({"timeout": 7.0}, 7, 1)])
def test_every_call_has_a_deadline(connect: Any, options: dict[str, Any], most: float, least: float) -> None:
    remaining: list[float] = []

    def look(call: ReceivedCall) -> Any:
        remaining.append(call.context.time_remaining())
        return ANSWER

    with scripted_server({"Query": look}) as server, connect(server.address, **options) as rag:
        rag.query("Which mole?")
    assert least < remaining[0] <= most + 0.1  # the server reckons it anew, from when the call came


def test_credentials_user_and_priority_travel_with_each_call(connect: Any) -> None:
    with (
        scripted_server({"Query": ANSWER}) as server,
        connect(server.address, token="secret\n", user="ada", priority="HIGH") as rag,
    ):
        rag.query("Which mole?")
        rag.query("Which mole?")
    sent = server.calls[0].metadata
    assert (sent["authorization"], sent["x-ragents-user"], sent["x-ragents-priority"]) == (
        "Bearer secret",
        "ada",
        "HIGH",
    )
    assert sent["x-request-id"] != server.calls[1].metadata["x-request-id"]


def test_the_token_comes_from_the_environment(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGENTS_TOKEN", "from-outside")
    with scripted_server({"Query": ANSWER}) as server:
        monkeypatch.setenv("RAGENTS_SERVER", server.address)
        with connect() as rag:
            rag.query("Which mole?")
    assert server.calls[0].metadata["authorization"] == "Bearer from-outside"


def test_a_closed_client_says_so(connect: Any) -> None:
    with scripted_server({"Query": ANSWER}) as server, connect(server.address) as rag:
        rag.query("Which mole?")
        rag.close()
        for use in (
            lambda: rag.query("Which mole?"),
            lambda: list(rag.list_documents()),
            lambda: list(rag.stream_query("?")),
        ):
            with pytest.raises(ClientClosed, match="closed; open a new one"):
                use()


def endless(left: threading.Event) -> Any:
    def events(call: ReceivedCall) -> Any:
        call.context.add_callback(left.set)
        seq = 0
        while call.context.is_active():
            seq += 1
            yield Event(seq=seq)

    return events


async def test_a_stream_left_early_ends_on_the_server() -> None:
    left = threading.Event()
    with scripted_server({"StreamQuery": endless(left)}) as server:
        async with AsyncClient(server.address) as rag:
            async for event in rag.stream_query("Which mole?"):
                if event.seq == 3:
                    break
            assert await_event(left)
            left.clear()
            async with rag.stream_query("Which mole?") as events:
                await anext(events)
            assert await_event(left)


def test_a_blocking_stream_left_early_ends_on_the_server() -> None:
    left = threading.Event()
    with scripted_server({"StreamQuery": endless(left)}) as server, Client(server.address) as rag:
        for event in rag.stream_query("Which mole?"):
            if event.seq == 3:
                break
        assert await_event(left)
        left.clear()
        with rag.stream_query("Which mole?") as events:
            next(events)
        assert await_event(left)


def await_event(event: threading.Event) -> bool:
    return event.wait(10)
