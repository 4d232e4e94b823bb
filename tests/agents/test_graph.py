"""The agent `langgraph`: what it does with a question that one search does not answer, by rules and with a model."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from ragents_client.v1.answer_pb2 import (
    REFUSAL_REASON_NO_PASSAGES,
    REFUSAL_REASON_NOT_ANSWERED,
    Answer,
    Citation,
    Passage,
    Question,
    Span,
    Usage,
)
from ragents_client.v1.document_pb2 import Document
from ragents_client.v1.event_pb2 import Delta, Event
from ragents_server.agents.asking import Asking
from ragents_server.agents.budgets import Budget
from ragents_server.agents.graph import ITERATIONS, build
from ragents_server.agents.joined import Joined
from ragents_server.agents.looking import ByModel, ByRules
from ragents_server.errors import BudgetSpent, StateUnavailable
from ragents_server.rag.retrieval import Found
from tests.agents.turns import Library, Talk, library
from tests.scripted_model import ScriptedModel

HARBOUR = "The harbour of Oslo froze in January 1838. Ships waited for weeks.\nBread became expensive in the city."
BREAD = "Bakers in Bergen sold rye bread. A loaf cost 1,009 shillings. The German merchants paid half."

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def books() -> AsyncIterator[Library]:
    async with library({"harbour.txt": HARBOUR, "bread.txt": BREAD}) as made:
        yield made


async def test_a_plain_question_takes_one_round(books: Library) -> None:
    told = await books.talk(build).ask("When did the harbour of Oslo freeze?")
    assert told.text.startswith("The harbour of Oslo froze in January 1838. [1]")
    assert told.shown() == told.text
    assert told.steps() == ["plan", "retrieve", "grade", "answer", "check"]


async def test_each_part_of_a_question_is_answered_and_cited(books: Library) -> None:
    told = await books.talk(build).ask("When did the harbour of Oslo freeze and what did a loaf of bread cost?")
    assert told.answer is not None
    first, second = told.text.split("\n\n")
    assert first.startswith("The harbour of Oslo froze in January 1838. [1]")
    assert "A loaf cost 1,009 shillings. [2]" in second
    assert told.shown() == told.text
    for citation in told.answer.citations:
        said = told.text.encode()[citation.answer_span.start : citation.answer_span.end].decode()
        assert citation.quote == said
        assert citation.quote in told.answer.passages[citation.number - 1].text
    assert len({passage.document.name for passage in told.answer.passages}) == len(told.answer.passages)


async def test_what_is_not_there_is_refused_after_other_words_were_tried(books: Library) -> None:
    told = await books.talk(build).ask("Who was the first queen of Sweden in the harbour?")
    assert told.answer is not None
    assert told.answer.refusal.reason == REFUSAL_REASON_NOT_ANSWERED
    assert told.steps().count("retrieve") > 1
    assert told.shown() == ""


async def test_a_follow_up_is_searched_for_as_a_question_of_its_own(books: Library) -> None:
    talk = books.talk(build)
    await talk.ask("When did the harbour of Oslo freeze?")
    told = await talk.ask("What did ships do outside of it?")
    assert "Ships waited for weeks." in told.text
    [retrieve] = [event.step.text for event in told.events if event.step.name == "retrieve"]
    assert "Oslo" in retrieve


async def test_a_part_that_nothing_answers_is_named_and_the_other_is_answered(books: Library) -> None:
    told = await books.talk(build).ask("Who was queen of Sweden in 1650 and what did a loaf of bread cost?")
    assert told.answer is not None
    assert not told.answer.HasField("refusal")
    first, last = told.text.split("\n\n")
    assert "A loaf cost 1,009 shillings. [" in first
    assert last == "No passage says this: Who was queen of Sweden in 1650"
    assert told.shown() == told.text


async def test_every_search_stays_within_the_question(books: Library) -> None:
    told = await books.talk(build).ask("When did the harbour of Oslo freeze?", collections=["empty"])
    assert told.answer is not None
    assert told.answer.refusal.reason == REFUSAL_REASON_NO_PASSAGES
    one = await books.talk(build).ask("When did the harbour of Oslo freeze?", top_k=1)
    assert one.answer is not None
    assert len(one.answer.passages) == 1


class Counting:
    """A writer that always says what nothing supports."""

    model = "counting"

    def __init__(self) -> None:
        self.written = 0

    async def __call__(self, question: Question, found: Found) -> AsyncGenerator[Event, None]:
        self.written += 1
        text = f"Draft {self.written}."
        yield Event(delta=Delta(text=text))
        usage = Usage(model=self.model, input_tokens=30, output_tokens=10, model_calls=1)
        yield Event(answer=Answer(text=text, passages=found.passages, usage=usage))


async def test_the_loop_ends_whatever_the_model_says(books: Library) -> None:
    model = ScriptedModel(decide=lambda messages, tools: f"What {len(str(messages))} else?\nWhich harbour?\nWho froze?")
    writer = Counting()
    told = await books.talk(build, model, writer=writer).ask("When did the harbour of Oslo freeze?")
    assert told.answer is not None
    assert told.answer.HasField("refusal")
    assert writer.written == 2
    assert 1 < told.steps().count("retrieve") <= ITERATIONS
    assert told.answer.usage.model_calls == len(model.asked) + 2
    assert told.answer.usage.input_tokens == 10 * len(model.asked) + 60
    assert told.shown() == ""


@pytest.mark.parametrize(("limits", "said"), [({"max_steps": 1}, "1 steps"), ({"max_tokens": 60}, "60 tokens")])
async def test_a_budget_ends_it_with_a_typed_error(books: Library, limits: dict[str, int], said: str) -> None:
    model = ScriptedModel(decide=lambda messages, tools: "NONE")
    with pytest.raises(BudgetSpent, match=said):
        await books.talk(build, model, writer=Counting()).ask("When did the harbour freeze?", budget=Budget(**limits))


async def test_a_run_goes_on_where_it_was_saved_last(books: Library) -> None:
    broken = [True]

    class Fragile(Counting):
        async def __call__(self, question: Question, found: Found) -> AsyncGenerator[Event, None]:
            if broken:
                broken.clear()
                raise StateUnavailable("the database is away")
            text = "The harbour froze."
            citations = [Citation(number=1, quote="The harbour of Oslo froze in January 1838.")]
            yield Event(answer=Answer(text=text, passages=found.passages, citations=citations))

    talk = books.talk(build, writer=Fragile())
    with pytest.raises(StateUnavailable):
        await talk.ask("When did the harbour of Oslo freeze?")
    told = await Talk(build(books.kit(writer=Fragile())), saver=talk.saver).run(None)
    assert told.steps() == ["answer", "check"]
    assert told.text == "The harbour froze."
    assert told.answer is not None
    assert told.answer.passages[0].document.name == "harbour.txt"


def found_of(question: str, *passages: Passage, **idf: float) -> Found:
    nothing: Any = None
    return Found(
        question=question,
        vector=np.ones(2, np.float32),
        passages=passages,
        sentences=((),) * len(passages),
        sentence_vectors=(np.zeros((0, 2), np.float32),) * len(passages),
        idf=idf,
        embeddings=nothing,
    )


async def test_rules_rewrite_with_the_rarer_words_and_then_with_headings() -> None:
    found = found_of(
        "When did the old harbour freeze?", Passage(heading="Ice > 1838"), when=0.5, harbour=4.0, freez=5.0, old=1.0
    )
    assert await ByRules().rewrite(found, 1) == "harbour freeze"
    assert await ByRules().rewrite(found, 2) == "When did the old harbour freeze? Ice > 1838"
    assert await ByRules().rewrite(found, 3) is None
    assert await ByRules().rewrite(found_of("Why?"), 1) is None
    assert await ByRules().rewrite(found_of("Why?", Passage()), 2) is None
    assert await ByRules().grade(found_of("Why?")) == []


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("2", [1]),
        ("1, 3", [0, 2]),
        ("Passages 1 and 2.", [0, 1]),
        ("NONE", []),
        ("none of them", []),
        ("7", [0, 1, 2]),
        ("I cannot say", [0, 1, 2]),
        ("version 1.2", [0, 1, 2]),
    ],
)
async def test_what_a_model_says_of_passages_is_read_strictly(said: str, kept: list[int]) -> None:
    passages = [Passage(text=text) for text in ("a", "b", "c")]
    by_model = ByModel(Asking(ScriptedModel(decide=lambda messages, tools: said)))
    assert await by_model.grade(found_of("?", *passages)) == [passages[i] for i in kept]
    assert await by_model.grade(found_of("?")) == []


def answer_of(text: str, *marks: tuple[str, int], document: str) -> Answer:
    content, citations = text.encode(), []
    for words, number in marks:
        start = content.index(words.encode())
        span = Span(start=start, end=start + len(words.encode()))
        citations.append(Citation(number=number, quote=words, answer_span=span))
    passages = [Passage(text=f"{document} {i}", document=Document(id=f"{document}{i}")) for i in (1, 2)]
    return Answer(text=text, passages=passages, citations=citations)


async def test_answers_are_joined_with_the_numbers_of_their_passages() -> None:
    first = answer_of("Æ one. [2]", ("Æ one.", 2), document="a")
    second = answer_of("Two [9]. [1] Three. [2]", ("Two [9].", 1), ("Three.", 2), document="b")
    again = answer_of("Four. [1]", ("Four.", 1), document="a")
    joined = Joined()
    for answer in (first, second, again):
        joined.add(answer)
    joined.quote((Passage(text=" Five.\n", document=Document(id="b2")),))
    assert joined.answer.text == "Æ one. [2]\n\nTwo [9]. [3] Three. [4]\n\nFour. [1]\n\nFive. [4]"
    assert [passage.document.id for passage in joined.answer.passages] == ["a1", "a2", "b1", "b2"]
    content = joined.answer.text.encode()
    for citation in joined.answer.citations:
        span = citation.answer_span
        assert content[span.start : span.end].decode() == citation.quote
        assert content[span.end :].startswith(f" [{citation.number}]".encode())
