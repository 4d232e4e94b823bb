"""What Opik is told of real calls, by a server that records it."""

import asyncio
import socket
import threading
import time
from datetime import datetime
from typing import Any

import grpc
import pytest

from ragents_client.v1 import (
    AgentServiceStub,
    QueryRequest,
    QueryServiceStub,
    Question,
    RunRequest,
    StreamQueryRequest,
    Turn,
)
from ragents_server.measuring import observers, opik_of
from ragents_server.settings import Settings
from ragents_server.signals import begin_trace, listening, span
from ragents_server.telemetry.opik import BATCH, FLUSH, MOST_WAITING, Destination, Opik
from ragents_server.telemetry.records import Records
from tests.openai_server import Call, Reply, openai_server
from tests.opik_server import Record, opik_server
from tests.telemetry.tracing import traced

ASK = QueryRequest(question=Question(text="Where does the quokka live?"))
NONE = [("grpc.enable_retries", 0)]
TRACE, PARENT = "0190b0f0-0000-7000-8000-0000000000aa", "0190b0f0-0000-7000-8000-0000000000bb"
TRACEPARENT = f"00-{'ab' * 16}-{'cd' * 8}-01"


def lasted(record: Record) -> float:
    began, ended = (datetime.fromisoformat(record[name]) for name in ("start_time", "end_time"))
    return (ended - began).total_seconds()


async def test_a_question_is_one_tree_of_spans_with_what_went_in_and_out() -> None:
    async with traced() as (opik, channel):
        metadata = (("x-request-id", "request-7"), ("traceparent", TRACEPARENT), ("x-ragents-priority", "HIGH"))
        await QueryServiceStub(channel).Query(ASK, metadata=metadata, timeout=30)
        trace = await opik.trace("Query")
        tree = opik.tree(trace)
        assert tree[""] == ["rpc"]
        assert tree["rpc"] == ["rewrite contextual", "cache retrieval", "slot", "retrieve", "write"]
        assert tree["retrieve"] == ["embed", "search", "passages"]
        assert tree["embed"] == ["cache embedding"]
        assert "cache answer" in tree["write"]
        assert trace["input"] == {"question": ASK.question.text}
        assert "Rottnest" in trace["output"]["answer"]["text"]
        told = trace["metadata"]
        assert (told["tenant"], told["user"], told["priority"]) == ("local", "local", "HIGH")
        assert (told["request_id"], told["trace_id"], told["code"]) == ("request-7", "ab" * 16, "OK")
        assert told["queue_wait"] >= 0
        assert {"Query", "cache:MISS", "priority:HIGH"} <= set(trace["tags"])
        await opik.until(lambda: next((one for one in opik.scores if one["id"] == trace["id"]), None))
        assert {one["name"]: one["value"] for one in opik.scores} == {"answered": 1.0, "cited": 1.0}
        found = await opik.span("retrieve")
        assert found["output"]["value"][0]["document"] == "animals.md"
        assert all(lasted(one) >= 0 for one in opik.spans)
        assert all(one["id"][14] == "7" for one in opik.spans)


async def test_a_repeat_is_told_as_a_hit_of_the_cache() -> None:
    async with traced() as (opik, channel):
        for _ in range(2):
            await QueryServiceStub(channel).Query(ASK, timeout=30)
        repeat = await opik.trace("Query", "cache:HIT")
        assert opik.tree(repeat) == {"": ["rpc"], "rpc": ["cache repeat"]}
        assert "Rottnest" in repeat["output"]["answer"]["text"]


async def test_a_caller_that_traces_gets_our_spans_in_its_own_trace() -> None:
    async with traced(trace_share=0.0) as (opik, channel):
        await QueryServiceStub(channel).Query(ASK, timeout=30)  # not traced: nobody asked for it
        metadata = (("opik_trace_id", TRACE), ("opik_parent_span_id", PARENT))
        await QueryServiceStub(channel).Query(ASK, metadata=metadata, timeout=30)
        root = await opik.span("rpc")
        assert (root["trace_id"], root["parent_span_id"]) == (TRACE, PARENT)
        assert {one["trace_id"] for one in opik.spans} == {TRACE}
        assert opik.traces == []


async def test_ids_that_are_none_are_passed_by() -> None:
    async with traced() as (opik, channel):
        metadata = (("opik_trace_id", "x' OR 1"), ("opik_parent_span_id", "7"))
        await QueryServiceStub(channel).Query(ASK, metadata=metadata, timeout=30)
        trace = await opik.trace("Query")
        assert "parent_span_id" not in next(one for one in opik.spans if one["id"] == trace["id"])


async def test_addresses_and_secrets_are_replaced() -> None:
    async with traced(opik_key="opik-key-of-the-tests", opik_workspace="zoo") as (opik, channel):
        question = "Mail ada@example.com, my key is sk-abcdefghijklmnopqrstuv, +44 20 7946 0958, opik-key-of-the-tests?"
        await QueryServiceStub(channel).Query(QueryRequest(question=Question(text=question)), timeout=30)
        trace = await opik.trace("Query")
        assert trace["input"]["question"] == "Mail [EMAIL], my key is [SECRET], [PHONE], [SECRET]?"
        everything = str([opik.traces, opik.spans, opik.scores])
        for secret in ("ada@example.com", "sk-abc", "7946", "opik-key-of-the-tests"):
            assert secret not in everything
        assert opik.headers[0]["authorization"] == "opik-key-of-the-tests"
        assert opik.headers[0]["comet-workspace"] == "zoo"


async def test_contents_stay_here_where_that_is_set() -> None:
    async with traced(trace_contents=False) as (opik, channel):
        await QueryServiceStub(channel).Query(ASK, timeout=30)
        await opik.trace("Query")
        assert not [one for one in (*opik.traces, *opik.spans) if "input" in one or "output" in one]
        assert "quokka" not in str([opik.traces, opik.spans])


async def test_a_call_that_is_refused_tells_why() -> None:
    async with traced() as (opik, channel):
        with pytest.raises(grpc.aio.AioRpcError):
            await QueryServiceStub(channel).Query(QueryRequest(), timeout=30)
        trace = await opik.trace("Query")
        assert trace["error_info"]["exception_type"] == "INVALID_REQUEST"
        assert "reason:INVALID_REQUEST" in trace["tags"]
        assert trace["metadata"]["code"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize("end", ["cancel", "deadline"])
async def test_a_call_that_ends_early_has_all_its_ends(end: str) -> None:
    holding = asyncio.Event()

    def answers(_: Any) -> Reply:
        return Reply(["It "], wait=holding)

    async with (
        openai_server(answers) as model,
        traced(chat_model="openai:gpt-4o", chat_url=model.url, chat_key="a-key-of-tests") as (opik, channel),
    ):
        request = StreamQueryRequest(question=ASK.question)
        call = QueryServiceStub(channel).StreamQuery(request, timeout=30 if end == "cancel" else 2)
        with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
            async for event in call:
                if end == "cancel" and event.event.step.name == "write":
                    call.cancel()
        trace = await opik.trace("StreamQuery")
        holding.set()
        wanted = "CANCELLED" if end == "cancel" else "DEADLINE_EXCEEDED"
        assert trace["metadata"]["code"] == wanted
        generation = await opik.span("generation")
        assert generation["trace_id"] == trace["id"]
        assert generation["error_info"]["exception_type"] in {"CancelledError", "GeneratorExit"}
        assert all(lasted(one) >= 0 for one in opik.spans)


async def test_a_model_s_call_tells_messages_tokens_and_hands_the_trace_on() -> None:
    async with (
        openai_server(lambda _: "The quokka lives on Rottnest Island [1].") as model,
        traced(
            chat_model="openai:gpt-4o",
            chat_url=model.url,
            chat_key="a-key-of-tests",
            model_prices="openai:gpt-4o=2/4",
        ) as (opik, channel),
    ):
        await QueryServiceStub(channel).Query(ASK, metadata=(("traceparent", TRACEPARENT),), timeout=30)
        trace = await opik.trace("Query")
        generation = await opik.span("generation")
        assert (generation["type"], generation["provider"], generation["model"]) == ("llm", "openai", "gpt-4o")
        usage = generation["usage"]
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
        dollars = (2 * usage["prompt_tokens"] + 4 * usage["completion_tokens"]) / 1e6
        assert generation["total_estimated_cost"] == pytest.approx(dollars)
        assert generation["input"]["value"][-1]["role"] == "user"
        assert "Rottnest" in generation["output"]["value"]
        assert opik.tree(trace)["generation"] == ["model"]
        heard = model.headers[-1]
        assert heard["opik_trace_id"] == trace["id"]
        assert heard["opik_parent_span_id"] == generation["id"]
        assert heard["traceparent"] == f"00-{'ab' * 16}-{generation['id'].replace('-', '')[-16:]}-01"


async def test_a_turn_shows_its_nodes_tools_and_thread() -> None:
    said = iter([Reply(calls=[Call("retrieve", '{"query": "quokka"}')]), Reply(["It lives on Rottnest Island."])])
    async with (
        openai_server(lambda _: next(said, "Rottnest.")) as model,
        traced(chat_model="openai:gpt-4o", chat_url=model.url, chat_key="a-key-of-tests") as (opik, channel),
    ):
        turn = Turn(agent="react", thread_id="t1", request_id="r1", question=ASK.question)
        await AgentServiceStub(channel).Run(RunRequest(turn=turn), timeout=60)
        trace = await opik.trace("Run")
        await opik.span("agent react")
        tree = opik.tree(trace)
        assert trace["thread_id"] == "local/local/t1"
        assert "agent:react" in trace["tags"]
        assert "agent react" in tree["rpc"]
        assert any(name.startswith("node ") for name in tree["agent react"])
        tool = await opik.span("tool retrieve")
        assert tool["type"] == "tool"
        assert tool["input"] == {"query": "quokka"}


async def test_calls_go_on_while_opik_fails_and_what_is_lost_is_counted() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as hole:  # it is connected to, and says nothing
        lost: list[int] = []
        address = f"127.0.0.1:{hole.getsockname()[1]}"
        records = Records("tests", None, with_contents=True)
        opik = Opik(Destination(f"http://{address}/api"), records, lost.append)
        opik.start()
        with listening(opik):
            for _ in range(MOST_WAITING + 3 * BATCH):
                begin_trace("Query")
                with span("write"):
                    pass
        began = time.monotonic()
        await asyncio.to_thread(opik.close)
        assert time.monotonic() - began < FLUSH + 1
        assert sum(lost) >= 2 * BATCH  # those that found no room, and those that were left at the end
        assert sum(lost) <= MOST_WAITING + 3 * BATCH


async def test_what_opik_does_not_want_is_not_sent_again() -> None:
    async with opik_server() as opik:
        async with traced(opik_url=opik.url) as (_, channel):
            await opik.trace("PutDocuments")
            opik.status, before = 400, len(opik.told)
            await QueryServiceStub(channel).Query(ASK, timeout=30)
        refused = opik.told[before:]
        assert refused
        assert len(refused) == len(set(refused))


async def test_what_is_left_is_sent_at_the_end() -> None:
    async with opik_server() as opik:
        async with traced(opik_url=opik.url) as (_, channel):
            await QueryServiceStub(channel).Query(ASK, timeout=30)
        assert [one["name"] for one in opik.traces] == ["PutDocuments", "Query"]


def test_without_a_setting_nothing_of_it_is_there() -> None:
    settings = Settings(listen="127.0.0.1:0")
    assert opik_of(settings, None) is None
    assert observers(settings, None, None)
    names = [thread.name for thread in threading.enumerate()]
    assert "sending traces" not in names
    with span("write") as told:
        told.show(input="nothing of it is kept")
    assert told.shown is None
