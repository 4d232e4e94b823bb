"""Calling LangChain's chat models with tools: over real HTTP, and with models that do what no provider should."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk

from ragents_server.errors import ContextTooLong, ModelQuota, ModelUnavailable, RagentsError
from ragents_server.models.bridged import Bridged
from ragents_server.models.calling import LONGEST, Whole, call, calls_tools, name_of, schema_of
from ragents_server.models.chat import Finish, Message, Piece
from ragents_server.models.plain import DEEPEST, EXACT, clean, plain
from ragents_server.models.providers import open_chat
from ragents_server.models.rules import Rules
from tests.openai_server import Call, Fault, OpenAIServer, Reply, openai_server
from tests.scripted_model import ScriptedModel, calls

ASKED = [SystemMessage("Be brief."), HumanMessage("What is there?")]
TOOLS = [schema_of("retrieve", "Searches.", {"type": "object", "properties": {"query": {"type": "string"}}})]


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with openai_server() as running:
        yield running


@asynccontextmanager
async def model_of(server: OpenAIServer, **options: Any) -> AsyncIterator[Any]:
    given = {"url": server.url, "key": "k", "temperature": 0.7, "max_tokens": 2000, "timeout": 20.0, **options}
    async with open_chat("openai:stub", **given) as chat:
        yield chat.langchain


async def said(model: Any, messages: list[BaseMessage] | None = None, **options: Any) -> tuple[str, Whole]:
    pieces = [piece async for piece in call(model, messages or ASKED, **{"tools": TOOLS, **options})]
    whole = pieces[-1]
    assert isinstance(whole, Whole)
    return "".join(piece for piece in pieces[:-1] if isinstance(piece, str)), whole


async def failing(model: Any, **options: Any) -> RagentsError:
    with pytest.raises(RagentsError) as caught:
        await said(model, **options)
    return caught.value


@pytest.mark.parametrize("streams", [True, False])
async def test_text_and_calls_come_with_what_they_cost(server: OpenAIServer, streams: bool) -> None:
    server.answers = lambda messages: Reply(["I ", "search."], [Call("retrieve", '{"query": "ice"}', "a1")])
    async with model_of(server) as model:
        model.disable_streaming = not streams
        text, whole = await said(model)
    assert text == "I search."
    assert whole.message.tool_calls == [{"name": "retrieve", "args": {"query": "ice"}, "id": "a1", "type": "tool_call"}]
    assert (whole.finish, whole.input_tokens, whole.output_tokens) == (Finish.DONE, 5, 3)
    [body] = server.requests
    assert body.get("stream", False) is streams
    assert [tool["function"]["name"] for tool in body["tools"]] == ["retrieve"]
    assert name_of(model) == "openai:stub"


async def test_calls_and_their_results_go_back_as_they_were(server: OpenAIServer) -> None:
    server.answers = lambda messages: Reply(calls=[Call("retrieve", '{"query": "ü"}', "a1"), Call("x", "{", "a2")])
    async with model_of(server) as model:
        _, first = await said(model)
        server.answers = lambda messages: "Done."
        turn = [first.message, ToolMessage("found", tool_call_id="a1"), ToolMessage("bad", tool_call_id="a2")]
        text, _ = await said(model, [*ASKED, *turn])
    assert text == "Done."
    sent = server.requests[-1]["messages"]
    made = [(one["id"], one["function"]["name"]) for one in sent[2]["tool_calls"]]
    assert sorted(made) == [("a1", "retrieve"), ("a2", "x")]
    assert [(one["role"], one.get("tool_call_id"), one["content"]) for one in sent[3:]] == [
        ("tool", "a1", "found"),
        ("tool", "a2", "bad"),
    ]


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("arguments", ['{"query": "delete', '{"query": ', "[1]", '"x"', "7", "null", "{'a': 1}"])
async def test_arguments_that_are_no_object_are_no_call(server: OpenAIServer, streams: bool, arguments: str) -> None:
    server.answers = lambda messages: Reply(calls=[Call("retrieve", arguments), Call("retrieve", "", "call_2")])
    async with model_of(server) as model:
        model.disable_streaming = not streams
        if not streams and arguments in ("[1]", '"x"', "7"):
            assert type(await failing(model)) is ModelUnavailable  # LangChain itself does not read it
            return
        _, whole = await said(model)
    if arguments == "null" and not streams:  # which LangChain takes for no arguments
        assert [(one["id"], one["args"]) for one in whole.message.tool_calls] == [("call_1", {}), ("call_2", {})]
        return
    assert [one["id"] for one in whole.message.invalid_tool_calls] == ["call_1"]
    assert whole.message.invalid_tool_calls[0]["error"]
    assert [(one["id"], one["args"]) for one in whole.message.tool_calls] == [("call_2", {})]


async def test_calls_that_are_cut_off_are_not_made(server: OpenAIServer) -> None:
    whole_call, half = Call("retrieve", '{"query": "a"}'), Call("retrieve", '{"query": "everything but', "call_2")
    server.answers = lambda messages: Reply(calls=[whole_call, half], finish="length")
    async with model_of(server) as model:
        _, whole = await said(model)
    assert whole.finish is Finish.CUT
    assert [one["id"] for one in whole.message.tool_calls] == ["call_1"]
    assert [one["id"] for one in whole.message.invalid_tool_calls] == ["call_2"]


@pytest.mark.parametrize("cut", ["quietly", "hard"])
async def test_half_a_message_is_an_error(server: OpenAIServer, cut: Any) -> None:
    server.answers = lambda messages: Reply(["The harbour "], [Call("retrieve")], cut=cut)
    async with model_of(server) as model:
        assert type(await failing(model)) is ModelUnavailable


@pytest.mark.parametrize(
    ("fault", "kind", "wait"),
    [
        (Fault(500), ModelUnavailable, None),
        (Fault(401), ModelUnavailable, None),
        (Fault(200, "garbage"), ModelUnavailable, None),
        (Fault(429, headers={"Retry-After": "17"}), ModelQuota, 17),
        (Fault(400, '{"error": {"message": "x", "code": "context_length_exceeded"}}'), ContextTooLong, None),
    ],
)
async def test_a_failing_model_is_a_status(server: OpenAIServer, fault: Fault, kind: type, wait: float | None) -> None:
    server.answers = lambda messages: fault
    async with model_of(server) as model:
        error = await failing(model)
    assert (type(error), error.retry_after, len(server.requests)) == (kind, wait, 1)


async def test_the_time_is_for_the_whole_call(server: OpenAIServer) -> None:
    server.answers = lambda messages: Reply(["The"], hold=True)
    async with model_of(server) as model:
        assert "within 0.3 s" in (await failing(model, timeout=0.3)).message
        await asyncio.wait_for(server.left.wait(), 10)


@pytest.mark.parametrize("leaves", ["closes", "is cancelled"])
async def test_a_reader_that_leaves_hangs_up_at_once(server: OpenAIServer, leaves: str) -> None:
    server.answers = lambda messages: Reply(["The harbour"], hold=True)
    async with model_of(server) as model:
        if leaves == "closes":
            async with aclosing(call(model, ASKED, tools=TOOLS)) as pieces:
                assert await anext(pieces) == "The harbour"
                began = time.monotonic()
        else:
            task = asyncio.create_task(said(model))
            await asyncio.wait_for(server.held.wait(), 10)
            began = time.monotonic()
            task.cancel()
            await asyncio.wait([task])
        await asyncio.wait_for(server.left.wait(), 10)
        assert time.monotonic() - began < 2, "it is 0.2 s on a machine with nothing else to do"


async def test_half_characters_are_joined_over_pieces_and_lone_ones_replaced(server: OpenAIServer) -> None:
    halves = json.loads('["a\\ud83d", "\\ude00b", "\\ud800", "c\\u0000d", "\\udc00"]')
    server.answers = lambda messages: Reply(halves, [Call("retrieve", '{"query": "\\ud800 \\u0000 \\ud83d\\ude00"}')])
    async with model_of(server) as model:
        text, whole = await said(model)
    assert text == "a😀b�cd�"
    assert whole.message.text == text
    assert whole.message.tool_calls[0]["args"] == {"query": "�  😀"}
    whole.message.model_dump_json().encode()


async def test_numbers_that_cannot_be_stored_become_text() -> None:
    huge = {"a": 2**80, "b": -(2**53) - 1, "c": 2**53, "d": float("nan"), "e": [float("inf"), True, None, 1.5]}
    model = ScriptedModel(decide=lambda messages, tools: calls(("retrieve", huge)))
    _, whole = await said(model)
    assert whole.message.tool_calls[0]["args"] == {
        "a": str(2**80),
        "b": str(-(2**53) - 1),
        "c": EXACT,
        "d": "nan",
        "e": ["inf", True, None, 1.5],
    }


async def test_arguments_nested_too_deep_or_of_too_many_digits_are_no_call() -> None:
    deep = "[" * (DEEPEST + 2) + "]" * (DEEPEST + 2)
    for args in (f'{{"a": {deep}}}', f'{{"a": {"9" * 10_000}}}'):
        chunk = AIMessageChunk(
            content="",
            tool_call_chunks=[tool_call_chunk(name="retrieve", args=args, id="x", index=0)],
            response_metadata={"finish_reason": "tool_calls"},
        )
        model = ScriptedModel(decide=lambda messages, tools, chunk=chunk: [chunk])
        _, whole = await said(model)
        assert not whole.message.tool_calls
        assert whole.message.invalid_tool_calls


async def test_arguments_that_break_the_parser_end_the_call() -> None:
    args = '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"
    chunk = AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(name="r", args=args, id="x", index=0)])
    assert type(await failing(ScriptedModel(decide=lambda messages, tools: [chunk]))) is ModelUnavailable


async def test_calls_without_an_id_or_with_the_same_one_get_their_own() -> None:
    made = calls(("retrieve", {"query": "a"}), ("retrieve", {"query": "b"}), ("retrieve", {"query": "c"}))
    made.tool_calls[0]["id"], made.tool_calls[1]["id"], made.tool_calls[2]["id"] = None, "x", "x"
    for streams in (True, False):
        _, whole = await said(ScriptedModel(decide=lambda messages, tools: made, streams=streams))
        assert [one["id"] for one in whole.message.tool_calls] == ["call_0", "x", "x_2"]


async def test_text_and_calls_in_blocks_are_read_and_kept_as_they_were() -> None:
    def block(**content: Any) -> AIMessageChunk:
        return AIMessageChunk(content=[content])

    opening = {"type": "tool_use", "id": "t1", "name": "retrieve", "input": {}, "index": 2}
    pieces = [
        block(type="thinking", thinking="Hm, \ud800", index=0),
        block(type="thinking", signature="c2ln", index=0),
        block(type="text", text="I will ", index=1),
        block(type="text", text="look.", index=1),
        AIMessageChunk(
            content=[opening], tool_call_chunks=[tool_call_chunk(name="retrieve", args="", id="t1", index=2)]
        ),
        AIMessageChunk(
            content=[{"type": "input_json_delta", "partial_json": '{"query": "ice"}', "index": 2}],
            tool_call_chunks=[tool_call_chunk(name=None, args='{"query": "ice"}', id=None, index=2)],
        ),
        AIMessageChunk(content=[], response_metadata={"stop_reason": "tool_use"}),
    ]
    text, whole = await said(ScriptedModel(decide=lambda messages, tools: pieces))
    assert text == "I will look."
    assert [(one["id"], one["args"]) for one in whole.message.tool_calls] == [("t1", {"query": "ice"})]
    kept: Any = whole.message.content
    assert [one["type"] for one in kept][:2] == ["thinking", "text"]
    assert (kept[0]["thinking"], kept[0]["signature"]) == ("Hm, \ufffd", "c2ln")


async def test_a_model_that_does_not_stop_is_stopped() -> None:
    async def endless() -> AsyncIterator[Piece]:
        while True:
            yield Piece("word " * 1000)

    class Endless:
        model = "endless"

        def __call__(self, messages: Any) -> Any:
            return endless()

    assert "does not stop" in (await failing(Bridged(chat=Endless()), tools=())).message
    args = '{"query": "' + "x" * LONGEST + '"}'
    chunk = AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(name="r", args=args, id="x", index=0)])
    assert "does not stop" in (await failing(ScriptedModel(decide=lambda messages, tools: [chunk]))).message


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("text", ["", " \n"])
async def test_a_message_with_nothing_in_it_is_an_error(text: str, streams: bool) -> None:
    model = ScriptedModel(decide=lambda messages, tools: AIMessage(text), streams=streams)
    assert "wrote nothing" in (await failing(model)).message


async def test_a_model_that_declines_says_so(server: OpenAIServer) -> None:
    server.answers = lambda messages: Reply([], finish="content_filter")
    async with model_of(server) as model:
        _, whole = await said(model)
    assert whole.finish is Finish.DECLINED


async def test_our_own_errors_pass_as_they_are() -> None:
    error = ModelQuota("spent", retry_after=3)
    model = ScriptedModel(decide=lambda messages, tools: error)
    assert await failing(model) is error


class Own:
    """A chat model of one's own role."""

    model = "own:model"

    def __init__(self, *pieces: Piece) -> None:
        self.pieces = pieces
        self.asked: list[Message] = []

    async def __call__(self, messages: Any) -> Any:
        self.asked = list(messages)
        for piece in self.pieces:
            yield piece


async def test_a_model_of_ones_own_is_one_of_langchains_without_tools() -> None:
    own = Own(Piece("Good "), Piece("day.", 7, 2), Piece(finish=Finish.CUT))
    bridged = Bridged(chat=own)
    text, whole = await said(bridged, [*ASKED, AIMessage("Hm."), HumanMessage("Well?")], tools=())
    assert (text, whole.finish, whole.input_tokens, whole.output_tokens) == ("Good day.", Finish.CUT, 7, 2)
    assert [(one.role, one.text) for one in own.asked] == [
        ("system", "Be brief."),
        ("user", "What is there?"),
        ("assistant", "Hm."),
        ("user", "Well?"),
    ]
    assert name_of(bridged) == "own:model"
    assert not calls_tools(bridged)
    assert calls_tools(Rules())
    assert type(await failing(Bridged(chat=Own(Piece("half"))), tools=())) is ModelUnavailable


def test_what_is_plain_stays_and_the_rest_becomes_text() -> None:
    assert plain({"a": [1, "b", None], 2: (3,)}) == {"a": [1, "b", None], "2": [3]}
    assert plain({1, 2} - {2}) == "{1}"
    assert plain(b"x") == "b'x'"
    assert plain(10**5000) == hex(10**5000)
    assert clean("a\0b\ud800c") == "ab�c"
    with pytest.raises(ValueError, match="nested"):
        plain(json.loads("[" * (DEEPEST + 2) + "]" * (DEEPEST + 2)))
