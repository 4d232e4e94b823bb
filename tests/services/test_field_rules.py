"""Each rule that the contract's comments state: what it allows is answered, what it does not names the field."""

from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Value

from ragents_client.v1 import (
    Condition,
    DeleteCollectionRequest,
    DocumentServiceStub,
    Exchange,
    GetCollectionRequest,
    ListDocumentsRequest,
    QueryRequest,
    QueryServiceStub,
    Question,
    RetrieveRequest,
    StreamQueryRequest,
)
from ragents_client.v1.answer_pb2 import AnyOf, Range
from tests.services import calls
from tests.services.calls import condition, failed

NAN, INFINITY = float("nan"), float("inf")


def value(**kind: Any) -> Value:
    return Value(**kind)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no text": ({"text": ""}, "question.text"),
    "blank text": ({"text": " \t\n"}, "question.text"),
    "long text": ({"text": "a" * 8193}, "question.text"),
    "long text of long characters": ({"text": "ü" * 4097}, "question.text"),
    "nul in the text": ({"text": "a\0b"}, "question.text"),
    "many collections": ({"collections": [f"c{i}" for i in range(33)]}, "question.collections"),
    "a collection's name": ({"collections": ["a/b"]}, "collection"),
    "a collection's name begins badly": ({"collections": ["-a"]}, "collection"),
    "a long collection's name": ({"collections": ["a" * 129]}, "collection"),
    "a collection's name ends in a newline": ({"collections": ["a\n"]}, "collection"),
    "many conditions": ({"conditions": [condition("f", equals=1)] * 17}, "question.conditions"),
    "many exchanges": ({"history": [Exchange(question="a", answer="b")] * 33}, "question.history"),
    "a long question in the history": ({"history": [Exchange(question="a" * 8193)]}, "question.history[0].question"),
    "a long answer in the history": ({"history": [Exchange(answer="a" * 32769)]}, "question.history[0].answer"),
    "top_k of none": ({"top_k": 0}, "question.top_k"),
    "negative top_k": ({"top_k": -1}, "question.top_k"),
    "large top_k": ({"top_k": 101}, "question.top_k"),
    "unknown rewriting": ({"rewriting": 99}, "question.rewriting"),
    "negative rewriting": ({"rewriting": -1}, "question.rewriting"),
    "unknown cache mode": ({"cache_mode": 4}, "question.cache_mode"),
    "no field": ({"conditions": [condition("", equals=1)]}, "question.conditions[0].field"),
    "long field": ({"conditions": [condition("f" * 129, equals=1)]}, "question.conditions[0].field"),
    "nul in the field": ({"conditions": [condition("a\0", exists=True)]}, "question.conditions[0].field"),
    "no test": ({"conditions": [Condition(field="f")]}, "question.conditions[0]"),
    "equals nothing": ({"conditions": [Condition(field="f", equals=Value())]}, "question.conditions[0].equals"),
    "equals null": (
        {"conditions": [Condition(field="f", equals=value(null_value=NULL_VALUE))]},
        "question.conditions[0].equals",
    ),
    "equals a list": (
        {"conditions": [Condition(field="f", equals=value(list_value=ListValue()))]},
        "question.conditions[0].equals",
    ),
    "equals nan": ({"conditions": [condition("f", equals=NAN)]}, "question.conditions[0].equals"),
    "equals a nul": ({"conditions": [condition("f", equals="\0")]}, "question.conditions[0].equals"),
    "any of none": ({"conditions": [Condition(field="f", any_of=AnyOf())]}, "question.conditions[0].any_of"),
    "any of many": ({"conditions": [condition("f", any_of=range(101))]}, "question.conditions[0].any_of"),
    "any of nothing": (
        {"conditions": [Condition(field="f", any_of=AnyOf(values=[Value()]))]},
        "question.conditions[0].any_of",
    ),
    "a range of nothing": ({"conditions": [Condition(field="f", range=Range())]}, "question.conditions[0].range"),
    "a range of two kinds": (
        {"conditions": [condition("f", at_least=1, at_most="2")]},
        "question.conditions[0].range",
    ),
    "a range of bools": ({"conditions": [condition("f", at_least=True)]}, "question.conditions[0].range"),
    "an endless range": ({"conditions": [condition("f", at_most=INFINITY)]}, "question.conditions[0].range"),
    "the third condition": (
        {"conditions": [condition("f", equals=1), condition("g", exists=True), condition("", equals=1)]},
        "question.conditions[2].field",
    ),
}

RIGHT: dict[str, dict[str, Any]] = {
    "longest text": {"text": "a" * 8192},
    "longest text of long characters": {"text": "ü" * 4096},
    "most collections": {"collections": [f"c{i}" for i in range(32)]},
    "longest collection's name": {"collections": ["a" * 128]},
    "every character of a name": {"collections": ["aZ0._-"]},
    "the same collection twice": {"collections": ["a", "a", ""]},
    "most conditions": {"conditions": [condition("f", equals=1)] * 16},
    "longest field": {"conditions": [condition("f" * 128, exists=False)]},
    "any of most": {"conditions": [condition("f", any_of=range(100))]},
    "an empty range": {"conditions": [condition("f", at_least=2, at_most=1)]},
    "most exchanges": {"history": [Exchange(question="a", answer="b")] * 32},
    "longest exchange": {"history": [Exchange(question="a" * 8192, answer="b" * 32768)]},
    "least top_k": {"top_k": 1},
    "most top_k": {"top_k": 100},
}


def question(fields: dict[str, Any]) -> Question:
    return Question(**({"text": "What is it?"} | fields))


@pytest.mark.parametrize("name", WRONG)
def test_what_the_contract_forbids_names_the_field(grpc_channel: grpc.Channel, name: str) -> None:
    fields, field = WRONG[name]
    stub = QueryServiceStub(grpc_channel)
    errors = [
        failed(stub.Query, QueryRequest(question=question(fields))),
        failed(stub.Retrieve, RetrieveRequest(question=question(fields))),
        calls.error_of(stub.StreamQuery(StreamQueryRequest(question=question(fields)), timeout=20)),
    ]
    assert [calls.fields_of(error) for error in errors] == [{field}] * 3


@pytest.mark.parametrize("name", RIGHT)
def test_what_the_contract_allows_is_answered(grpc_channel: grpc.Channel, name: str) -> None:
    stub = QueryServiceStub(grpc_channel)
    assert stub.Query(QueryRequest(question=question(RIGHT[name])), timeout=30).HasField("answer")


def test_all_that_is_wrong_is_told_at_once(grpc_channel: grpc.Channel) -> None:
    wrong = Question(top_k=0, rewriting=77, conditions=[Condition()])
    found = calls.fields_of(failed(QueryServiceStub(grpc_channel).Query, QueryRequest(question=wrong)))
    assert {"question.text", "question.top_k", "question.rewriting", "question.conditions[0].field"} <= found


def test_a_question_that_is_wrong_in_every_way_has_an_error_that_fits(grpc_channel: grpc.Channel) -> None:
    long = Exchange(question="a" * 8193, answer="b" * 32769)
    everything = Question(top_k=0, history=[long] * 32, conditions=[Condition(field="f" * 200)] * 16, rewriting=77)
    error = failed(QueryServiceStub(grpc_channel).Query, QueryRequest(question=everything))
    assert "question.text" in calls.fields_of(error)


def test_a_request_without_a_question_is_refused(grpc_channel: grpc.Channel) -> None:
    assert calls.fields_of(failed(QueryServiceStub(grpc_channel).Query, QueryRequest())) == {"question.text"}


@pytest.mark.parametrize("name", ["a b", "ä", "a/b", ".a", "a" * 129, "a\0"])
def test_a_collections_name_is_checked_wherever_it_stands(grpc_channel: grpc.Channel, name: str) -> None:
    stub = DocumentServiceStub(grpc_channel)
    for method, kind in (
        (stub.GetCollection, GetCollectionRequest),
        (stub.ListDocuments, ListDocumentsRequest),
        (stub.DeleteCollection, DeleteCollectionRequest),
    ):
        assert calls.fields_of(failed(method, kind(collection=name))) == {"collection"}


@pytest.mark.parametrize("prefix", ["p" * 1025, "a\0"])
def test_a_prefix_is_at_most_a_names_length_without_nul(grpc_channel: grpc.Channel, prefix: str) -> None:
    stub = DocumentServiceStub(grpc_channel)
    request = ListDocumentsRequest(name_prefix=prefix)
    assert calls.fields_of(failed(stub.ListDocuments, request)) == {"name_prefix"}
