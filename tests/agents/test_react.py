"""The agent `react`: a model that calls tools, real documents, and everything that can go wrong in between."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import pytest_asyncio
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.messages.tool import invalid_tool_call

from ragents_client.v1.agent_pb2 import INTERRUPT_KIND_APPROVAL
from ragents_client.v1.answer_pb2 import REFUSAL_REASON_NO_PASSAGES, REFUSAL_REASON_NOT_ANSWERED, Usage
from ragents_server.agents.budgets import Budget
from ragents_server.agents.graph import build as langgraph
from ragents_server.agents.react import APPROVE, AT_ONCE, REJECT, STEPS, build
from ragents_server.agents.tools.functions import tool_of
from ragents_server.agents.tools.tool import Tool
from ragents_server.agents.transcript import MOST_CALLS
from ragents_server.caller import Caller
from ragents_server.errors import BudgetSpent, ModelQuota, StateUnavailable
from ragents_server.models.bridged import Bridged
from ragents_server.models.chat import Finish, Piece
from ragents_server.rag.prompted import PromptedWriter
from tests.agents.turns import Library, library
from tests.scripted_model import ScriptedModel, calls, results

HARBOUR = "The harbour of Oslo froze in January 1838. Ships waited for weeks. Bread became expensive in the city."
BREAD = "Bakers in Bergen sold rye bread. A loaf cost 1,009 shillings. The German merchants paid half."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def books() -> AsyncIterator[Library]:
    async with library({"harbour.txt": HARBOUR, "bread.txt": BREAD}) as made:
        yield made


pytestmark = pytest.mark.asyncio(loop_scope="module")


def searching(messages: Sequence[BaseMessage], tools: frozenset[str]) -> AIMessage | str:
    """Searches for the question, then says what it found."""
    assert "retrieve" in tools
    if not results(messages):
        return calls(("retrieve", {"query": str(messages[-1].text)}))
    number = 1 if "passage 1 begins\n(harbour" in str(results(messages)[0].text) else 2
    return f"The harbour of Oslo froze in January 1838 [{number}]. It was fun."


async def test_what_the_model_found_is_cited_and_the_rest_is_told(books: Library) -> None:
    model = ScriptedModel(decide=searching)
    told = await books.talk(build, model).ask("When did the harbour of Oslo freeze?")
    assert told.answer is not None
    assert told.shown() == told.text
    assert told.text.startswith("The harbour of Oslo froze in January 1838 [")
    [citation] = told.answer.citations
    assert citation.quote == "The harbour of Oslo froze in January 1838."
    assert told.answer.passages[citation.number - 1].document.name == "harbour.txt"
    [span] = told.answer.unsupported
    assert told.text.encode()[span.start : span.end] == b"It was fun."
    assert told.calls() == ["retrieve"]
    assert told.kinds()[:5] == ["step", "tool_call", "tool_result", "retrieved", "step"]
    usage = told.answer.usage
    assert (usage.model, usage.model_calls, usage.input_tokens, usage.output_tokens) == ("scripted", 2, 20, 10)


def after(*said: str | AIMessage) -> ScriptedModel:
    """A model that says these one after the other, by how many messages of its own it sees in this turn."""

    def decide(messages: Sequence[BaseMessage], tools: frozenset[str]) -> str | AIMessage:
        last = max(i for i, message in enumerate(messages) if isinstance(message, HumanMessage))
        return said[sum(isinstance(message, AIMessage) for message in messages[last:])]

    return ScriptedModel(decide=decide)


def noting(**options: Any) -> tuple[Tool, list[str]]:
    """A tool that notes the keys it was called with."""
    keys = list[str]()

    async def note(text: str, idempotency_key: str) -> str:
        """Notes a text."""
        keys.append(idempotency_key)
        return f"Noted as number {len(keys)}: {text}"

    return tool_of(note, **options), keys


# With the model `rules`


async def test_without_a_model_questions_are_searched_and_the_writer_writes(books: Library) -> None:
    told = await books.talk(build).ask("When did the harbour of Oslo freeze?")
    assert told.answer is not None
    assert told.text.startswith("The harbour of Oslo froze in January 1838. [1]")
    assert told.shown() == told.text
    assert told.steps() == ["think", "think", "write"]
    assert told.answer.usage == Usage(model="extractive")


async def test_without_a_model_what_can_be_computed_is_computed(books: Library) -> None:
    told = await books.talk(build).ask("What is 17 times 3?")
    assert told.calls() == ["calculate"]
    assert "51" in told.text
    assert told.shown() == told.text


async def test_without_a_model_a_document_is_opened_and_cited_as_a_whole(books: Library) -> None:
    told = await books.talk(build).ask("Please open bread.txt")
    assert told.answer is not None
    assert told.text == f"{BREAD} [1]"
    [citation] = told.answer.citations
    assert citation.quote == BREAD
    misspelt = await books.talk(build).ask("Please open rye.txt")
    assert misspelt.calls() == ["open_document", "retrieve"]
    assert misspelt.answer is not None
    assert misspelt.answer.HasField("refusal")


async def test_without_a_model_a_mixed_request_gets_one_answer(books: Library) -> None:
    told = await books.talk(build).ask("Compute 17 * 3; what did a loaf of bread cost? Open harbour.txt")
    assert told.answer is not None
    computed, found, opened = told.text.split("\n\n")
    assert "51" in computed
    assert "A loaf cost 1,009 shillings." in found
    assert opened.startswith(HARBOUR)
    for citation in told.answer.citations:
        span = citation.answer_span
        assert told.text.encode()[span.start : span.end].decode() == citation.quote
        assert citation.quote in told.answer.passages[citation.number - 1].text
    assert told.shown() == told.text


async def test_without_a_model_a_computation_of_several_meanings_is_told_with_them(books: Library) -> None:
    told = await books.talk(build).ask("What weekday was 5/6/2023?")
    assert told.answer is not None
    assert told.answer.HasField("refusal")
    assert told.text.startswith("Which day is 5/6/2023? It may be: ")
    assert told.calls() == ["calculate", "retrieve"]


async def test_without_a_model_a_follow_up_is_understood(books: Library) -> None:
    talk = books.talk(build)
    await talk.ask("When did the harbour of Oslo freeze?")
    told = await talk.ask("How long did ships wait outside of it?")
    assert "Ships waited for weeks." in told.text


async def test_what_no_tool_may_answer_is_refused(books: Library) -> None:
    only = Caller("local", "ada", tools=frozenset({"calculate"}))
    told = await books.talk(build, caller=only).ask("When did the harbour of Oslo freeze?")
    assert told.answer is not None
    assert (told.calls(), told.answer.refusal.reason) == ([], REFUSAL_REASON_NOT_ANSWERED)
    assert told.text == "No tool that may be called for you answers this."


async def test_a_model_that_calls_no_tools_has_them_chosen_by_rules(books: Library) -> None:
    class Own:
        model = "own"

        async def __call__(self, messages: Any) -> Any:
            yield Piece("The harbour of Oslo froze in January 1838 [1].", finish=Finish.DONE)

    own = Own()
    told = await books.talk(build, Bridged(chat=own), writer=PromptedWriter(own)).ask("When did the harbour freeze?")
    assert told.calls() == ["retrieve"]
    assert told.answer is not None
    assert told.text == "The harbour of Oslo froze in January 1838 [1]."
    assert told.answer.usage.model_calls == 1


# With a chat model


async def test_the_model_sees_the_conversation_and_only_this_turns_calls(books: Library) -> None:
    model = ScriptedModel(decide=searching)
    talk = books.talk(build, model)
    await talk.ask("When did the harbour of Oslo freeze?")
    await talk.ask("When did the harbour of Oslo freeze, again?")
    kinds = [[type(message).__name__ for message in asked] for asked in model.asked]
    assert kinds[2] == ["SystemMessage", "HumanMessage", "AIMessage", "HumanMessage"]
    assert str(model.asked[2][2].text).startswith("The harbour of Oslo froze in January 1838. It was fun")
    assert kinds[3] == [*kinds[2], "AIMessage", "ToolMessage"]


async def test_what_was_shown_before_a_call_is_void(books: Library) -> None:
    first = calls(("retrieve", {"query": "harbour"}), text="I will look that up for you in the documents.")
    told = await books.talk(build, after(first, "The harbour of Oslo froze [1].")).ask("When?")
    assert told.text == told.shown() == "The harbour of Oslo froze [1]."
    [started] = [event.started for event in told.events if event.HasField("started")]
    assert started.attempt == 2
    assert any(event.delta.text for event in told.events[: told.kinds().index("started")])


async def test_a_passage_keeps_its_number_and_is_quoted_once(books: Library) -> None:
    model = after(
        calls(("retrieve", {"query": "harbour", "top_k": 1})),
        calls(("retrieve", {"query": "rye bread"})),
        "The harbour froze in January 1838 [1]. Bakers in Bergen sold rye bread [2].",
    )
    told = await books.talk(build, model).ask("What do you know?")
    assert told.answer is not None
    assert [passage.document.name for passage in told.answer.passages] == ["harbour.txt", "bread.txt"]
    assert [citation.number for citation in told.answer.citations] == [1, 2]
    quotes = [str(message.text) for message in results(model.asked[-1])]
    assert ("passage 1 begins" in quotes[0], "passage 1 begins" in quotes[1]) == (True, False)
    assert "passage 1, shown above" in quotes[1]
    assert "passage 2 begins" in quotes[1]


async def test_what_a_tool_returned_is_supported_without_a_passage(books: Library) -> None:
    model = after(calls(("calculate", {"expression": "17 * 3"})), "17 times 3 is 51. It is also 52.")
    told = await books.talk(build, model).ask("What is 17 times 3?")
    assert told.answer is not None
    assert [told.text[span.start : span.end] for span in told.answer.unsupported] == ["It is also 52."]


@pytest.mark.parametrize("words", ["Hello! How can I help?", "Oslo has 700000 people."])
async def test_what_a_model_says_by_itself_is_told_as_unsupported(books: Library, words: str) -> None:
    told = await books.talk(build, after(words)).ask("Hello?")
    assert told.answer is not None
    assert told.text == told.shown() == words
    assert sum(span.end - span.start for span in told.answer.unsupported) >= len(words) - 10


async def test_a_turn_that_found_nothing_is_refused_whatever_the_model_says(books: Library) -> None:
    model = after(calls(("retrieve", {"query": "harbour"})), "The harbour froze in 1838 [1].")
    told = await books.talk(build, model).ask("When?", collections=["empty"])
    assert told.answer is not None
    assert told.answer.refusal.reason == REFUSAL_REASON_NO_PASSAGES
    assert told.shown() == ""


async def test_a_model_may_say_that_nothing_answers(books: Library) -> None:
    model = after(calls(("retrieve", {"query": "queen"})), "NOT_ANSWERED")
    told = await books.talk(build, model).ask("Who was queen?")
    assert told.answer is not None
    assert told.answer.refusal.reason == REFUSAL_REASON_NOT_ANSWERED
    assert told.shown() == ""
    alone = await books.talk(build, after("NOT_ANSWERED")).ask("Who was queen?")
    assert alone.answer is not None
    assert alone.answer.refusal.reason == REFUSAL_REASON_NOT_ANSWERED


async def test_what_cannot_be_called_is_told_to_the_model(books: Library) -> None:
    unreadable = AIMessage("", invalid_tool_calls=[invalid_tool_call(name="note", args="{", id="bad", error="no JSON")])
    note, keys = noting()
    model = after(
        calls(("delete_everything", {}), ("note", {"words": "x"})),
        unreadable,
        calls(*[("note", {"text": str(i)}) for i in range(MOST_CALLS + 2)]),
        "I noted them.",
    )
    model.streams = False
    told = await books.talk(build, model, tools=[note]).ask("Note it.")
    assert told.answer is not None
    said = [str(message.text) for message in results(model.asked[-1])]
    assert "there is no such tool" in said[0]
    assert "text: Field required" in said[1]
    assert "the arguments cannot be read: Expecting" in said[2]
    assert len(keys) == MOST_CALLS
    assert ["at most 8 calls" in one for one in said[3:]] == [False] * MOST_CALLS + [True] * 2
    assert all(message.status == "error" for message in results(model.asked[-1])[:3])
    assert len(set(keys)) == MOST_CALLS


async def test_at_most_four_calls_run_at_once(books: Library) -> None:
    running, most, gate = 0, 0, asyncio.Event()

    async def wait() -> str:
        """Waits for three others."""
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == AT_ONCE:
            gate.set()
        await gate.wait()
        running -= 1
        return "done"

    model = after(calls(*[("wait", {})] * 6), "Done.")
    told = await books.talk(build, model, tools=[tool_of(wait)]).ask("Wait.")
    assert (most, len(told.calls())) == (AT_ONCE, 6)


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({}, "10 steps"),
        ({"max_steps": 3}, "3 steps"),
        ({"max_steps": 99}, "10 steps"),
        ({"max_tokens": 40}, "40 tokens"),
    ],
)
async def test_a_loop_ends_with_its_budget(books: Library, limits: dict[str, int], told: str) -> None:
    model = ScriptedModel(decide=lambda messages, tools: calls(("retrieve", {"query": "ice"})))
    with pytest.raises(BudgetSpent, match=told):
        await books.talk(build, model).ask("Loop.", budget=Budget(**limits))
    assert len(model.asked) == {"10 steps": STEPS, "3 steps": 3, "40 tokens": 3}[told]


async def test_a_model_that_outlasts_the_time_ends_with_the_budget_and_not_as_a_failure(books: Library) -> None:
    class Slow:
        model = "slow"

        async def __call__(self, messages: Any) -> Any:
            yield Piece("The ")
            await asyncio.Event().wait()

    talk = books.talk(langgraph, Bridged(chat=Slow()))
    with pytest.raises(BudgetSpent, match=r"its 0\.2 s"):
        await talk.ask("When did the harbour freeze?", budget=Budget(max_seconds=0.2))


async def test_a_failing_model_ends_the_turn_as_it_is(books: Library) -> None:
    model = ScriptedModel(decide=lambda messages, tools: ModelQuota("spent", retry_after=7))
    with pytest.raises(ModelQuota) as caught:
        await books.talk(build, model).ask("When?")
    assert caught.value.retry_after == 7


async def test_what_cannot_be_stored_is_replaced_on_its_way(books: Library) -> None:
    note, _ = noting()
    odd = calls(("note", {"text": "a\0b\ud800", "x": 2**70}), ("note", {"text": "\ud83d\ude00"}))
    told = await books.talk(build, after(odd, "Noted \ud800 as number 1: 😀."), tools=[note]).ask("Note \U0001f600")
    assert told.text == "Noted � as number 1: 😀."
    [result] = [event.tool_result for event in told.events if event.HasField("tool_result") and event.tool_result.text]
    assert result.text == "Noted as number 1: 😀"


# Approval


def approving(books: Library) -> tuple[Any, list[str], ScriptedModel]:
    note, keys = noting(approval=True)
    model = after(calls(("note", {"text": "x"}), ("retrieve", {"query": "ice"})), "Noted as number 1: x.")
    return books.talk(build, model, tools=[note, *books.tools()]), keys, model


async def test_a_tool_that_needs_approval_waits_for_it(books: Library) -> None:
    talk, keys, model = approving(books)
    asked = await talk.ask("Note x.")
    assert asked.answer is None
    assert asked.interrupt is not None
    assert (asked.interrupt.kind, list(asked.interrupt.options)) == (INTERRUPT_KIND_APPROVAL, [APPROVE, REJECT])
    assert asked.interrupt.tool_call.name == "note"
    assert dict(asked.interrupt.tool_call.arguments) == {"text": "x"}
    assert (keys, len(model.asked)) == ([], 1)
    told = await talk.reply("approve")
    assert told.text == "Noted as number 1: x."
    assert (len(keys), len(model.asked)) == (1, 2)
    assert sorted([*asked.calls(), *told.calls()]) == ["note", "retrieve"]


@pytest.mark.parametrize(
    ("reply", "runs"),
    [
        (True, True),
        (" Approve ", True),
        ("reject", False),
        (False, False),
        ("yes", False),
        ("", False),
        (1, False),
        ({"approve": True}, False),
        (["approve"], False),
    ],
)
async def test_nothing_but_approval_approves(books: Library, reply: Any, runs: bool) -> None:
    talk, keys, model = approving(books)
    await talk.ask("Note x.")
    await talk.reply(reply)
    assert len(keys) == runs
    [noted] = [message for message in results(model.asked[-1]) if message.name == "note"]
    assert ("did not approve" in str(noted.text)) != runs
    assert ("approve of this call: yes" in str(noted.text)) == (reply == "yes")


async def test_a_question_instead_of_a_reply_gives_the_call_up(books: Library) -> None:
    talk, keys, model = approving(books)
    await talk.ask("Note x.")
    model.decide = searching
    told = await talk.ask("When did the harbour of Oslo freeze?")
    assert told.calls() == ["retrieve"]
    assert told.text.startswith("The harbour of Oslo froze in January 1838 [")
    assert keys == []


async def test_several_approvals_are_asked_for_one_by_one(books: Library) -> None:
    note, keys = noting(approval=True)
    model = after(calls(("note", {"text": "a"}), ("note", {"text": "b"})), "Done.")
    talk = books.talk(build, model, tools=[note])
    first = await talk.ask("Note both.")
    assert first.interrupt is not None
    assert dict(first.interrupt.tool_call.arguments) == {"text": "a"}
    second = await talk.reply("reject")
    assert second.interrupt is not None
    assert dict(second.interrupt.tool_call.arguments) == {"text": "b"}
    assert (await talk.reply("approve")).text == "Done."
    assert len(keys) == 1


async def test_nobody_is_asked_about_a_call_that_is_not_allowed(books: Library) -> None:
    note, keys = noting(approval=True)
    caller = Caller("local", "ada", tools=frozenset({"retrieve"}))
    talk = books.talk(build, after(calls(("note", {"text": "x"})), "Hm."), tools=[note], caller=caller)
    told = await talk.ask("Note x.")
    assert (told.interrupt, keys) == (None, [])


# Going on after a crash


async def test_a_run_that_goes_on_calls_nothing_again_that_has_returned(books: Library) -> None:
    note, keys = noting()
    crash = [True]

    async def fragile(idempotency_key: str) -> str:
        """Breaks the server the first time."""
        keys.append(f"fragile {idempotency_key}")
        if crash.pop() if crash else False:
            raise StateUnavailable("the database is away")
        return "Held."

    model = after(calls(("note", {"text": "x"})), calls(("note", {"text": "y"}), ("fragile", {})), "Held.")
    talk = books.talk(build, model, tools=[note, tool_of(fragile)])
    with pytest.raises(StateUnavailable):
        await talk.ask("Do it.")
    noted = [key for key in keys if not key.startswith("fragile")]
    told = await talk.run(None)
    assert told.text == "Held."
    assert [key for key in keys if not key.startswith("fragile")] == noted, "both notes had returned"
    first, second = [key for key in keys if key.startswith("fragile")]
    assert first == second, "a call that is repeated has its key again"
    assert len(model.asked) == 3


async def test_a_new_turn_begins_anew_after_one_that_failed(books: Library) -> None:
    model = ScriptedModel(decide=searching)
    talk = books.talk(build, model)
    with pytest.raises(BudgetSpent):
        await talk.ask("When did the harbour of Oslo freeze?", budget=Budget(max_steps=1))
    told = await talk.ask("When did the harbour of Oslo freeze?")
    assert told.calls() == ["retrieve"]
    assert told.text.startswith("The harbour of Oslo froze")
