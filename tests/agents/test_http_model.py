"""Agents on a provider's model: real HTTP to an OpenAI-compatible server, streamed, with tool calls."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from ragents_server.agents import graph, react
from ragents_server.errors import ContextTooLong, ModelQuota, ModelUnavailable, RagentsError
from ragents_server.models.guarded import Choice, GuardedChat
from ragents_server.models.guarded_langchain import for_agents
from ragents_server.models.providers import open_chat
from ragents_server.models.upstream import Upstream
from ragents_server.rag.prompted import PromptedWriter
from tests.agents.turns import Library, Talk, library
from tests.openai_server import Call, Fault, Messages, OpenAIServer, Reply, openai_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

HARBOUR = "The harbour of Oslo froze in January 1838. Ships waited for weeks. Bread became expensive in the city."
BREAD = "Bakers in Bergen sold rye bread. A loaf cost 1,009 shillings. The German merchants paid half."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def books() -> AsyncIterator[Library]:
    async with library({"harbour.txt": HARBOUR, "bread.txt": BREAD}) as made:
        yield made


@asynccontextmanager
async def talking(books: Library, agent: Any, **options: Any) -> AsyncIterator[tuple[Talk, OpenAIServer]]:
    given = {"key": "k", "temperature": 0.0, "max_tokens": 2000, "timeout": 20.0, **options}
    async with openai_server() as server, open_chat("openai:stub", url=server.url, **given) as chat:
        yield books.talk(agent.build, chat.langchain, writer=PromptedWriter(chat)), server


@asynccontextmanager
async def chained(books: Library, agent: Any) -> AsyncIterator[tuple[Talk, OpenAIServer, OpenAIServer]]:
    """As a server has it: the model behind its breaker, and another one for when it fails."""
    given: Any = {"key": "k", "temperature": 0.0, "max_tokens": 2000, "timeout": 20.0}
    async with (
        openai_server() as first,
        openai_server() as second,
        open_chat("openai:stub", url=first.url, **given) as chat,
        open_chat("openai:spare", url=second.url, **given) as spare,
    ):
        guarded = GuardedChat([Choice(Upstream(one.model), one) for one in (chat, spare)])
        yield books.talk(agent.build, for_agents(guarded), writer=PromptedWriter(guarded)), first, second


async def test_react_goes_on_when_its_model_fails_once(books: Library) -> None:
    async with chained(books, react) as (talk, first, second):
        faults = [Fault(503)]
        first.answers = lambda messages: faults.pop() if faults else answering(messages)
        told = await talk.ask("When did the harbour of Oslo freeze?")
    assert told.answer is not None
    assert told.text == told.shown() == "The harbour of Oslo froze in January 1838 [1]."
    assert told.answer.usage.model == "openai:stub"
    assert (len(first.requests), len(second.requests)) == (3, 0)


@pytest.mark.parametrize("agent", [react, graph])
async def test_another_model_plays_the_agent_while_the_first_one_fails_and_is_named(books: Library, agent: Any) -> None:
    async with chained(books, agent) as (talk, first, second):
        first.answers = lambda messages: Fault(503)
        second.answers = answering
        told = await talk.ask("When did the harbour of Oslo freeze?")
    assert told.answer is not None
    assert told.answer.usage.model == "openai:spare"


async def test_what_a_model_began_to_say_is_not_begun_again_by_another(books: Library) -> None:
    async with chained(books, react) as (talk, first, second):
        first.answers = lambda messages: Reply(["Let me "], cut="hard")
        with pytest.raises(ModelUnavailable):
            await talk.ask("When did the harbour of Oslo freeze?")
    assert (len(first.requests), len(second.requests)) == (1, 0)


def answering(messages: Messages) -> str | Reply:
    """Searches, then cites what it found."""
    tools = [message for message in messages if message["role"] == "tool"]
    if not tools:
        return Reply(["Let me ", "look."], [Call("retrieve", json.dumps({"query": messages[-1]["content"]}))])
    number = 1 if "passage 1 begins\n(harbour" in tools[-1]["content"] else 2
    return f"The harbour of Oslo froze in January 1838 [{number}]."


async def test_react_calls_tools_over_http(books: Library) -> None:
    async with talking(books, react) as (talk, server):
        server.answers = answering
        told = await talk.ask("When did the harbour of Oslo freeze?")
    assert told.answer is not None
    assert told.text == told.shown() == "The harbour of Oslo froze in January 1838 [1]."
    assert not told.answer.unsupported
    assert (told.answer.usage.model, told.answer.usage.model_calls) == ("openai:stub", 2)
    first, second = server.requests
    assert sorted(tool["function"]["name"] for tool in first["tools"]) == [
        "calculate",
        "date",
        "open_document",
        "retrieve",
    ]
    [retrieve] = [tool["function"] for tool in first["tools"] if tool["function"]["name"] == "retrieve"]
    assert sorted(retrieve["parameters"]["properties"]) == ["collections", "query", "top_k"]
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "tool"]
    assert second["messages"][3]["tool_call_id"] == second["messages"][2]["tool_calls"][0]["id"]


def judging(messages: Messages) -> str:
    """Plans, grades, rewrites and writes as the rules it is given say."""
    rules, asked = messages[0]["content"], messages[-1]["content"]
    if "write one question for each" in rules:
        return "When did the harbour of Oslo freeze?\nWhat did a loaf of bread cost?"
    if rules.startswith("You judge passages"):
        wanted = "harbour.txt" if "Question: When did the harbour" in asked else "bread.txt"
        numbers = [line.split(" passage ")[1].split(" ")[0] for line in asked.splitlines() if line.endswith(" begins")]
        files = [line.strip("(").split(",")[0] for line in asked.splitlines() if line.startswith("(")]
        return ", ".join(number for number, file in zip(numbers, files, strict=True) if file == wanted)
    places = [line.strip("(").split(",")[0] for line in asked.splitlines() if line.startswith("(")]
    place = {name: number for number, name in enumerate(places, 1)}
    return f"It froze in January 1838 [{place['harbour.txt']}]. A loaf cost 1009 shillings [{place['bread.txt']}]."


async def test_langgraph_plans_grades_and_writes_with_the_model(books: Library) -> None:
    async with talking(books, graph) as (talk, server):
        server.answers = judging
        told = await talk.ask("When did the harbour freeze, and what was the price of a loaf?")
    assert told.answer is not None
    assert told.steps() == ["plan", "retrieve", "grade", "answer", "check"]
    assert told.text == told.shown()
    assert not told.answer.unsupported
    assert {citation.passage.document.name for citation in told.answer.citations} == {"harbour.txt", "bread.txt"}
    usage = told.answer.usage
    assert (usage.model, usage.model_calls, len(server.requests)) == ("openai:stub", 4, 4)
    assert usage.input_tokens > 100


async def test_what_the_model_says_without_support_is_written_once_more(books: Library) -> None:
    drafts = ["The harbour froze in 1999 [1].", "The harbour of Oslo froze in January 1838 [1]."]

    def answers(messages: Messages) -> str:
        rules = messages[0]["content"]
        if "write one question for each" in rules:
            return str(messages[-1]["content"])
        if rules.startswith("You judge passages"):
            return "1"
        if "words or short terms" in rules:
            return "ice, winter"
        return drafts.pop(0)

    async with talking(books, graph) as (talk, server):
        server.answers = answers
        told = await talk.ask("When did the harbour of Oslo freeze?")
    assert told.answer is not None
    assert told.text == told.shown() == "The harbour of Oslo froze in January 1838 [1]."
    assert told.steps() == [
        "plan",
        "retrieve",
        "grade",
        "answer",
        "check",
        "rewrite",
        "retrieve",
        "grade",
        "answer",
        "check",
    ]
    assert drafts == []


async def test_a_draft_that_is_no_better_leaves_the_first_one(books: Library) -> None:
    drafts = ["The harbour of Oslo froze in January 1838 [1]. It was 1999.", "It froze in 1999."]

    def answers(messages: Messages) -> str:
        rules = messages[0]["content"]
        if rules.startswith("You judge passages"):
            return "1"
        return drafts.pop(0) if "You answer the user's question" in rules else "ice, winter, cold"

    async with talking(books, graph) as (talk, server):
        server.answers = answers
        told = await talk.ask("When did the harbour of Oslo freeze?")
    assert told.answer is not None
    assert told.text == told.shown() == "The harbour of Oslo froze in January 1838 [1]. It was 1999."
    assert [told.text[span.start : span.end] for span in told.answer.unsupported] == ["It was 1999."]


async def test_an_answer_without_any_source_is_refused(books: Library) -> None:
    def answers(messages: Messages) -> str:
        rules = messages[0]["content"]
        return "It froze in 1999." if "You answer the user's question" in rules else "NONE"

    async with talking(books, graph) as (talk, server):
        server.answers = answers
        told = await talk.ask("When did the harbour of Oslo freeze?")
    assert told.answer is not None
    assert told.answer.HasField("refusal")
    assert told.shown() == ""
    assert told.steps().count("retrieve") <= 8


@pytest.mark.parametrize("agent", [react, graph])
@pytest.mark.parametrize(
    ("reply", "kind", "wait"),
    [
        (Fault(500), ModelUnavailable, None),
        (Reply(["The "], cut="hard"), ModelUnavailable, None),
        (Reply(["The "], cut="quietly"), ModelUnavailable, None),
        (Fault(429, headers={"Retry-After": "17"}), ModelQuota, 17),
        (Fault(400, '{"error": {"message": "x", "code": "context_length_exceeded"}}'), ContextTooLong, None),
        (Fault(hang=True), ModelUnavailable, None),
    ],
)
async def test_a_failing_model_is_a_status_of_the_contract(
    books: Library, agent: Any, reply: Any, kind: type[RagentsError], wait: float | None
) -> None:
    async with talking(books, agent, timeout=1.0) as (talk, server):
        server.answers = lambda messages: reply
        with pytest.raises(RagentsError) as caught:
            await talk.ask("When did the harbour of Oslo freeze?")
    assert (type(caught.value), caught.value.retry_after) == (kind, wait)


@pytest.mark.parametrize("agent", [react, graph])
async def test_whoever_leaves_ends_the_models_call_at_once(books: Library, agent: Any) -> None:
    async with talking(books, agent) as (talk, server):
        server.answers = lambda messages: Reply(["The harbour "], hold=True)
        task = asyncio.create_task(talk.ask("When did the harbour of Oslo freeze?"))
        await asyncio.wait_for(server.held.wait(), 30)
        began = time.monotonic()
        task.cancel()
        await asyncio.wait_for(server.left.wait(), 10)
        assert time.monotonic() - began < 2, "it is 0.2 s on a machine with nothing else to do"
        await asyncio.wait([task])
