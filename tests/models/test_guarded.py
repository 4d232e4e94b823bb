"""Models behind their breakers, through real HTTP: what is asked again, what is left alone, and who answers instead."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from langchain_core.messages import HumanMessage

from ragents_server.caller import LOCAL
from ragents_server.connections.breaker import State
from ragents_server.errors import ContextTooLong, ModelQuota, ModelUnavailable, RagentsError
from ragents_server.execution import Execution, executing
from ragents_server.limiting import TokenMeter
from ragents_server.limits.law import Quota
from ragents_server.limits.limiter import Limiter
from ragents_server.limits.quotas import Quotas
from ragents_server.models.bridged import Bridged
from ragents_server.models.calling import Whole, call, calls_tools, name_of, schema_of
from ragents_server.models.chat import ChatModel, Message, Piece
from ragents_server.models.guarded import Choice, GuardedChat
from ragents_server.models.guarded_langchain import for_agents
from ragents_server.models.metered import Metering
from ragents_server.models.providers import open_chat, open_provider_embeddings
from ragents_server.models.upstream import FAILURES, LONGEST_HOLD, LONGEST_PAUSE, PATIENCE, Upstream
from tests.openai_server import Call, Fault, Messages, OpenAIServer, Reply, openai_server

ASKED = [Message("user", "Hello?")]
TOOLS = [schema_of("look", "Looks.", {"type": "object", "properties": {}})]


def metering() -> Metering:
    """Of a server whose callers have no limits."""
    return Metering(TokenMeter(Limiter(), Quotas(Quota(), {}), 0))


@dataclass(slots=True)
class Time:
    """A clock that moves only where somebody sleeps, or a test says so."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass(slots=True)
class Chain:
    """A chain of models, each with a server of its own."""

    chat: GuardedChat
    servers: list[OpenAIServer]
    time: Time

    async def text(self) -> str:
        return "".join([piece.text async for piece in self.chat(ASKED)])

    async def failure(self) -> RagentsError:
        with pytest.raises(RagentsError) as caught:
            await self.text()
        return caught.value

    def asked(self) -> list[int]:
        return [len(server.requests) for server in self.servers]

    @property
    def first(self) -> Upstream:
        return self.chat.choices[0].upstream

    async def fail_until_left_alone(self) -> None:
        self.servers[0].answers = always(Fault())
        while self.first.breaker.state is State.CLOSED:
            await self.failure()


def always(reply: str | Reply | Fault) -> Callable[[Messages], str | Reply | Fault]:
    return lambda messages: reply


def in_turn(*replies: str | Reply | Fault) -> Callable[[Messages], str | Reply | Fault]:
    """Each once, the last one for ever."""
    left = list(replies)
    return lambda messages: left.pop(0) if len(left) > 1 else left[0]


@asynccontextmanager
async def chain(models: int = 1, attempts: int = 3, timeout: float = 20.0) -> AsyncIterator[Chain]:
    async with AsyncExitStack() as stack:
        time, servers, choices = Time(), list[OpenAIServer](), list[Choice[ChatModel]]()
        for number in range(models):
            server = await stack.enter_async_context(openai_server(always("Good day.")))
            name = f"openai:stub{number}"
            model = await stack.enter_async_context(
                open_chat(name, url=server.url, key="k", temperature=0.0, max_tokens=100, timeout=timeout)
            )
            upstream = Upstream(name, attempts=attempts, clock=time, sleep=time.sleep, draw=lambda: 1.0)
            servers.append(server)
            choices.append(Choice(upstream, model))
        yield Chain(GuardedChat(choices, metering()), servers, time)


# Attempts


async def test_a_call_that_failed_before_its_first_word_is_made_again() -> None:
    async with chain() as one:
        one.servers[0].answers = in_turn(Fault(503), "Good day.")
        assert await one.text() == "Good day."
        assert one.asked() == [2]
        assert one.time.slept == [0.2]


async def test_what_was_cut_off_after_its_first_word_is_not_made_again() -> None:
    async with chain(2) as one:
        one.servers[0].answers = always(Reply(["Good "], cut="hard"))
        assert type(await one.failure()) is ModelUnavailable
        assert one.asked() == [1, 0]


@pytest.mark.parametrize("broken", [Reply(cut="quietly"), Reply(cut="hard"), Fault(200, "garbage"), Fault(500)])
async def test_each_kind_of_failure_opens_the_breaker(broken: Reply | Fault) -> None:
    async with chain(attempts=1) as one:
        one.servers[0].answers = always(broken)
        for _ in range(FAILURES):
            assert type(await one.failure()) is ModelUnavailable
        assert one.first.breaker.state is State.OPEN


async def test_retries_are_a_tenth_of_the_calls() -> None:
    async with chain() as one:
        one.servers[0].answers = in_turn(*[Fault(503), *(["ok"] * 3)] * 50, "ok")
        calls = failed = 0
        while one.asked()[0] < 200:
            calls += 1
            try:
                await one.text()
            except ModelUnavailable:
                failed += 1
        assert calls * 1.1 + 1 >= 200
        assert 0 < failed < 50


async def test_a_call_is_made_three_times_at_most() -> None:
    async with chain() as one:
        for _ in range(100):
            await one.text()
        before = one.asked()[0]
        one.servers[0].answers = always(Fault())
        await one.failure()
        assert one.asked()[0] - before == 3
        assert one.time.slept == [0.2, 0.4]


async def test_nothing_is_made_again_for_which_the_deadline_leaves_no_time() -> None:
    async with chain() as one:
        one.servers[0].answers = in_turn(Fault(), "Good day.")
        until = asyncio.get_running_loop().time() + 0.1
        with executing(Execution(None, LOCAL, until=until)):
            await one.failure()
        assert one.asked() == [1]
        assert one.first.budget.spend(), "what was not made again costs nothing"


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_a_refused_request_is_neither_made_again_nor_a_failure_of_the_model(status: int) -> None:
    async with chain() as one:
        one.servers[0].answers = always(Fault(status))
        for number in range(2 * FAILURES):
            assert type(await one.failure()) is ModelUnavailable
            assert one.asked() == [number + 1]
        assert one.first.breaker.state is State.CLOSED


async def test_a_text_too_long_is_told_and_neither_model_is_blamed() -> None:
    async with chain(2) as one:
        one.servers[0].answers = always(Fault(413, "{}"))
        for _ in range(2 * FAILURES):
            assert isinstance(await one.failure(), ContextTooLong)
        assert one.first.breaker.state is State.CLOSED
        assert one.asked() == [2 * FAILURES, 0]


async def test_a_caller_who_leaves_says_nothing_about_the_model_and_closes_the_connection() -> None:
    async with chain() as one:
        server = one.servers[0]
        server.answers = always(Fault(hang=True))
        for _ in range(2 * FAILURES):
            server.held.clear(), server.left.clear()
            calling = asyncio.create_task(one.text())
            await server.held.wait()
            calling.cancel()
            await asyncio.wait([calling])
            await server.left.wait()
        assert one.first.breaker.state is State.CLOSED


# The breaker


async def test_a_model_that_fails_is_left_alone_and_callers_hear_at_once_for_how_long() -> None:
    async with chain() as one:
        await one.fail_until_left_alone()
        before = one.asked()
        error = await one.failure()
        assert error.retry_after == pytest.approx(0.5)
        assert one.asked() == before


async def test_one_call_at_a_time_is_the_trial_and_its_first_word_lets_all_others_through() -> None:
    async with chain() as one:
        await one.fail_until_left_alone()
        server, before, go_on = one.servers[0], one.asked()[0], asyncio.Event()
        server.answers = always(Reply(["Good ", "day."], wait=go_on))
        server.held.clear()
        one.time.now += LONGEST_PAUSE
        trial = asyncio.create_task(one.text())
        await server.held.wait()
        assert (await one.failure()).retry_after == pytest.approx(PATIENCE)
        go_on.set()
        assert await trial == "Good day."
        assert await one.text() == "Good day."
        assert one.asked()[0] - before == 2


async def test_a_trial_is_made_within_ten_seconds_however_long_the_model_was_away() -> None:
    async with chain(attempts=1) as one:
        await one.fail_until_left_alone()
        for _ in range(10):
            one.time.now += (await one.failure()).retry_after or 0.0
        one.servers[0].answers = always("Good day.")
        assert one.first.breaker.retry_after() <= LONGEST_PAUSE
        one.time.now += LONGEST_PAUSE
        assert await one.text() == "Good day."


async def test_a_spent_quota_is_not_asked_before_its_time_and_does_not_open_the_breaker() -> None:
    async with chain() as one:
        one.servers[0].answers = in_turn(Fault(429, headers={"Retry-After": "3"}), "Good day.")
        for wait in (3, 2, 1):
            error = await one.failure()
            assert isinstance(error, ModelQuota)
            assert error.retry_after == pytest.approx(wait)
            one.time.now += 1
        assert one.asked() == [1]
        assert await one.text() == "Good day."


async def test_a_quota_is_back_so_soon_that_the_call_waits_for_it() -> None:
    async with chain() as one:
        one.servers[0].answers = in_turn(Fault(429, headers={"Retry-After": "1.5"}), "Good day.")
        assert await one.text() == "Good day."
        assert one.time.slept == [1.5]


async def test_a_quota_of_hours_is_looked_at_again_sooner() -> None:
    async with chain() as one:
        one.servers[0].answers = in_turn(Fault(429, headers={"Retry-After": "3000"}), "Good day.")
        await one.failure()
        one.time.now += LONGEST_HOLD
        assert await one.text() == "Good day."


# The chain


@pytest.mark.parametrize("fault", [Fault(500), Fault(401), Fault(429), Reply(cut="quietly")])
async def test_the_next_model_answers_while_the_first_one_cannot_and_says_who_it_is(fault: Fault | Reply) -> None:
    async with chain(2) as one:
        one.servers[0].answers = always(fault)
        for _ in range(2 * FAILURES):
            pieces = [piece async for piece in one.chat(ASKED)]
            assert "".join(piece.text for piece in pieces) == "Good day."
            assert {piece.model for piece in pieces} == {"openai:stub1"}
        assert one.chat.model == "openai:stub0"


async def test_nobody_else_is_asked_while_the_first_one_serves() -> None:
    async with chain(2) as one:
        pieces = [piece async for piece in one.chat(ASKED)]
        assert {piece.model for piece in pieces} == {""}
        assert one.asked() == [1, 0]


async def test_where_none_serves_the_first_ones_failure_is_told() -> None:
    async with chain(2) as one:
        for server in one.servers:
            server.answers = always(Fault())
        assert "openai:stub0" in (await one.failure()).message


# Agents


async def said(one: Chain, *, tools: bool = True) -> tuple[str, Whole]:
    """What a call as agents make it gives."""
    text, whole = "", None
    pieces = call(for_agents(one.chat), [HumanMessage("Hello?")], tools=TOOLS if tools else ())
    async with aclosing(pieces) as told:
        async for piece in told:
            if isinstance(piece, Whole):
                whole = piece
            else:
                text += piece
    assert whole is not None
    return text, whole


async def test_agents_calls_with_tools_are_made_again_too() -> None:
    async with chain() as one:
        one.servers[0].answers = in_turn(Fault(503), Reply(["Let me."], [Call("look")]))
        text, whole = await said(one)
        assert (text, whole.model) == ("Let me.", "openai:stub0")
        assert [made["name"] for made in whole.message.tool_calls] == ["look"]
        assert [bool(body.get("tools")) for body in one.servers[0].requests] == [True, True]


async def test_agents_calls_go_to_the_next_model_which_is_named() -> None:
    async with chain(2) as one:
        one.servers[0].answers = always(Fault())
        one.servers[1].answers = always(Reply(["Let me."], [Call("look")]))
        for _ in range(2 * FAILURES):
            _, whole = await said(one)
            assert whole.model == "openai:stub1"
            assert [made["name"] for made in whole.message.tool_calls] == ["look"]
            assert not [name for name in whole.message.response_metadata if "ragents" in name]
        assert name_of(for_agents(one.chat)) == "openai:stub0"


@pytest.mark.parametrize("begun", [Reply(["Let "], cut="hard"), Reply(calls=[Call("look", '{"at": 1')], cut="quietly")])
async def test_agents_calls_are_not_made_again_after_the_first_word_or_call(begun: Reply) -> None:
    async with chain(2) as one:
        one.servers[0].answers = always(begun)
        with pytest.raises(ModelUnavailable):
            await said(one)
        assert one.asked() == [1, 0]


async def test_writers_and_agents_share_the_breaker() -> None:
    async with chain() as one:
        await one.fail_until_left_alone()
        before = one.asked()
        with pytest.raises(ModelUnavailable):
            await said(one)
        assert one.asked() == before


async def test_the_whole_message_is_there_for_those_who_do_not_stream() -> None:
    async with chain() as one:
        one.servers[0].answers = in_turn(Fault(503), Reply(["Let me."], [Call("look", '{"at": 1}')]))
        model = for_agents(one.chat)
        assert calls_tools(model)
        message = await model.bind_tools(TOOLS).ainvoke([HumanMessage("Hello?")])
        assert message.text == "Let me."
        assert [made["args"] for made in message.tool_calls] == [{"at": 1}]


async def test_a_model_of_ones_own_is_guarded_and_bridged() -> None:
    class Own:
        model = "own"
        asked = 0

        async def __call__(self, messages: object) -> AsyncIterator[Piece]:
            self.asked += 1
            raise ModelUnavailable("no")
            yield Piece("never")

    own, time = Own(), Time()
    chat = GuardedChat([Choice(Upstream("own", clock=time, sleep=time.sleep), own)], metering())  # type: ignore[arg-type]
    model = for_agents(chat)
    assert isinstance(model, Bridged)
    for _ in range(2 * FAILURES):
        with pytest.raises(ModelUnavailable):
            async with aclosing(call(model, [HumanMessage("Hello?")])) as told:
                async for _ in told:
                    pass
    assert own.asked == FAILURES


# Embeddings


@asynccontextmanager
async def embeddings(time: Time) -> AsyncIterator[tuple[OpenAIServer, Upstream, Callable[[], object]]]:
    async with openai_server() as server:
        upstream = Upstream("openai:tiny", clock=time, sleep=time.sleep, draw=lambda: 1.0)
        given = {"key": "k", "timeout": 20.0}
        async with open_provider_embeddings("openai:tiny", url=server.url, upstream=upstream, **given) as model:  # type: ignore[arg-type]
            yield server, upstream, lambda: model.embed_queries(["a question"])


async def test_a_request_for_vectors_is_made_again_and_then_left_alone() -> None:
    async with embeddings(Time()) as (server, upstream, embed):
        well, faults = server.embed, [Fault(503)]
        server.embed = lambda texts: faults.pop() if faults else well(texts)
        assert np.shape(await embed()) == (1, 16)  # type: ignore[misc]
        assert len(server.requests) == 3
        server.embed = lambda texts: Fault(503)
        for _ in range(2 * FAILURES):
            with pytest.raises(ModelUnavailable):
                await embed()  # type: ignore[misc]
        assert len(server.requests) == 3 + FAILURES
        assert upstream.breaker.state is State.OPEN
