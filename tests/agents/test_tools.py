"""Tools: what a function's schema is, who may call it, and what becomes of all that can go wrong in it."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from ragents_client.v1 import error_reason_pb2 as reasons
from ragents_client.v1.agent_pb2 import ToolCall
from ragents_client.v1.answer_pb2 import Passage, Question
from ragents_client.v1.document_pb2 import Document
from ragents_server.agents.budgets import Budget, budgeted
from ragents_server.agents.tools.box import LONGEST_ARGUMENTS, Box
from ragents_server.agents.tools.computing import calculate, dates
from ragents_server.agents.tools.functions import STUCK, tool_of
from ragents_server.agents.tools.loading import load_tools, with_approval
from ragents_server.agents.tools.tool import Called, Outcome, Tool, Toolbox
from ragents_server.caller import LOCAL, Caller, act_for
from ragents_server.errors import ConfigurationError, ModelUnavailable, NotFound, StateUnavailable
from tests.agents import own_tools

QUESTION = Question(text="What?", collections=["default"])


async def called(tool: Tool | Box, name: str = "", key: str = "k", **arguments: Any) -> Called:
    box = tool if isinstance(tool, Box) else Box([tool])
    call = ToolCall(id="1", name=name or box.names()[0])
    call.arguments.update(arguments)
    return await box.call(call, key=key, question=QUESTION)


async def text(tool: Tool, **arguments: Any) -> str:
    made = await called(tool, **arguments)
    assert not made.result.HasField("failure"), made.result.failure
    return made.result.text


async def failure(tool: Tool | Box, name: str = "", **arguments: Any) -> tuple[int, str]:
    made = await called(tool, name, **arguments)
    assert made.result.HasField("failure"), made.result
    assert (made.result.text, made.passages) == ("", ())
    return made.result.failure.reason, made.result.failure.message


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Place(BaseModel):
    name: str
    zip: int | None = None


@dataclass
class Point:
    x: float
    y: float


def everything(  # noqa: PLR0917
    word: str,
    count: Annotated[int, Field(ge=1, le=5, description="From 1 to 5.")],
    ratio: float = 0.5,
    kind: Literal["a", "b"] = "a",
    size: Size = Size.SMALL,
    places: list[Place] | None = None,
    day: date | None = None,
    point: Point | None = None,
    table: dict[str, int] | None = None,
) -> dict[str, Any]:
    """Says what it got.

    More of it.

    Args:
        word: Any word.
        kind (str): Which kind.

    Returns:
        What it got.
    """
    names = [place.name for place in places or []]
    return {"word": word, "count": count, "ratio": ratio, "kind": kind, "size": size, "places": names, "day": day} | {
        "point": point and point.x,
        "table": table,
    }


def test_a_schema_comes_from_type_hints_and_the_docstring() -> None:
    tool = tool_of(everything)
    assert (tool.name, tool.description) == ("everything", "Says what it got.\n\nMore of it.")
    fields = tool.schema["properties"]
    assert fields["word"] == {"type": "string", "description": "Any word.", "title": "Word"}
    assert (fields["count"]["minimum"], fields["count"]["description"]) == (1, "From 1 to 5.")
    assert (fields["kind"]["enum"], fields["kind"]["description"]) == (["a", "b"], "Which kind.")
    assert tool.schema["required"] == ["word", "count"]
    assert tool.schema["additionalProperties"] is False


async def test_arguments_become_what_the_type_hints_say() -> None:
    got = await text(
        tool_of(everything),
        word="ü",
        count=3,
        size="large",
        places=[{"name": "Oslo", "zip": 150}],
        day="2024-02-29",
        point={"x": 1, "y": 2.5},
        table={"a": 1},
    )
    assert got == (
        '{"word": "ü", "count": 3, "ratio": 0.5, "kind": "a", "size": "large", "places": ["Oslo"], '
        '"day": "2024-02-29", "point": 1.0, "table": {"a": 1}}'
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "word: Field required; count: Field required"),
        ({"word": "a", "count": 6}, "count: Input should be less than or equal to 5"),
        ({"word": "a", "count": 1.5}, "count: Input should be a valid integer"),
        ({"word": 7, "count": 1}, "word: Input should be a valid string"),
        ({"word": "a", "count": 1, "kind": "c"}, "kind: Input should be 'a' or 'b'"),
        ({"word": "a", "count": 1, "other": 1}, "other: Extra inputs are not permitted"),
        ({"word": "a", "count": 1, "places": [{"zip": 1}]}, "places.0.name: Field required"),
        ({"word": "a", "count": 1, "caller": {"tenant": "b"}}, "caller: Extra inputs are not permitted"),
    ],
)
async def test_arguments_that_do_not_fit_are_told_and_nothing_runs(arguments: dict[str, Any], told: str) -> None:
    reason, message = await failure(tool_of(everything), **arguments)
    assert reason == reasons.ERROR_REASON_INVALID_REQUEST
    assert told in message


async def test_what_the_server_knows_is_filled_in_and_no_model_can_set_it() -> None:
    seen: list[Any] = []

    async def book(seat: int, caller: Caller, question: Question, idempotency_key: str) -> str:
        """Books."""
        seen.append((seat, caller, question, idempotency_key))
        return "ok"

    tool = tool_of(book)
    assert list(tool.schema["properties"]) == ["seat"]
    act_for(Caller("acme", "ada"))
    await called(tool, key="key-1", seat=3)
    assert seen == [(3, Caller("acme", "ada"), QUESTION, "key-1")]
    for name in ("caller", "question", "idempotency_key"):
        reason, _ = await failure(tool, seat=3, **{name: "other"})
        assert reason == reasons.ERROR_REASON_INVALID_REQUEST
    assert len(seen) == 1


async def test_integers_that_a_struct_cannot_hold_arrive_as_they_were() -> None:
    def double(number: int) -> int:
        """Doubles."""
        return 2 * number

    assert await text(tool_of(double), number=5) == "10"
    assert await text(tool_of(double), number=str(2**80)) == f'"{2**81}"'


def lambda_like(*numbers: int) -> None:
    """Sums."""


def unhinted(x) -> None:  # type: ignore[no-untyped-def]
    """Has no hint."""


def unknown(x: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821
    """Has a hint that is nowhere."""


def schemaless(x: threading.Lock) -> None:
    """Has a type without a schema."""


def hidden(_x: int) -> None:
    """Has a private parameter."""


@pytest.mark.parametrize(
    "function", [lambda_like, unhinted, unknown, schemaless, hidden, own_tools.undocumented, lambda: 1]
)
def test_a_function_that_cannot_be_a_tool_is_refused_in_one_line(function: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        tool_of(function)
    assert "\n" not in str(caught.value)


async def test_what_a_function_returns_becomes_text() -> None:
    def give(kind: str) -> Any:
        """Gives."""
        return {
            "text": "a\0b\ud800",
            "none": None,
            "list": [1, 2**70, float("nan"), "\ud800"],
            "bytes": b"\xff",
            "object": Question(text="x"),
            "set": {1},
        }[kind]

    tool = tool_of(give)
    assert await text(tool, kind="text") == "ab�"
    assert await text(tool, kind="none") == "Done; it returned nothing."
    assert await text(tool, kind="list") == f'[1, "{2**70}", "nan", "�"]'
    assert await text(tool, kind="set") == "[1]"
    assert await text(tool, kind="object") == '"text: \\"x\\"\\n"'
    assert (await failure(tool, kind="bytes"))[0] == reasons.ERROR_REASON_INTERNAL


async def test_what_is_too_long_is_cut_and_passages_stay_whole() -> None:
    passages = tuple(Passage(text="x" * 40, document=Document(name=f"{i}")) for i in range(3))

    def give(length: int) -> Outcome:
        """Gives."""
        return Outcome("é" * length, passages)

    tool = tool_of(give, longest=100)
    short, long, over = [await called(tool, length=length) for length in (20, 100, 101)]
    assert [(len(one.result.text), len(one.passages), one.result.truncated) for one in (short, long, over)] == [
        (20, 2, True),
        (100, 0, True),
        (100, 0, True),
    ]
    exact = await called(tool_of(give, longest=140), length=20)
    assert (len(exact.passages), exact.result.truncated) == (3, False)


async def test_a_tool_that_takes_too_long_is_ended() -> None:
    ended = asyncio.Event()

    async def sleep() -> str:
        """Sleeps."""
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    reason, message = await failure(tool_of(sleep, timeout=0.05))
    assert (reason, ended.is_set()) == (reasons.ERROR_REASON_DEADLINE_TOO_SHORT, True)
    assert "sleep was not done within 0.05 s" in message
    with budgeted(Budget(max_seconds=0.05)):
        assert (await failure(tool_of(sleep)))[0] == reasons.ERROR_REASON_DEADLINE_TOO_SHORT


async def test_a_function_that_blocks_does_not_block_the_server_and_is_not_begun_without_end() -> None:
    go, begun = threading.Event(), list[int]()

    def block() -> str:
        """Blocks."""
        begun.append(1)
        go.wait(60)
        return "done"

    tool = tool_of(block, timeout=0.05)
    for _ in range(STUCK):
        assert (await failure(tool))[0] == reasons.ERROR_REASON_DEADLINE_TOO_SHORT
    assert (await failure(tool))[0] == reasons.ERROR_REASON_OVERLOADED
    assert len(begun) == STUCK
    go.set()
    for thread in [one for one in threading.enumerate() if one.name == "tool block"]:
        await asyncio.to_thread(thread.join, 10)
    assert await text(tool) == "done"


async def test_a_bug_is_told_by_an_incident_and_the_log_has_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    def broken(how: str) -> str:
        """Breaks."""
        if how == "exit":
            raise SystemExit(3)
        if how == "stop":
            raise StopIteration
        raise {"value": ValueError, "time": TimeoutError, "os": FileNotFoundError}[how]("password=hunter2")

    for how in ("value", "time", "os", "exit", "stop"):
        caplog.clear()
        reason, message = await failure(tool_of(broken), how=how)
        assert reason == reasons.ERROR_REASON_INTERNAL
        assert "hunter2" not in message
        incident = message.split("incident ")[1].split(".")[0]
        assert f"incident {incident} in the tool broken" in caplog.text


async def test_an_error_of_the_contract_is_told_as_it_is_and_the_servers_own_end_the_run() -> None:
    async def find(what: str) -> str:
        """Finds."""
        raise {"absent": NotFound, "database": StateUnavailable, "model": ModelUnavailable}[what]("it is away")

    assert await failure(tool_of(find), what="absent") == (
        reasons.ERROR_REASON_NOT_FOUND,
        f"it is away. {NotFound.advice}",
    )
    for what, kind in (("database", StateUnavailable), ("model", ModelUnavailable)):
        with pytest.raises(kind):
            await called(tool_of(find), what=what)


async def test_a_cancelled_call_is_cancelled() -> None:
    begun = asyncio.Event()

    async def sleep() -> str:
        """Sleeps."""
        begun.set()
        await asyncio.Event().wait()
        return ""

    task = asyncio.create_task(called(tool_of(sleep)))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.fixture
def ran() -> Iterator[list[str]]:
    own_tools.made.clear()
    yield own_tools.made


async def test_a_tool_that_is_not_allowed_is_as_unknown_as_one_that_does_not_exist(ran: list[str]) -> None:
    [weather] = load_tools(["tests.agents.own_tools:weather"], timeout=5, longest=100)
    box = Box([weather, calculate(), dates()])
    role: Toolbox = box
    act_for(Caller("acme", "ada", tools=frozenset({"calculate"})))
    assert [tool.name for tool in role.tools()] == ["calculate"]
    assert role.find("weather") is None
    refused = await failure(box, "weather", place="Oslo")
    assert refused == await failure(box, "delete_everything", place="Oslo")
    assert refused[0] == reasons.ERROR_REASON_NOT_FOUND
    assert ran == []
    act_for(LOCAL)
    assert len(role.tools()) == 3
    assert (await called(box, "weather", place="Oslo")).result.text == "It rains in Oslo for 1 days."
    assert ran == ["Oslo"]
    assert role.names() == ("weather", "calculate", "date")


async def test_arguments_of_any_size_are_not_taken(ran: list[str]) -> None:
    [weather] = load_tools(["tests.agents.own_tools:weather"], timeout=5, longest=100)
    reason, message = await failure(weather, place="x" * LONGEST_ARGUMENTS)
    assert (reason, ran) == (reasons.ERROR_REASON_INVALID_REQUEST, [])
    assert "bytes" in message


def test_tools_are_loaded_by_import_path() -> None:
    paths = ["tests.agents.own_tools:weather", " tests.agents.own_tools:TOOL "]
    weather, raw = load_tools(paths, timeout=7, longest=123)
    assert (weather.name, weather.timeout, weather.longest, weather.approval) == ("weather", 7, 123, False)
    assert weather.description == "The weather of a place."
    assert weather.schema["properties"]["days"]["description"] == "How many days ahead."
    assert raw is own_tools.TOOL


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("weather", "is not package.module:function"),
        ("tests.agents.nowhere:x", "the package tests.agents.nowhere is missing"),
        ("tests.agents.own_tools:absent", "has no absent"),
        ("tests.agents.own_tools:NOTHING", "neither a function nor a Tool"),
        ("tests.agents.own_tools:undocumented", "needs a docstring"),
    ],
)
def test_a_path_that_leads_nowhere_is_told_in_one_line(path: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        load_tools([path], timeout=1, longest=100)
    assert str(caught.value).startswith("RAGENTS_TOOLS: ")
    assert "\n" not in str(caught.value)


def test_approval_is_set_by_name_and_a_misspelt_name_is_refused() -> None:
    tools = [calculate(), dates()]
    assert [tool.approval for tool in with_approval(tools, ["date"])] == [False, True]
    assert [tool.approval for tool in with_approval(tools, ["*"])] == [True, True]
    assert [tool.approval for tool in with_approval(with_approval(tools, ["date"]), [])] == [False, True]
    with pytest.raises(ConfigurationError, match=r"RAGENTS_TOOL_APPROVAL: .*'dates'; known: calculate, date"):
        with_approval(tools, ["dates"])


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="two tools named date"):
        Box([dates(), dates()])


async def test_the_tools_that_compute_are_exact_and_refuse_the_rest() -> None:
    today = date(2024, 2, 28)
    assert "2,432,902,008,176,640,001." in await text(calculate(), expression="2432902008176640000 + 1")
    assert "29 February 2024" in await text(dates(lambda: today), question="What date is 1 day after today?")
    for nothing in ("", "who is there?", "__import__('os').system('true')", "x" * 2000):
        assert (await failure(calculate(), expression=nothing))[0] == reasons.ERROR_REASON_INVALID_REQUEST
