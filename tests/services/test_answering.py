"""Query, StreamQuery and BatchQuery: events in order, citations that hold to the byte, refusals in words."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from ragents_client.v1 import (
    CACHE_MODE_NONE,
    CACHE_OUTCOME_MISS,
    REFUSAL_REASON_NO_PASSAGES,
    REFUSAL_REASON_NOT_ANSWERED,
    Answer,
    BatchQueryRequest,
    Event,
    QueryRequest,
    QueryServiceStub,
    Question,
    StreamQueryRequest,
)
from tests.services import calls
from tests.services.calls import ask, put

HARBOUR = """# Der Hafen von Übersee

Zwölf Möwen begleiten die Fähre „Ägir“ jeden Morgen über den Öresund.

The lighthouse of Ärö is 31 metres tall — it was built in 1894 by Søren Kjær.
The keeper's daughter, Zoë, painted it in a “naïve” style. 🦭 Seals sleep below it.

## Prices

A ticket to the island costs 14 €. Children under six travel free of charge.
"""
QUESTIONS = ["How tall is the lighthouse of Ärö?", "What does a ticket to the island cost?"]


@pytest.fixture(scope="module", autouse=True)
def documents(grpc_addr: str) -> Iterator[None]:
    with grpc.insecure_channel(grpc_addr) as channel:
        put(channel, "hafen.md", HARBOUR)
        put(channel, "hafen.txt", HARBOUR.replace("\n", "\r\n"), "windows")
        put(channel, "other.txt", "The keel of the boat is made of oak.", "boats")
        yield


def stream(channel: grpc.Channel, text: str, *collections: str) -> list[Any]:
    question = Question(text=text, collections=collections, cache_mode=CACHE_MODE_NONE)
    return list(QueryServiceStub(channel).StreamQuery(StreamQueryRequest(question=question), timeout=30))


@pytest.mark.parametrize("text", QUESTIONS)
def test_the_events_of_a_stream_are_in_order_and_end_in_the_answer(grpc_channel: grpc.Channel, text: str) -> None:
    responses = stream(grpc_channel, text)
    events: list[Event] = [response.event for response in responses]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    kinds = [event.WhichOneof("kind") for event in events]
    assert kinds[:4] == ["started", "step", "retrieved", "step"]
    assert set(kinds[4:-1]) == {"delta"}
    assert kinds[-1] == "answer"
    assert events[0].started.attempt == 1
    assert [event.step.name for event in events if event.HasField("step")] == ["retrieve", "write"]
    assert [response.cache.outcome for response in responses if response.HasField("cache")] == [CACHE_OUTCOME_MISS]
    assert responses[-1].HasField("cache")


@pytest.mark.parametrize("text", QUESTIONS)
def test_the_deltas_of_a_stream_are_the_answers_text(grpc_channel: grpc.Channel, text: str) -> None:
    events = [response.event for response in stream(grpc_channel, text)]
    written = b""
    for event in events:
        if event.HasField("delta"):
            assert event.delta.offset == len(written)
            written += event.delta.text.encode()
    assert written.decode() == events[-1].answer.text


@pytest.mark.parametrize("text", QUESTIONS)
def test_a_query_is_the_last_event_of_its_stream(grpc_channel: grpc.Channel, text: str) -> None:
    response = QueryServiceStub(grpc_channel).Query(QueryRequest(question=Question(text=text)), timeout=30)
    assert response.answer == stream(grpc_channel, text)[-1].event.answer
    assert response.answer.usage.model == "extractive"


def cited(answer: Answer, text: str) -> None:
    """Holds every citation against its passage, its answer and the document's text."""
    assert answer.citations
    for citation in answer.citations:
        passage = answer.passages[citation.number - 1]
        inside, said = citation.passage_span, citation.answer_span
        assert passage.text.encode()[inside.start : inside.end].decode() == citation.quote
        piece = answer.text.encode()[said.start : said.end].decode()
        assert piece.split() == citation.quote.split()
        assert answer.text.encode()[said.end :].decode().startswith(f" [{citation.number}]")
        place = citation.passage
        assert text.encode()[place.span.start : place.span.end].decode() == citation.quote
        assert place.first_line == text.encode()[: place.span.start].count(b"\n") + 1
        assert (place.document.name, place.version) == (passage.document.name, passage.version)
        assert not place.text
        assert not place.HasField("score")


@pytest.mark.parametrize("text", QUESTIONS)
def test_every_citation_holds_to_the_byte_and_the_line(grpc_channel: grpc.Channel, text: str) -> None:
    cited(ask(grpc_channel, text), HARBOUR)


def test_passages_stand_where_they_say(grpc_channel: grpc.Channel) -> None:
    for passage in ask(grpc_channel, QUESTIONS[0]).passages:
        content = HARBOUR.encode()
        assert content[passage.span.start : passage.span.end].decode() == passage.text
        assert passage.first_line == content[: passage.span.start].count(b"\n") + 1
        assert passage.document.id
        assert passage.document.collection == "default"


def test_the_answer_says_what_the_document_says(grpc_channel: grpc.Channel) -> None:
    assert "31 metres" in ask(grpc_channel, QUESTIONS[0]).text
    assert "14 €" in ask(grpc_channel, QUESTIONS[1]).text


def test_lines_of_a_file_with_carriage_returns_are_counted_once(grpc_channel: grpc.Channel) -> None:
    answer = ask(grpc_channel, QUESTIONS[0], "windows")
    assert answer.citations[0].passage.first_line == 5


def test_what_the_documents_do_not_say_is_refused_with_the_closest_passage(grpc_channel: grpc.Channel) -> None:
    answer = ask(grpc_channel, "Who won the chess championship of Iceland in 1987?")
    assert answer.refusal.reason == REFUSAL_REASON_NOT_ANSWERED
    assert not answer.citations
    assert answer.text == answer.refusal.message
    assert "hafen.md" in answer.refusal.message


def test_an_empty_collection_is_refused_in_words(grpc_channel: grpc.Channel) -> None:
    answer = ask(grpc_channel, QUESTIONS[0], "nowhere")
    assert answer.refusal.reason == REFUSAL_REASON_NO_PASSAGES
    assert not answer.passages
    assert "nowhere" in answer.text


def test_a_refusal_is_streamed_as_an_answer_without_deltas(grpc_channel: grpc.Channel) -> None:
    events = [response.event for response in stream(grpc_channel, QUESTIONS[0], "nowhere")]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert not any(event.HasField("delta") for event in events)
    assert events[-1].answer.HasField("refusal")


@pytest.mark.parametrize(
    "text", ["???", "the of and", "🦭", "ß" * 4096, "a " * 4096, "\u202e\ufeff\u200b?", "NULL' OR 1=1; --"]
)
def test_an_odd_question_has_an_answer_or_a_refusal(grpc_channel: grpc.Channel, text: str) -> None:
    answer = ask(grpc_channel, text)
    assert answer.HasField("refusal") != bool(answer.citations)


def test_several_collections_are_searched_together(grpc_channel: grpc.Channel) -> None:
    found = calls.retrieve(grpc_channel, "What is the boat and the lighthouse made of?", "default", "boats", "nowhere")
    assert calls.names(found) == {"hafen.md", "other.txt"}
    assert calls.names(calls.retrieve(grpc_channel, "the lighthouse", "boats")) == {"other.txt"}


def test_a_bad_question_of_a_batch_stops_no_good_one(grpc_channel: grpc.Channel) -> None:
    questions = [
        Question(text=QUESTIONS[0]),
        Question(text=""),
        Question(text=QUESTIONS[1]),
        Question(text="Where?", collections=["no such/name"]),
        Question(text=QUESTIONS[0], collections=["nowhere"]),
    ]
    items = QueryServiceStub(grpc_channel).BatchQuery(BatchQueryRequest(questions=questions), timeout=30).items
    assert [item.index for item in items] == list(range(5))
    assert [item.WhichOneof("outcome") for item in items] == ["answer", "failure", "answer", "failure", "answer"]
    assert items[0].answer == ask(grpc_channel, QUESTIONS[0])
    assert items[2].answer == ask(grpc_channel, QUESTIONS[1])
    assert items[4].answer.HasField("refusal")
    for item in (items[1], items[3]):
        assert item.failure.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        assert calls.reason(item.failure) == "INVALID_REQUEST"
    assert "question.text" in items[1].failure.message


def test_a_batch_of_a_hundred_is_answered_in_order(grpc_channel: grpc.Channel) -> None:
    questions = [Question(text=QUESTIONS[i % 2], top_k=1) for i in range(100)]
    items = QueryServiceStub(grpc_channel).BatchQuery(BatchQueryRequest(questions=questions), timeout=60).items
    assert [item.index for item in items] == list(range(100))
    assert ["31 metres" in item.answer.text for item in items] == [i % 2 == 0 for i in range(100)]


@pytest.mark.parametrize("number", [0, 101])
def test_a_batch_has_one_to_a_hundred_questions(grpc_channel: grpc.Channel, number: int) -> None:
    request = BatchQueryRequest(questions=[Question(text="Why?")] * number)
    assert calls.fields_of(calls.failed(QueryServiceStub(grpc_channel).BatchQuery, request)) == {"questions"}
