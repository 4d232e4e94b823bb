"""Rewriting: which strategy a question gets, what a model may say to it, and how several searches become one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from importlib import resources
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragents_client.v1 import answer_pb2
from ragents_client.v1.answer_pb2 import (
    REWRITING_CONTEXTUAL,
    REWRITING_DECOMPOSE,
    REWRITING_EXPAND,
    REWRITING_HYDE,
    REWRITING_NONE,
    REWRITING_UNSPECIFIED,
    Condition,
    Exchange,
    Passage,
    Question,
    Span,
)
from ragents_client.v1.document_pb2 import Document
from ragents_server.caller import LOCAL, Caller
from ragents_server.connections.migrations import migrate
from ragents_server.errors import InvalidRequest, ModelUnavailable, StateUnavailable
from ragents_server.models.chat import Finish, Message, Piece
from ragents_server.models.embeddings import PassageVectors, Vectors
from ragents_server.rag.engine import Engine, last_answer
from ragents_server.rag.retrieval import Found, Retrieval
from ragents_server.rag.rewriting import REWRITINGS, Kind, Rewriting, Rewritten, merge
from ragents_server.rag.strategies import LONGEST, PARTS, PASSAGE, WORDS, strategies
from ragents_server.rag.writers import ExtractiveWriter
from ragents_server.signals import Span as Timed
from ragents_server.signals import listening
from tests.index.places import DIMENSION, MODEL, open_index, vector
from tests.postgres_servers import embedded_database

MODELLED = [REWRITING_EXPAND, REWRITING_DECOMPOSE, REWRITING_HYDE]
TOWER = Exchange(question="Where is the Eiffel Tower?", answer="The Eiffel Tower stands in Paris [1].")
COMPOUND = "When was the tower built and who designed it?"


class Hashing:
    """Embeddings that only depend on the text."""

    model, dimension, max_tokens = MODEL, DIMENSION, 256

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return np.stack([vector(text) for text in texts])

    async def embed_passages(
        self, texts: Sequence[str], sentences: Sequence[Sequence[tuple[int, int]]]
    ) -> list[PassageVectors]:
        return [
            PassageVectors(vector(text), np.stack([vector(text[start:end]) for start, end in spans]))
            for text, spans in zip(texts, sentences, strict=True)
        ]


class Scripted:
    """A model that says what it is given, whatever it is asked, or fails."""

    model = "scripted"

    def __init__(self, *pieces: str | Piece | Exception) -> None:
        self.pieces = pieces
        self.asked: list[Sequence[Message]] = []
        self.written = 0
        self.closed = False

    async def __call__(self, messages: Sequence[Message]) -> Any:
        self.asked.append(messages)
        try:
            for piece in self.pieces:
                self.written += 1
                if isinstance(piece, Exception):
                    raise piece
                yield Piece(piece) if isinstance(piece, str) else piece
        finally:
            self.closed = True


class Shelf:
    """Finds nothing, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Question] = []

    async def __call__(self, question: Question, caller: Caller) -> Found:
        assert caller is LOCAL
        self.asked.append(question)
        return found(question.text)


def found(question: str, *names: str, model: str = MODEL) -> Found:
    embeddings = Hashing()
    embeddings.model = model
    return Found(
        question=question,
        vector=vector(question),
        passages=tuple(passage(name) for name in names),
        sentences=tuple(((0, ord(name)),) for name in names),
        sentence_vectors=tuple(vector(name)[None] for name in names),
        idf={question: 1.0, "shared": float(len(question))},
        embeddings=embeddings,
    )


def passage(name: str) -> Passage:
    return Passage(document=Document(id=name), version="1", span=Span(end=9), text=f"Text of {name}.")


def names(found: Found) -> str:
    return "".join(one.document.id for one in found.passages)


def asked(text: str = COMPOUND, kind: Kind = REWRITING_UNSPECIFIED, **fields: Any) -> Question:
    return Question(text=text, rewriting=kind, collections=["c"], **fields)


async def rewritten(kind: Kind, *pieces: str | Piece | Exception, text: str = COMPOUND, **fields: Any) -> Rewritten:
    return await strategies(Scripted(*pieces))[kind](asked(text, kind, **fields))


# The strategies that need no model


async def test_none_and_a_question_without_history_stay_as_they_are() -> None:
    for kind in (REWRITING_NONE, REWRITING_CONTEXTUAL):
        assert await rewritten(kind, text="When was it built?") == Rewritten.of("When was it built?")
    follow_up = await rewritten(REWRITING_NONE, text="When was it built?", history=[TOWER])
    assert follow_up == Rewritten("When was it built?", ("When was it built?",))


async def test_contextual_makes_a_follow_up_stand_alone() -> None:
    made = await rewritten(REWRITING_CONTEXTUAL, text="When was it built?", history=[TOWER])
    assert made == Rewritten.of("When was it built? (Eiffel Tower, Paris)")


def test_the_names_of_the_setting_are_those_of_the_contract() -> None:
    assert sorted(REWRITINGS.values()) == sorted(strategies(Scripted()))
    assert {f"REWRITING_{name.upper()}": kind for name, kind in REWRITINGS.items()} | {
        "REWRITING_UNSPECIFIED": REWRITING_UNSPECIFIED
    } == dict(answer_pb2.Rewriting.items())


# Those that ask a model


async def test_expand_searches_once_more_with_related_words() -> None:
    for text in ("height, 'iron lattice',\n- Gustave Eiffel; tower", "1. height\n2. iron lattice\n3. Gustave Eiffel."):
        made = await rewritten(REWRITING_EXPAND, text[:9], text[9:])
        assert made == Rewritten(COMPOUND, (COMPOUND, f"{COMPOUND} height iron lattice Gustave Eiffel"))


async def test_expand_takes_a_bounded_number_of_words_and_no_talk() -> None:
    talk = "Sure, here are some related words that you may want to use in a search:\nthese are all of my words,\n"
    _, further = (await rewritten(REWRITING_EXPAND, talk, ", ".join(f"word{n}" for n in range(50)))).searches
    assert further.removeprefix(COMPOUND).split() == ["Sure", *(f"word{n}" for n in range(WORDS - 1))]


@pytest.mark.parametrize(
    "text",
    [
        "When was the tower built?\nWho designed the tower?",
        "Here you are:\n\n1. When was the tower built?\n2) Who designed the tower?\n\nI hope that helps!",
        '- "When was the tower built?"\n- "When was the TOWER built?"\n* Who designed the tower?\n',
        f"{COMPOUND}\nWhen was the tower built?\nWho designed the tower?",
    ],
)
async def test_decompose_searches_once_more_for_each_part(text: str) -> None:
    made = await rewritten(REWRITING_DECOMPOSE, text)
    assert made == Rewritten.of(COMPOUND, "When was the tower built?", "Who designed the tower?")


async def test_decompose_makes_a_bounded_number_of_parts() -> None:
    made = await rewritten(REWRITING_DECOMPOSE, "\n".join(f"Which tower is number {n}?" for n in range(99)))
    assert len(made.searches) == 1 + PARTS


async def test_hyde_searches_once_more_with_a_passage_and_keeps_the_question() -> None:
    made = await rewritten(REWRITING_HYDE, "The tower was\nbuilt in 1889. ", "x" * 5000)
    assert made.text == made.searches[0] == COMPOUND
    assert made.searches[1].startswith("The tower was built in 1889. xxx")
    assert len(made.searches[1]) == PASSAGE


async def test_a_question_for_one_thing_is_not_split() -> None:
    assert await rewritten(REWRITING_DECOMPOSE, "When was the tower built?") == Rewritten.of(COMPOUND)


async def test_half_characters_and_nul_of_a_model_are_left_out() -> None:
    made = await rewritten(REWRITING_HYDE, "An iron\ud83d lattice\0tower.")
    assert made.searches[1] == "An iron lattice tower."


@pytest.mark.parametrize("kind", MODELLED)
@pytest.mark.parametrize("text", ["", " \n\t", "?!", "\0\0", "\ud83d", "1.\n2.\n3.", "- - -", "the and of", "\u200b"])
async def test_garbage_leaves_the_question_as_it_is(kind: Kind, text: str) -> None:
    assert await rewritten(kind, text) == Rewritten.of(COMPOUND)


@pytest.mark.parametrize("kind", MODELLED)
async def test_a_model_that_declines_leaves_the_question_as_it_is(kind: Kind) -> None:
    made = await rewritten(kind, "Which tower, iron?\nWhich tower?\n", Piece("Which iron?", finish=Finish.DECLINED))
    assert made == Rewritten.of(COMPOUND)


@pytest.mark.parametrize("kind", MODELLED)
async def test_a_model_that_does_not_stop_is_stopped(kind: Kind) -> None:
    model = Scripted(*["tower, iron\nWhich tower?\nWho?\n" * 50] * 10_000)
    made = await strategies(model)[kind](asked())
    assert model.closed
    assert model.written < 10
    assert sum(map(len, made.searches)) < LONGEST + 5 * len(COMPOUND)


@pytest.mark.parametrize("kind", MODELLED)
async def test_a_model_that_fails_fails_the_call(kind: Kind) -> None:
    with pytest.raises(ModelUnavailable):
        await rewritten(kind, "iron", ModelUnavailable("it is down"))


@pytest.mark.parametrize("kind", MODELLED)
async def test_a_model_is_asked_with_the_question_that_stands_alone(kind: Kind) -> None:
    model = Scripted("")
    made = await strategies(model)[kind](asked("When was it built?", kind, history=[TOWER]))
    [[system, user]] = model.asked
    assert (system.role, user.role, user.text) == ("system", "user", "When was it built? (Eiffel Tower, Paris)")
    assert made == Rewritten.of(user.text)


@given(st.sampled_from(MODELLED), st.text(max_size=300))
@settings(deadline=None)
def test_whatever_a_model_says_the_question_is_searched_for_first(kind: Kind, text: str) -> None:
    made = asyncio.run(rewritten(kind, text))
    assert made.searches[0] == made.text == COMPOUND
    assert len(set(made.searches)) == len(made.searches) <= 1 + PARTS
    assert all(search.encode() and "\0" not in search for search in made.searches)


# The retriever


async def test_the_question_decides_how_it_is_rewritten_and_else_the_default() -> None:
    model, shelf = Scripted("iron lattice"), Shelf()
    rewriting = Rewriting(shelf, strategies(model), REWRITING_EXPAND)
    for kind, searches in ((REWRITING_UNSPECIFIED, 2), (REWRITING_EXPAND, 2), (REWRITING_NONE, 1)):
        shelf.asked.clear()
        await rewriting(asked(kind=kind), LOCAL)
        assert len(shelf.asked) == searches
    assert len(model.asked) == 2


async def test_what_is_searched_for_is_a_copy_in_other_words_and_all_else_stays() -> None:
    shelf = Shelf()
    question = asked(
        "When was it built?",
        REWRITING_CONTEXTUAL,
        history=[TOWER],
        top_k=7,
        cache_mode=2,
        conditions=[Condition(field="f")],
    )
    before = question.SerializeToString(deterministic=True)
    result = await Rewriting(shelf, strategies(None), REWRITING_CONTEXTUAL)(question, LOCAL)
    [searched] = shelf.asked
    assert searched == asked(
        "When was it built? (Eiffel Tower, Paris)", top_k=7, cache_mode=2, conditions=[Condition(field="f")]
    )
    assert result.question == searched.text
    assert question.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("kind", MODELLED)
async def test_without_a_chat_model_the_caller_is_told_which_setting_is_missing(kind: Kind) -> None:
    shelf = Shelf()
    with pytest.raises(InvalidRequest, match="RAGENTS_CHAT_MODEL") as caught:
        await Rewriting(shelf, strategies(None), REWRITING_CONTEXTUAL)(asked(kind=kind), LOCAL)
    assert list(caught.value.violations) == ["question.rewriting"]
    assert not shelf.asked


async def test_the_span_tells_the_strategy_and_whether_it_changed_anything() -> None:
    told = list[Timed]()
    rewriting = Rewriting(Shelf(), strategies(None), REWRITING_CONTEXTUAL)
    with listening(told.append):
        await rewriting(asked("Why?", history=[TOWER]), LOCAL)
        await rewriting(asked("Why?"), LOCAL)
    attributes = [one.attributes for one in told if one.name == "rewrite"]
    assert [one["strategy"] for one in attributes] == ["contextual", "contextual"]
    assert [one["changed"] for one in attributes] == [True, False]


async def test_a_search_that_fails_fails_the_call() -> None:
    async def fails(question: Question, caller: Caller) -> Found:
        if question.text != COMPOUND:
            raise StateUnavailable("the database is away")
        return found(question.text)

    with pytest.raises(StateUnavailable):
        await Rewriting(fails, strategies(Scripted("iron")), REWRITING_EXPAND)(asked(), LOCAL)


# Several searches become one


def test_each_searchs_best_comes_before_any_ones_second() -> None:
    merged = merge([found("q", *"abc"), found("r", *"bd"), found("s", *"xyz")])
    assert names(merged) == "abx"
    assert names(merge([found("q", *"abcdef"), found("r", *"xb")])) == "axbcde"
    assert names(merge([found("q", *"ab"), found("r", *"xy")], 3)) == "axb"


def test_everything_of_a_passage_moves_with_it_and_the_question_is_the_first_ones() -> None:
    first, second = found("q", *"ab"), found("longer", *"ca")
    merged = merge([first, second])
    assert (merged.question, names(merged)) == ("q", "ac")
    assert merged.vector is first.vector
    assert merged.embeddings is first.embeddings
    assert merged.sentences == (((0, ord("a")),), ((0, ord("c")),))
    assert [rows is not None and rows.tobytes() for rows in merged.sentence_vectors] == [
        vector(name).tobytes() for name in "ac"
    ]
    assert merged.idf == {"q": 1.0, "longer": 1.0, "shared": 1.0}


def test_what_was_searched_with_another_model_is_left_out() -> None:
    assert names(merge([found("q", *"ab"), found("r", *"xy", model="other")])) == "ab"


def test_searches_that_find_nothing_are_no_failure() -> None:
    assert names(merge([found("q"), found("r", *"x"), found("s")])) == "x"
    assert names(merge([found("q"), found("r")])) == ""


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6, unique=True), min_size=1, max_size=5))
def test_no_passage_comes_twice_and_there_are_never_more_than_one_search_finds(searches: list[list[str]]) -> None:
    merged = merge([found(f"q{number}", *one) for number, one in enumerate(searches)])
    assert len(set(names(merged))) == len(merged.passages) == len(merged.sentences) == len(merged.sentence_vectors)
    assert len(merged.passages) == max(map(len, searches))
    assert set(names(merged)) >= set(searches[0][:1])


# On the real index

TEXTS = {
    "tower.txt": "The tower of Rome was built in 1889.",
    "bridge.txt": "The bridge over the Tiber has nine arches.",
    "market.txt": "The market of Rome sells fish and bread.",
    "harbour.txt": "The harbour of Ostia froze in 1838.",
}


@pytest.fixture
async def retrieval() -> AsyncIterator[Retrieval]:
    async with embedded_database() as url:
        await migrate(url, resources.files("ragents_server.index") / "migrations")
        async with open_index(url) as index:
            for name, text in TEXTS.items():
                await index.put(name, text, tenant=LOCAL.tenant, collection="c")  # without vectors: words decide
            yield Retrieval(index.search, [Hashing()], top_k=2)


async def test_parts_are_found_and_answered_from_on_the_real_index(retrieval: Retrieval) -> None:
    compound = "When was the tower built, and how many arches has the bridge?"
    model = Scripted("When was the tower of Rome built in 1889?\nHow many arches has the bridge over the Tiber?")
    rewriting = Rewriting(retrieval, strategies(model), REWRITING_DECOMPOSE)
    result = await rewriting(asked(compound), LOCAL)
    assert {one.document.name for one in result.passages} == {"tower.txt", "bridge.txt"}
    assert len((await rewriting(asked(compound, top_k=3), LOCAL)).passages) == 3
    assert [one.text[start:end] for one, [(start, end)] in zip(result.passages, result.sentences, strict=True)] == [
        one.text for one in result.passages
    ]
    answer = await last_answer(Engine(rewriting, ExtractiveWriter())(asked(compound), LOCAL))
    assert answer.passages == list(result.passages)


async def test_a_follow_up_finds_on_the_real_index_what_it_is_about(retrieval: Retrieval) -> None:
    rewriting = Rewriting(retrieval, strategies(None), REWRITING_CONTEXTUAL)
    history = [Exchange(question="What froze in Ostia?", answer="The harbour of Ostia [1].")]
    best = (await rewriting(asked("When was that?", history=history), LOCAL)).passages[0]
    assert best.document.name == "harbour.txt"
