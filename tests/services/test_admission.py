"""What callers see of admission, through a real channel, with a model that a test lets go on."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest

from ragents_client import AsyncClient
from ragents_client.v1 import (
    AgentServiceStub,
    BatchQueryRequest,
    Event,
    QueryRequest,
    QueryResponse,
    QueryServiceStub,
    Question,
    RetrieveRequest,
    StreamQueryRequest,
    StreamRunRequest,
    Turn,
)
from tests.openai_server import OpenAIServer, Reply, openai_server
from tests.servers import bearer, keys_file, running_server
from tests.services.calls import details
from tests.services.processes import READINESS, SERVING, checked

SECONDS = 20
SLOTS, WAITING = 1, 5
TEXT = "The answer is 42 [1]."


class Asked:
    """A server with few slots, a short line, and a model whose requests wait until they are let go on."""

    def __init__(self, channel: grpc.aio.Channel, model: OpenAIServer) -> None:
        self.channel = channel
        self.query = QueryServiceStub(channel)
        self.model = model
        self.go = asyncio.Event()
        self.order: list[str] = []  # the questions in the order in which the model was asked
        self._began = asyncio.Event()
        model.answers = self._answer
        self._pending: list[asyncio.Task[Any]] = []

    def _answer(self, messages: list[dict[str, Any]]) -> Reply:
        self.order.append(re.findall(r"(Q\w*) what is the answer", messages[-1]["content"])[-1])
        self._began.set()
        return Reply([TEXT], wait=self.go)

    async def until(self, number: int) -> None:
        """Until the model was asked so often."""
        async with asyncio.timeout(SECONDS):
            while len(self.order) < number:
                self._began.clear()
                if len(self.order) < number:
                    await self._began.wait()

    def ask(self, name: str, priority: str = "", user: str = "ada", timeout: float = SECONDS) -> "asyncio.Task[Any]":
        metadata = bearer(user) + ((("x-ragents-priority", priority),) if priority else ())
        call = self.query.Query(question(name), metadata=metadata, timeout=timeout)
        self._pending.append(asyncio.ensure_future(_awaited(call)))
        return self._pending[-1]

    async def busy(self) -> None:
        """All slots are taken."""
        for i in range(SLOTS):
            self.ask(f"Qbusy{i}")
        await self.until(SLOTS)

    async def waiting(self, name: str, number: int, behind: str = "LOW", **how: Any) -> "asyncio.Task[Any]":
        """A call that is the so-manieth in the line, as the stream of another one of priority `behind` tells."""
        task = self.ask(name, **how)
        await self.position("Qprobe", lambda at: at == number, priority=behind)
        return task

    async def position(self, name: str, wanted: Callable[[int], bool], priority: str = "") -> None:
        metadata = bearer("ada", x_ragents_priority=priority) if priority else bearer("ada")
        request = StreamQueryRequest(question=question(name).question)
        async with asyncio.timeout(SECONDS):
            while True:
                call = self.query.StreamQuery(request, metadata=metadata, timeout=SECONDS)
                async for response in call:
                    if response.event.HasField("queued"):
                        assert response.event.seq == 0
                        if wanted(response.event.queued.position):
                            call.cancel()
                            return
                        break
                call.cancel()

    async def end(self) -> None:
        self.go.set()
        for task in self._pending:
            task.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)


async def _awaited(call: Any) -> Any:
    return await call


def question(name: str) -> QueryRequest:
    return QueryRequest(question=Question(text=f"{name} what is the answer?"))


async def refused(task: "asyncio.Future[Any]") -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await task
    return caught.value


@pytest.fixture
async def asked(tmp_path: Any) -> AsyncIterator[Asked]:
    keys = keys_file(
        tmp_path,
        ada={"tenant": "acme", "user": "ada", "scopes": ["ask", "write"], "priority": "CRITICAL"},
        low={"tenant": "acme", "user": "low", "priority": "LOW"},
        zoe={"tenant": "acme", "user": "zoe", "scopes": ["ask", "write"]},
    )
    async with openai_server() as model:
        settings = {"chat_model": "openai:stub", "chat_url": model.url, "keys": keys}
        async with (
            running_server(executions=SLOTS, queue=WAITING, agents="simple", **settings) as address,
            grpc.aio.insecure_channel(address, [("grpc.enable_retries", 0)]) as channel,
        ):
            asked = Asked(channel, model)
            async with AsyncClient(address, token="ada") as client:
                await client.put_documents([("answer.txt", b"The answer is 42. What is the answer? It is 42.")])
            yield asked
            await asked.end()


async def test_the_most_urgent_is_worked_for_next_whenever_it_came(asked: Asked) -> None:
    await asked.busy()
    low = await asked.waiting("Qlow", 1, priority="LOW")
    normal = await asked.waiting("Qnormal", 2)
    critical = await asked.waiting("Qcritical", 1, behind="HIGH", priority="CRITICAL")
    asked.go.set()
    responses = await asyncio.gather(low, normal, critical)
    assert asked.order[SLOTS] == "Qcritical"
    assert asked.order.index("Qnormal") < asked.order.index("Qlow")
    assert all(isinstance(response, QueryResponse) and response.queue_wait.nanos for response in responses)


async def test_a_full_line_refuses_with_the_wait_and_the_reason(asked: Asked) -> None:
    await asked.busy()
    for i in range(WAITING - 1):
        await asked.waiting(f"Q{i}", i + 1)
    last = asked.ask("Q", "LOW")
    late = asked.ask("Qlate", "LOW")
    error = await refused((await asyncio.wait([last, late], return_when=asyncio.FIRST_COMPLETED))[0].pop())
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    told = details(error)
    assert told["ErrorInfo"].reason == "OVERLOADED"
    assert told["RetryInfo"].retry_delay.ToNanoseconds() > 0
    trailers = dict(error.trailing_metadata() or ())
    assert int(trailers["grpc-retry-pushback-ms"]) > 0


async def test_a_priority_above_the_callers_ceiling_is_lowered_to_it(asked: Asked) -> None:
    await asked.busy()
    first = await asked.waiting("Qfirst", 1, user="zoe")
    above = await asked.waiting("Qabove", 2, priority="CRITICAL", user="low")
    asked.go.set()
    await asyncio.gather(first, above)
    assert asked.order.index("Qfirst") < asked.order.index("Qabove")


async def test_an_unknown_priority_is_an_invalid_argument(asked: Asked) -> None:
    error = await refused(asked.ask("Q", "URGENT"))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "CRITICAL" in (error.details() or "")


async def test_kept_answers_searches_and_probes_are_served_while_every_slot_is_taken(asked: Asked) -> None:
    asked.go.set()
    first = await asked.ask("Qkept")
    asked.go.clear()
    for i in range(SLOTS):
        asked.ask(f"Qnew{i}")
    await asked.until(1 + SLOTS)
    again = await asked.ask("Qkept", timeout=5)
    assert again.answer == first.answer
    assert await checked(asked.channel, READINESS) == SERVING
    request = RetrieveRequest(question=question("Qkept").question)
    assert (await asked.query.Retrieve(request, metadata=bearer("ada"), timeout=5)).passages


async def test_who_leaves_the_line_is_not_asked_for_and_its_place_is_free(asked: Asked) -> None:
    await asked.busy()
    for i in range(WAITING):
        (await asked.waiting(f"Qgone{i}", 1)).cancel()
        await asked.position("Qprobe", lambda at: at == 0, priority="LOW")
    last = await asked.waiting("Qlast", 1)
    asked.go.set()
    assert (await last).answer.text == TEXT
    assert not any(name.startswith("Qgone") for name in asked.order)


async def test_a_run_waits_for_a_slot_like_a_question_and_tells_its_place(asked: Asked) -> None:
    await asked.busy()
    turn = Turn(agent="simple", request_id="r1", question=question("Qrun").question)
    call = AgentServiceStub(asked.channel).StreamRun(
        StreamRunRequest(turn=turn), metadata=bearer("ada"), timeout=SECONDS
    )
    events: list[Event] = []
    async for response in call:
        events.append(response.event)
        if response.event.HasField("queued"):
            asked.go.set()
    kinds = [event.WhichOneof("kind") for event in events]
    assert kinds[0] == "queued"
    assert kinds[-1] == "answer"


async def test_a_detached_run_is_as_urgent_as_the_call_that_began_it(asked: Asked) -> None:
    await asked.busy()
    turn = Turn(agent="simple", request_id="r2", question=question("Qrun").question, detached=True)
    metadata = bearer("ada", x_ragents_priority="LOW")
    call = AgentServiceStub(asked.channel).StreamRun(StreamRunRequest(turn=turn), metadata=metadata, timeout=SECONDS)
    first = await anext(aiter(call))
    assert first.event.HasField("queued")
    normal = await asked.waiting("Qnormal", 2)
    asked.go.set()
    await normal
    await asked.until(SLOTS + 2)
    assert asked.order[SLOTS:][:2] == ["Qnormal", "Qrun"]


async def test_each_question_of_a_batch_takes_a_slot_of_its_own(asked: Asked) -> None:
    request = BatchQueryRequest(questions=[question(f"Q{i}").question for i in range(SLOTS + WAITING)])
    call = asyncio.ensure_future(_awaited(asked.query.BatchQuery(request, metadata=bearer("ada"), timeout=SECONDS)))
    await asked.until(SLOTS)
    assert len(asked.order) == SLOTS
    asked.go.set()
    assert all(item.answer.text == TEXT for item in (await call).items)
