"""The rules for follow-ups: which questions lean on what was said, and what is taken from it."""

import json
import timeit
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragents_client.v1.answer_pb2 import Exchange
from ragents_server.index.terms import terms
from ragents_server.rag.contextual import EXCHANGES, PHRASE, PHRASES, contextual, leans

FOLLOW_UPS = Path(__file__).parents[2] / "scripts/evaluation/follow_ups.jsonl"
TOWER = Exchange(question="Where is the Eiffel Tower?", answer="The Eiffel Tower stands in Paris [1].")


@pytest.mark.parametrize(
    "follow_up",
    [
        "When was it built?",
        "when was it built",
        "and who built it",
        "WHEN WAS IT BUILT?",
        "Who climbed up its stairs?",
        "Which prize did its founder win?",
        "What did they say about that?",
        "Who designed that one?",
        "Which one is taller?",
        "How high is that tower?",
        "Who disputes that theory?",
        "Are these safe?",
        "How many people live there?",
        "How many are there?",
        "What did he paint when he was old?",
        "Who was mayor before him?",
        "Where did settlers live before his arrival?",
        "Which wars were fought before them in Italy?",
        "And in 1990?",
        "And Berlin?",
        "But why?",
        "What about Germany?",
        "How about the height?",
        "What about the second building of the complex?",
        "Why?",
        "Why not?",
        "In which year?",
        "Until when?",
        "How many since 1871?",
        "What else is known?",
        "Who painted the latter?",
        "Tell me more.",
    ],
)
def test_a_follow_up_gets_what_it_is_about(follow_up: str) -> None:
    assert contextual(follow_up, [TOWER]) == f"{follow_up} (Eiffel Tower, Paris)"


@pytest.mark.parametrize(
    "question",
    [
        "What is oxygen?",
        "Who discovered oxygen?",
        "Ebola?",
        "oxygen isotopes",
        "Thanks",
        "And when did Napoleon die?",
        "Is it true that gold is heavier than lead?",
        "How long does it take to fly to Rome?",
        "How did it come that drivers had to queue in 1974?",
        "What is it called when a belief system is overthrown?",
        "Did the translation influence the language, and who illustrated it?",
        "Who stood in for Jon Pertwee when he was ill?",
        "When did Setanta Sports say it would begin?",
        "Why did Napoleon lose his throne?",
        "Did the king lose his head?",
        "How does a whale feed its young?",
        "Which university has its origins in a school?",
        "How much of their own weight can ctenophores eat?",
        "Which country lost its colonies in 1918?",
        "Which city is the largest that is not on an Interstate?",
        "Who said that Paris is worth a mass?",
        "Is it known that there are infinitely many twin primes?",
        "How many universities are there in Newcastle?",
        "How many married couples were there?",
        "What happened this year in Spain?",
        "What are the rights of those who rent a flat?",
        "What is such a bond worth?",
        "What is one of the largest lakes in Africa?",
        "How do results in former Model C schools compare?",
        "What does IT cost in a bank?",
        "Is the US larger than Canada?",
        "Wann wurde der Turm gebaut?",
        "他是谁？",
    ],
)
def test_a_question_that_stands_alone_stays_as_it_is(question: str) -> None:
    assert contextual(question, [TOWER]) == question


def test_without_a_history_nothing_changes() -> None:
    assert contextual("When was it built?", []) == "When was it built?"


def test_the_answer_counts_too_without_its_markers_and_other_words() -> None:
    history = [Exchange(question="Who wrote the poem?", answer="It was [2] Percy Shelley [3], a poet.")]
    assert contextual("When did he die?", history) == "When did he die? (wrote, poem, Percy Shelley)"


def test_a_refusal_adds_nothing_but_the_question_before_it() -> None:
    history = [Exchange(question="Who owned ABC?", answer="No passage says this; closest: abc.txt, line 1.")]
    assert contextual("Until when?", history) == "Until when? (owned ABC)"


def test_a_question_between_that_leans_itself_leads_further_back() -> None:
    history = [
        Exchange(question="Who was Martin Luther?", answer="A reformer [1]."),
        Exchange(question="Where did he meet Zwingli?", answer="At Marburg [2]."),
    ]
    assert contextual("Why?", history) == "Why? (meet Zwingli, Marburg, Martin Luther)"


def test_a_question_between_that_names_nothing_leads_further_back() -> None:
    history = [
        Exchange(question="Was there a drought in the Amazon?", answer="Yes [1]."),
        Exchange(question="How large was the area?", answer="No passage says this; closest: a.txt."),
    ]
    assert contextual("And in 2010?", history) == "And in 2010? (large, area, drought, Amazon)"


def test_of_a_long_answer_the_first_names_count() -> None:
    history = [Exchange(question="Who sailed?", answer="Ada, Bert, Carl, Dora and Emil, said Frieda.")]
    assert contextual("Why?", history) == "Why? (sailed, Ada, Bert)"


def test_a_question_that_names_its_matter_ends_the_way_back() -> None:
    history = [
        Exchange(question="Who was Martin Luther?", answer="A reformer [1]."),
        Exchange(question="Where is the Eiffel Tower?", answer="In Paris [1]."),
    ]
    assert contextual("When was it built?", history) == "When was it built? (Eiffel Tower, Paris)"


def test_what_the_follow_up_says_itself_is_not_added() -> None:
    history = [Exchange(question="How large was the drought in the Amazon in 2005?", answer="")]
    assert contextual("And the Amazon drought in 2010?", history) == "And the Amazon drought in 2010? (large, 2005)"


def test_a_long_history_adds_a_bounded_number_of_words() -> None:
    names = " and ".join(f"Ada{'x' * (200 if number == 1 else 2)}{number}" for number in range(40))
    history = [Exchange(question=f"Was it {names}?", answer=names)] * 32
    added = contextual("Why?", history).removeprefix("Why? (").removesuffix(")").split(", ")
    assert len(added) == PHRASES
    assert all(len(phrase) <= PHRASE for phrase in added)


def test_only_the_latest_exchanges_are_looked_at() -> None:
    history = [Exchange(question="Who was Martin Luther?"), *[Exchange(question="Why?")] * EXCHANGES]
    assert contextual("Why not?", history) == "Why not?"


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=200))
@settings(deadline=None)
def test_whatever_is_said_the_question_stays_in_front(text: str, question: str, answer: str) -> None:
    history = [Exchange(question=question, answer=answer)]
    rewritten = contextual(text, history)
    assert rewritten.startswith(text)
    assert rewritten == contextual(text, history)
    assert set(terms(text)) <= set(terms(rewritten)) or not text.isascii()


def test_long_or_strange_text_takes_no_long_time() -> None:
    history = [Exchange(question="Who is the " + "Great Man of " * 600, answer="The Big Answer of " * 1500)] * 32
    for text in ("it " * 2700, "it takes " * 900, "is it " * 1300, " " * 8000 + "?", "." * 8000, "_" * 8000):
        assert min(timeit.repeat(lambda text=text: contextual(text, history), number=1, repeat=3)) < 0.05  # type: ignore[misc]


def test_the_set_of_follow_ups_is_told_from_questions_that_stand_alone() -> None:
    rows = [json.loads(line) for line in FOLLOW_UPS.read_text(encoding="utf-8").splitlines()]
    switches = [row for row in rows if row["kind"] == "switch"]
    follow_ups = [row for row in rows if row["kind"] != "switch"]
    assert len(follow_ups) >= 120
    assert len(switches) >= 30
    assert not [row["id"] for row in switches if leans(row["follow_up"])]
    assert sum(leans(row["follow_up"]) for row in follow_ups) >= 0.9 * len(follow_ups)
    assert sum(leans(row["standalone"]) for row in follow_ups) <= 0.02 * len(follow_ups)
