"""Retrieve: how many passages, from which documents, and with which scores."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from ragents_client.v1 import (
    REWRITING_CONTEXTUAL,
    REWRITING_NONE,
    REWRITING_UNSPECIFIED,
    CacheMode,
    QueryServiceStub,
    Question,
    RetrieveRequest,
    Rewriting,
)
from tests.services.calls import condition, failed, fields_of, names, put, retrieve

SHIPS: dict[str, dict[str, Any]] = {
    "a.txt": {"year": 1901, "kind": "steamer", "afloat": False, "built": "1901-05-02"},
    "b.txt": {"year": 1950, "kind": "tanker", "afloat": True, "built": "1950-11-30", "note": None},
    "c.txt": {"year": "1950", "kind": "Tanker", "afloat": "true", "built": "1950-12-01"},
    "d.txt": {"tags": ["steamer", 1901], "kind": {"of": "steamer"}},
    "e.md": {},
}


@pytest.fixture(scope="module", autouse=True)
def documents(grpc_addr: str) -> Iterator[None]:
    with grpc.insecure_channel(grpc_addr) as channel:
        for name, fields in SHIPS.items():
            put(channel, name, f"The ship of {name} has a bell.", "ships", **fields)
        put(channel, "many.txt", "\n\n".join(f"Fact {i} of the bell. " + "Filler. " * 12 for i in range(9)), "many")
        yield


def found(channel: grpc.Channel, *conditions: Any) -> str:
    """The first letters of the documents that meet the conditions."""
    return "".join(sorted(name[0] for name in names(retrieve(channel, "ship bell", "ships", conditions=conditions))))


def test_without_conditions_every_document_is_searched(grpc_channel: grpc.Channel) -> None:
    assert found(grpc_channel) == "abcde"


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (condition("year", equals=1950), "b"),
        (condition("year", equals="1950"), "c"),
        (condition("kind", equals="tanker"), "b"),
        (condition("afloat", equals=True), "b"),
        (condition("afloat", equals=False), "a"),
        (condition("afloat", equals="true"), "c"),
        (condition("kind", any_of=["tanker", "steamer"]), "ab"),
        (condition("year", any_of=[1901, "1950", True]), "ac"),
        (condition("year", at_least=1900), "ab"),
        (condition("year", at_least=1901, at_most=1901), "a"),
        (condition("year", at_most=1949.5), "a"),
        (condition("built", at_least="1950-11-30", at_most="1950-11-30"), "b"),
        (condition("built", at_least="1950"), "bc"),
        (condition("kind", at_least="T", at_most="U"), "c"),
        (condition("year", exists=True), "abc"),
        (condition("year", exists=False), "de"),
        (condition("tags", exists=True), "d"),
        (condition("name", equals="a.txt"), "a"),
        (condition("name", at_least="b", at_most="d"), "bc"),
        (condition("media_type", equals="text/markdown"), "e"),
        (condition("name", exists=True), "abcde"),
        (condition("no such field", equals=1), ""),
        (condition("year'); DROP TABLE documents; --", exists=False), "abcde"),
        (condition("kind", equals="$1::text"), ""),
    ],
    ids=str,
)
def test_a_condition_is_met_by_these(grpc_channel: grpc.Channel, test: Any, expected: str) -> None:
    assert found(grpc_channel, test) == expected


def test_all_conditions_must_hold(grpc_channel: grpc.Channel) -> None:
    assert found(grpc_channel, condition("year", at_least=1900), condition("afloat", equals=True)) == "b"
    assert found(grpc_channel, condition("year", equals=1901), condition("afloat", equals=True)) == ""


def test_sixteen_conditions_are_allowed(grpc_channel: grpc.Channel) -> None:
    assert found(grpc_channel, *[condition("year", any_of=[1950] * 100)] * 16) == "b"


@pytest.mark.parametrize("top_k", [1, 3, 100])
def test_at_most_top_k_passages_come_best_first(grpc_channel: grpc.Channel, top_k: int) -> None:
    passages = retrieve(grpc_channel, "Fact 7 of the bell", "many", top_k=top_k)
    assert len(passages) == min(top_k, len(retrieve(grpc_channel, "bell", "many", top_k=100)))
    scores = [passage.score.fused for passage in passages]
    assert scores == sorted(scores, reverse=True)


def test_without_top_k_it_is_the_servers_default(grpc_channel: grpc.Channel) -> None:
    assert len(retrieve(grpc_channel, "bell", "ships")) == 5


def test_a_passage_has_the_scores_of_both_legs(grpc_channel: grpc.Channel) -> None:
    best = retrieve(grpc_channel, "Which ship has a bell?", "ships")[0]
    assert best.score.lexical > 0
    assert 0 < best.score.dense <= 1
    assert 0 < best.score.fused <= 1.1
    assert best.score.rerank == 0


def test_a_word_that_only_one_leg_knows_is_found(grpc_channel: grpc.Channel) -> None:
    put(grpc_channel, "code.txt", "Part XJ-90210-K fits the pump.", "parts")
    assert names(retrieve(grpc_channel, "XJ-90210-K", "parts")) == {"code.txt"}
    assert names(retrieve(grpc_channel, "vessel", "ships"))  # no common word: the dense leg alone


RULES = (REWRITING_UNSPECIFIED, REWRITING_NONE, REWRITING_CONTEXTUAL)  # without a model


@pytest.mark.parametrize("mode", CacheMode.values())
@pytest.mark.parametrize("rewriting", RULES)
def test_every_known_way_of_asking_is_answered(grpc_channel: grpc.Channel, mode: Any, rewriting: Any) -> None:
    assert retrieve(grpc_channel, "bell", "ships", cache_mode=mode, rewriting=rewriting)


@pytest.mark.parametrize("rewriting", sorted(set(Rewriting.values()) - set(RULES)))
def test_a_way_of_rewriting_that_needs_a_model_is_refused_without_one(
    grpc_channel: grpc.Channel, rewriting: Any
) -> None:
    question = Question(text="bell", collections=["ships"], rewriting=rewriting)
    error = failed(QueryServiceStub(grpc_channel).Retrieve, RetrieveRequest(question=question))
    assert fields_of(error) == {"question.rewriting"}
    assert "RAGENTS_CHAT_MODEL" in error.details()
