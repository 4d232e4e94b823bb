"""The agent `langgraph`: what it does with a question that one search does not answer, by rules and with a model."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ragents_client.v1.answer_pb2 import REFUSAL_REASON_NOT_ANSWERED
from ragents_server.agents.graph import build
from tests.agents.turns import Library, library

HARBOUR = (
    "The harbour of Oslo froze in January 1838. Ships waited for weeks.\nBread became expensive in the city."
)
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
