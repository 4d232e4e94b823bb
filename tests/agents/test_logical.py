"""The agent `logical` on real documents: constraints that are applied, a solver that computes, questions back."""

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
import pytest_asyncio

from ragents_client.conditions import equals
from ragents_client.v1.agent_pb2 import INTERRUPT_KIND_CLARIFICATION
from ragents_client.v1.answer_pb2 import REFUSAL_REASON_NO_PASSAGES, REFUSAL_REASON_NOT_ANSWERED, Usage
from ragents_client.v1.document_pb2 import Upload
from ragents_server.agents import logical, simple
from ragents_server.agents.agent import Agent, Kit
from ragents_server.agents.budgets import Budget
from ragents_server.caller import LOCAL, Caller
from ragents_server.index.fields import Fields
from ragents_server.models.chat import Finish, Message, Piece
from ragents_server.rag.prompted import PromptedWriter
from tests.agents.turns import TODAY, Library, Talk, Told, library

DOCUMENTS: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    (
        "handbook.md",
        "# Notice\n\nThe notice period for employees is four weeks. Holidays are planned in January.",
        {"department": "Human Resources", "status": "final", "year": 2023, "published": "2023-02-01"},
    ),
    (
        "lease.txt",
        "Either side may end the lease after a period of ninety days in writing. The rent is 900 euros a month.",
        {"department": "Legal", "status": "draft", "year": 2019, "published": "2019-05-20"},
    ),
    (
        "fees/rates.csv.txt",
        "The entrance fee of the museum is 12 euros. Children under six enter free of charge.",
        {"department": "Sales", "status": "final", "year": 2021, "published": "2021-11-11", "topic": "Legal"},
    ),
    (
        "old-rates.txt",
        "The entrance fee of the museum is 7 euros. Students pay half the entrance fee.",
        {"department": "Sales", "status": "archived", "year": 2015, "published": "2015-01-01"},
    ),
)


async def put(books: Library, tenant: str = LOCAL.tenant, collection: str = "default") -> None:
    for name, text, fields in DOCUMENTS:
        upload = Upload(name=name, collection=collection)
        upload.metadata.update(fields)
        async for _ in books.pipeline.put(tenant, upload, text.encode()):
            pass


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def books() -> AsyncIterator[Library]:
    async with library({}) as made:
        await put(made)
        yield made


pytestmark = pytest.mark.asyncio(loop_scope="module")


def build(kit: Kit) -> Agent:
    """On the tests' day."""
    return logical.build(kit, lambda: TODAY)


def talk(books: Library, *, writer: Any = None, caller: Caller = LOCAL) -> Talk:
    kit = books.kit(writer=writer)
    known = Kit(kit.engine, kit.retriever, kit.writer, kit.model, kit.toolbox, Fields(books.pool))
    return Talk(build(known), caller)


def documents(told: Told) -> set[str]:
    """The names of the documents that were retrieved from."""
    return {one.document.name for event in told.events for one in event.retrieved.passages}


def steps(told: Told) -> list[tuple[str, str]]:
    return [(event.step.name, event.step.text) for event in told.events if event.HasField("step")]


# Constraints


async def test_the_best_passage_is_not_used_where_the_question_excludes_its_document(books: Library) -> None:
    question = "What is the entrance fee of the museum"
    plain = await talk(books).ask(f"{question}?")
    assert plain.text.startswith("The entrance fee of the museum is 12 euros.")
    assert plain.answer is not None
    assert {one.passage.document.name for one in plain.answer.citations} >= {"fees/rates.csv.txt"}
    told = await talk(books).ask(f"{question}, where status is archived?")
    assert documents(told) == {"old-rates.txt"}
    assert told.text.startswith("The entrance fee of the museum is 7 euros.")
    assert ("understand", "only documents with status = archived") in steps(told)
    assert ("retrieve", "only documents with status = archived") in steps(told)


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What is the fee in old-rates.txt?", {"old-rates.txt"}),
        ("According to RATES.CSV.TXT, what is the fee?", {"fees/rates.csv.txt"}),
        ("What is the notice period, in markdown files only?", {"handbook.md"}),
        ("What is the fee where department is sales?", {"fees/rates.csv.txt", "old-rates.txt"}),
        ("What is the fee with year after 2015?", {"handbook.md", "lease.txt", "fees/rates.csv.txt"}),
        (
            "What is the fee in documents published between March 2019 and December 2021?",
            {"lease.txt", "fees/rates.csv.txt"},
        ),
        ("What is the fee in documents published before 2019?", {"old-rates.txt"}),
        ("What is the fee where status is not final?", {"lease.txt", "old-rates.txt"}),
        ("What is the fee in documents without a topic?", {"handbook.md", "lease.txt", "old-rates.txt"}),
        ("What is the fee where department is sales and the year is 2021?", {"fees/rates.csv.txt"}),
        ("In the archived files, what is the fee?", {"old-rates.txt"}),
    ],
)
async def test_constraints_become_conditions_that_retrieval_applies(
    books: Library, question: str, names: set[str]
) -> None:
    told = await talk(books).ask(question)
    assert told.interrupt is None
    assert documents(told) == names, steps(told)


async def test_the_caller_s_own_conditions_stay(books: Library) -> None:
    conditions = [equals("department", "Sales")]
    told = await talk(books).ask("What is the fee with year after 2015?", conditions=conditions)
    assert documents(told) == {"fees/rates.csv.txt"}
    told = await talk(books).ask("What is the fee?", conditions=conditions)
    assert documents(told) == {"fees/rates.csv.txt", "old-rates.txt"}


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("What is the fee where department is marketing?", "department = marketing"),
        ("What is the fee in missing.pdf?", "name = missing.pdf"),
        ("What is the fee with year after 2030?", "year after 2030"),
        ("What is the fee in PDF files only?", "PDF files"),
    ],
)
async def test_a_constraint_that_no_document_meets_is_a_refusal_that_says_so(
    books: Library, question: str, named: str
) -> None:
    told = await talk(books).ask(question)
    assert told.answer is not None
    assert told.answer.refusal.reason == REFUSAL_REASON_NO_PASSAGES
    assert named in told.text
    assert "default" in told.text
    assert not told.answer.passages


async def test_fields_of_another_tenant_are_none_here(books: Library) -> None:
    stranger = Caller(tenant="eve", user="eve")
    await books.put("eve", {"mine.txt": "The entrance fee of the zoo is 5 euros."})
    told = await talk(books, caller=stranger).ask("What is the entrance fee, with department legal?")
    assert documents(told) == {"mine.txt"}, "without such a field the words are no constraint"


# Questions back


async def test_a_value_of_two_fields_is_asked_back_and_the_reply_decides(books: Library) -> None:
    for reply, names in (("topic", {"fees/rates.csv.txt"}), ("Department.", {"lease.txt"}), (1.0, {"lease.txt"})):
        conversation = talk(books)
        told = await conversation.ask("What is the fee in the legal documents?")
        assert told.interrupt is not None
        assert told.interrupt.kind == INTERRUPT_KIND_CLARIFICATION
        assert list(told.interrupt.options) == ["department", "topic"]
        assert told.answer is None
        resumed = await conversation.reply(reply)
        assert documents(resumed) == names
        assert resumed.answer is not None


async def test_a_year_that_fits_two_dates_is_asked_back(books: Library) -> None:
    conversation = talk(books)
    told = await conversation.ask("What is the fee in documents from 2021?")
    assert told.interrupt is not None
    assert set(told.interrupt.options) == {"year", "published"}
    assert documents(await conversation.reply("published")) == {"fees/rates.csv.txt"}


async def test_a_date_with_two_readings_is_asked_back_and_computed_as_replied(books: Library) -> None:
    conversation = talk(books)
    told = await conversation.ask("What day of the week is 03/04/2024?")
    assert told.interrupt is not None
    assert list(told.interrupt.options) == ["3 April 2024", "4 March 2024"]
    resumed = await conversation.reply("4 march 2024")
    assert "Monday" in resumed.text
    assert resumed.answer is not None
    assert resumed.answer.usage == Usage(model="solver")


async def test_a_reply_that_is_no_option_is_asked_for_once_more_and_then_taken_as_words(books: Library) -> None:
    conversation = talk(books)
    await conversation.ask("What is the fee in the legal documents?")
    again = await conversation.reply("hm")
    assert again.interrupt is not None
    assert again.interrupt.text.startswith("Please choose")
    assert documents(await conversation.reply(2.0)) == {"fees/rates.csv.txt"}
    conversation = talk(books)
    await conversation.ask("What is the fee in the legal documents?")
    await conversation.reply("hm")
    third = await conversation.reply("those of the museum")
    assert third.interrupt is not None, "the words did not make it clear"
    await conversation.reply("hm")
    last = await conversation.reply("I do not know")
    assert last.interrupt is None, "at most two clarifications a turn"
    assert last.answer is not None
    assert last.answer.refusal.reason == REFUSAL_REASON_NOT_ANSWERED
    assert "department or topic" in last.text


async def test_a_pronoun_that_nothing_explains_is_asked_back(books: Library) -> None:
    conversation = talk(books)
    told = await conversation.ask("How much is it?")
    assert told.interrupt is not None
    assert not told.interrupt.options
    resumed = await conversation.reply("the entrance fee of the museum")
    assert documents(resumed)
    assert resumed.text.startswith("The entrance fee of the museum is")
    follow_up = await conversation.ask("And for children?")
    assert follow_up.interrupt is None, "what was said before explains it"


# The solver


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("What is 15 % of 80?", "12"),
        ("How many days are there between 2024-02-01 and 2024-03-01?", "29"),
        ("What date is 3 weeks from today?", "20 March 2024"),
        ("Is 3/4 larger than 0.7?", "Yes"),
        ("Ann is older than Bob. Bob is older than Cid. Who is the oldest?", "Ann"),
        ("If it rains, the street is wet. The street is not wet. Does it rain?", "No"),
    ],
)
async def test_what_can_be_computed_is_computed_with_its_steps_and_without_documents(
    books: Library, question: str, value: str
) -> None:
    told = await talk(books).ask(question)
    assert told.answer is not None
    assert value in told.text
    assert " Steps: 1. " in told.text
    assert told.shown() == told.text
    assert [name for name, _ in steps(told)] == ["understand", "solve"]
    assert not told.answer.passages
    assert not told.answer.citations
    assert told.answer.usage == Usage(model="solver")


async def test_what_is_too_large_is_refused_in_words(books: Library) -> None:
    told = await talk(books).ask("What is 10**10**10?")
    assert told.answer is not None
    assert told.answer.refusal.reason == REFUSAL_REASON_NOT_ANSWERED
    assert "digits" in told.text


async def test_the_last_result_may_be_called_that(books: Library) -> None:
    conversation = talk(books)
    await conversation.ask("What is 15 % of 80?")
    assert "36" in (await conversation.ask("And three times that?")).text
    await conversation.ask("What is the entrance fee of the museum?")
    assert "18" in (await conversation.ask("What is half of it?")).text


async def test_a_document_question_with_numbers_is_not_computed(books: Library) -> None:
    told = await talk(books).ask("What is the notice period for employees in 2023?")
    assert told.text.startswith("The notice period for employees is four weeks.")
    assert told.answer is not None
    assert told.answer.usage.model == "extractive"


# Tokens


class Guessing:
    """A chat model that reads the passages for what they say, and guesses whatever is to be computed."""

    model = "guessing"

    def __init__(self) -> None:
        self.tokens = 0

    async def __call__(self, messages: Sequence[Message]) -> AsyncIterator[Piece]:
        read = sum(len(message.text.split()) for message in messages)
        self.tokens += read
        text = "The notice period for employees is four weeks [1]." if "notice" in messages[-1].text else "It is 42."
        yield Piece(text)
        yield Piece("", read, 4, Finish.DONE)


MIXED = (
    ("What is the notice period for employees?", "four weeks"),
    ("What is 17.5 % of 240?", "42"),
    ("What is 1234 * 5678?", "7,006,652"),
    ("How many days are there between 1 March 2024 and 24 December 2024?", "298"),
    ("What is the notice period, where department is human resources?", "four weeks"),
    ("Ann is taller than Bob. Cid is shorter than Bob. Who is the shortest?", "Cid"),
    ("Is 5/8 larger than 0.63?", "No"),
    ("Which day of the week is 24 December 2024?", "Tuesday"),
    ("All cats are mammals. Tom is a cat. Is Tom a mammal?", "Yes"),
    ("Solve 3x + 4 = 19.", "5"),
)


async def test_fewer_tokens_are_sent_than_by_simple_and_what_is_computed_is_right(books: Library) -> None:
    sent, right, charged = dict[str, int](), dict[str, int](), dict[str, int]()
    for name in ("simple", "logical"):
        model = Guessing()
        conversation = (
            talk(books, writer=PromptedWriter(model))
            if name == "logical"
            else books.talk(simple.build, writer=PromptedWriter(model))
        )
        answers = [(await conversation.ask(question)).answer for question, _ in MIXED]
        sent[name] = model.tokens
        charged[name] = sum(answer.usage.input_tokens for answer in answers if answer)
        right[name] = sum(
            wanted in answer.text.partition(" Steps:")[0]
            for answer, (_, wanted) in zip(answers, MIXED, strict=True)
            if answer
        )
    sys.stdout.write(f"words sent {sent}, charged {charged}, right of {len(MIXED)}: {right}\n")
    assert charged == sent, "what is measured is what was sent"
    assert sent["logical"] < sent["simple"] / 3
    assert right["logical"] == len(MIXED)
    assert right["simple"] < len(MIXED) / 2


async def test_the_budget_s_tokens_are_in_the_answer_s_usage(books: Library) -> None:
    budget = Budget(input_tokens=7, output_tokens=1, model="earlier", model_calls=1)
    told = await talk(books).ask("What is 15 % of 80?", budget=budget)
    assert told.answer is not None
    assert told.answer.usage == Usage(model="solver", input_tokens=7, output_tokens=1, model_calls=1)


async def test_without_known_fields_the_agent_still_answers(books: Library) -> None:
    told = await books.talk(build).ask("What is the entrance fee of the museum, where status is archived?")
    assert told.answer is not None
    assert documents(told)
