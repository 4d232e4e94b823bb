"""The tools that read documents: what they find, within what the turn's question and the caller's grants allow."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from google.protobuf.struct_pb2 import Value

from ragents_client.v1.agent_pb2 import ToolCall
from ragents_client.v1.answer_pb2 import Condition, Question
from ragents_server.agents.tools import retrieving
from ragents_server.agents.tools.box import Box
from ragents_server.agents.tools.tool import NOTHING, Called
from ragents_server.caller import LOCAL, Caller, act_for
from ragents_server.errors import StateUnavailable
from ragents_server.index.put import document_id
from ragents_server.index.texts import PART
from tests.agents.turns import Library, library

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = "\n\n".join(
    f"Paragraph {i} is about the ünusual ice of the year {1500 + i}. It lay in the harbour for {i + 3} weeks; ships "
    f"number {i * 7} to {i * 7 + 3} waited outside. Nobody was paid for it, says clerk {i}."
    for i in range(160)
)
TREASURE = "The treasure of Bergen lies under the east quay."
OTHERS = {"bread.txt": "Bakers in Bergen sold rye bread.", "secret:treasure.txt": TREASURE}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def books() -> AsyncIterator[Library]:
    async with library({"long.txt": LONG, "a note.md": "# Ice\n\nIt froze.", **OTHERS}) as made:
        await made.put("theirs", {"bread.txt": TREASURE, "own.txt": TREASURE})
        yield made


async def called(
    books: Library, name: str, *, caller: Caller = LOCAL, question: Any = None, **arguments: Any
) -> Called:
    act_for(caller)
    call = ToolCall(id="1", name=name)
    call.arguments.update(arguments)
    asked = question or Question(text="What?", collections=["default"])
    return await Box(books.tools()).call(call, key="k", question=asked)


async def failure(books: Library, name: str, **options: Any) -> str:
    made = await called(books, name, **options)
    assert made.passages == ()
    return made.result.failure.message


async def test_passages_are_found_with_where_they_are(books: Library) -> None:
    made = await called(books, "retrieve", query="Who sold rye bread?", top_k=2)
    assert made.passages[0].document.name == "bread.txt"
    assert len(made.passages) == 2
    assert made.result.text.startswith("Found: bread.txt, line 1; ")
    nothing = await called(books, "retrieve", query="bread", question=Question(text="?", collections=["empty"]))
    assert (nothing.result.text, nothing.passages) == (NOTHING, ())


async def test_other_collections_are_out_of_reach(books: Library) -> None:
    both = Question(text="?", collections=["default", "secret"])
    treasure = {"query": "Where is the treasure?"}
    assert "treasure.txt" in {
        p.document.name for p in (await called(books, "retrieve", question=both, **treasure)).passages
    }
    narrowed = await called(books, "retrieve", question=both, collections=["secret"], **treasure)
    assert {p.document.name for p in narrowed.passages} == {"treasure.txt"}
    told = await failure(books, "retrieve", collections=["secret"], **treasure)
    assert told.startswith("there is no collection 'secret' here; there are: default")
    assert told == (await failure(books, "retrieve", collections=["nowhere"], **treasure)).replace("nowhere", "secret")
    granted = Caller(
        "local", "ada", collections=frozenset({"default"})
    )  # the grant was taken back since the turn began
    for arguments in ({}, {"collections": []}, {"collections": ["default"]}):
        found = await called(books, "retrieve", question=both, caller=granted, **treasure, **arguments)
        assert "treasure.txt" not in {p.document.name for p in found.passages}
    assert "no collection" in await failure(
        books, "retrieve", question=both, caller=granted, collections=["secret"], **treasure
    )


async def test_conditions_of_the_question_hold_for_tools(books: Library) -> None:
    only = Condition(field="name", equals=Value(string_value="long.txt"))
    question = Question(text="?", collections=["default"], conditions=[only])
    made = await called(books, "retrieve", question=question, query="Who sold rye bread?")
    assert {passage.document.name for passage in made.passages} == {"long.txt"}
    assert "no such document" in await failure(books, "open_document", question=question, document="bread.txt")
    assert (await called(books, "open_document", question=question, document="long.txt")).passages


@pytest.mark.parametrize("query", ["", " \n ", "\0"])
async def test_an_empty_query_is_refused(books: Library, query: str) -> None:
    assert "query is empty" in await failure(books, "retrieve", query=query)


async def test_a_document_is_read_part_by_part_without_gap_or_repetition(books: Library) -> None:
    first = await called(books, "open_document", document="long.txt")
    parts = int(first.result.text.removesuffix(".").split(" of ")[1])
    assert parts == len(LONG.encode()) // PART + 1
    assert first.answers
    passages = list(first.passages)
    for part in range(2, parts + 1):
        made = await called(books, "open_document", document="long.txt", part=part)
        assert made.result.text == f"long.txt, part {part} of {parts}."
        passages += made.passages
    content, at = LONG.encode(), 0
    for passage in passages:
        assert passage.span.start >= at
        assert not content[at : passage.span.start].strip(), "only white space lies between"
        assert content[passage.span.start : passage.span.end].decode() == passage.text
        assert passage.first_line == 1 + content[: passage.span.start].count(b"\n")
        at = passage.span.end
    assert not content[at:].strip()
    behind = await called(books, "open_document", document="long.txt", part=parts + 1)
    assert (behind.passages, behind.result.text) == (
        (),
        f"long.txt has {parts} parts; there is nothing in part {parts + 1}.",
    )


async def test_a_document_is_found_by_its_id_too(books: Library) -> None:
    identity = document_id("local", "default", "a note.md")
    by_id = await called(books, "open_document", document=identity)
    by_name = await called(books, "open_document", document=" a note.md ")
    assert by_id.passages == by_name.passages
    assert by_id.passages[0].text == "# Ice\n\nIt froze."


async def test_a_document_that_is_not_there_is_told_with_what_may_be_meant(books: Library) -> None:
    assert "did you mean a note.md?" in await failure(books, "open_document", document="NOTE")
    for name in ("", "nowhere.txt", "%", "treasure.txt", "own.txt", "x" * 5000):
        told = await failure(books, "open_document", document=name)
        assert told.startswith("there is no such document. "), told


async def test_somebody_elses_document_is_as_absent_as_one_that_never_was(books: Library) -> None:
    theirs = document_id("theirs", "default", "own.txt")
    never = document_id("theirs", "default", "never.txt")
    assert await failure(books, "open_document", document=theirs) == await failure(
        books, "open_document", document=never
    )
    mine = await called(books, "open_document", document="bread.txt")
    assert "treasure" not in mine.passages[0].text
    other = await called(books, "open_document", caller=Caller("theirs", "eve"), document="bread.txt")
    assert other.passages[0].text == TREASURE
    hidden = document_id("local", "secret", "treasure.txt")
    assert "no such document" in await failure(books, "open_document", document=hidden)


async def test_a_database_that_is_away_ends_the_run_instead_of_failing_the_tool(books: Library) -> None:
    class Away:
        async def __call__(self, question: Question, caller: Caller) -> Any:
            raise asyncpg.ConnectionDoesNotExistError("gone")

    box = Box([retrieving.retrieve(Away())])
    call = ToolCall(id="1", name="retrieve")
    call.arguments.update({"query": "bread"})
    with pytest.raises(StateUnavailable):
        await box.call(call, key="k", question=Question(text="?", collections=["default"]))
