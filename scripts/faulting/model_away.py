"""`scripts/faults model`: the chat model fails, hangs or refuses; callers hear it at once, and it is left alone."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from time import monotonic

import grpc
from google.protobuf.struct_pb2 import Struct

from ragents_client import AsyncClient, ModelUnavailable, RagentsError
from ragents_client.v1.agent_pb2 import Turn
from ragents_client.v1.agent_service_pb2 import RunRequest
from ragents_client.v1.agent_service_pb2_grpc import AgentServiceStub
from ragents_client.v1.answer_pb2 import REWRITING_HYDE, Answer, Question
from ragents_client.v1.query_service_pb2 import QueryRequest, RetrieveRequest, StreamQueryRequest
from ragents_client.v1.query_service_pb2_grpc import QueryServiceStub
from scripts.faulting.calls import Calls
from scripts.faulting.deployment import deployed, say
from scripts.faulting.failing_model import FailingModel
from scripts.faulting.load import percentile
from scripts.faulting.model import chat_model
from scripts.faulting.replicas import Key, Replica
from scripts.figures import Figure
from tests.openai_server import Fault

KEY = Key("token-of-amber", "amber")
UNGUARDED = ("scripts.faulting.unguarded",)
TOPICS = ("granite", "harvest", "lantern", "compass")
DEADLINE = 2.0  # seconds that the server gives a call that has none
HANGING = 3  # calls of each kind
SLOTS = 4 * HANGING  # as many as hang: were one not given back, nothing would be answered afterwards
TIMEOUT = 30.0  # seconds of every other call
RATIO, REFUSED, HEALED, LATE = 1.1, 0.05, 10.0, 0.1
QUOTA = 3.0  # seconds
PATIENCE = 30.0  # seconds that healing is waited for
LONGEST_CONTROL = 10.0  # seconds, which are enough to see it
PAUSE = 0.1  # seconds between a caller's calls

NOTES = {
    "upstream_ratio": "requests that reached the model against calls that the application made with the shipped "
    "client, from the moment when it begins to fail until it is asked successfully again",
    "control": "the same without breakers and with retries that nobody counts",
    "refused_p99": "calls that were refused while the model was left alone, retrieval and all",
    "hanging": f"calls without a deadline of their own: Query, StreamQuery, Run of react, Retrieve with HyDE; the "
    f"server gives {DEADLINE:g} s, and has as many slots as there are calls, which are all made twice",
    "quota": f"the model says 429 with Retry-After {QUOTA:g}, once",
    "fallback": "another model answers; when the first is back, the same questions are answered by it, not by "
    "the cache",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds for which the model fails, and how many callers."""

    away: float
    callers: int = 4


FULL, SHORT = Plan(away=60), Plan(away=4)


@dataclass(slots=True)
class Heard:
    """What callers heard: seconds of each refusal, and who answered each question."""

    offered: int = 0
    refused: list[float] = field(default_factory=list)
    other: list[str] = field(default_factory=list)  # failures that are not the model's
    answers: dict[str, Answer] = field(default_factory=dict)
    answered: asyncio.Event = field(default_factory=asyncio.Event)


async def measured(*, short: bool, seed: int) -> list[Figure]:
    """Each fault in turn, on a server, on one with a fallback, and on the control."""
    del seed  # nothing is drawn
    plan, first, spare = SHORT if short else FULL, FailingModel(), FailingModel()
    async with chat_model(spare):
        fallback = {"chat_fallbacks": f"openai:spare@{spare.url}"}
        rows: list[dict[str, object]] = [{"deadline": DEADLINE, "executions": SLOTS}, dict(fallback)]
        async with deployed([KEY], rows, short=False, model=first) as deployment:
            guarded, chained = deployment.replicas
            async with absence(guarded, first, plan) as test:
                figures = await test.quota()  # first: a client that has failed often sends nothing again for a while
                figures += await test.failing("", with_times=not short)
                figures += await test.hanging(with_times=not short)
            async with absence(chained, first, plan) as test:
                figures += await test.fallback()
    control = FailingModel()
    async with (
        deployed([KEY], [{}], short=False, model=control, program=UNGUARDED) as deployment,
        absence(deployment.replicas[0], control, Plan(min(plan.away, LONGEST_CONTROL))) as test,
    ):
        return [*figures, *await test.failing("control_", with_times=False)]


@asynccontextmanager
async def absence(replica: Replica, model: FailingModel, plan: Plan) -> AsyncIterator["Absence"]:
    """A server with documents, and the shipped client on it."""
    calls = Calls(replica, KEY)
    for topic in TOPICS:
        text = f"The mark of the {topic} is carved above a door. Nobody has read it since the flood."
        await calls.put("", f"{topic}.txt", text.encode(), Struct())
    async with AsyncClient(replica.begun.address, token=KEY.token, timeout=TIMEOUT) as client:
        test = Absence(replica, client, model, plan)
        await test.ask(test.new())
        yield test


class Absence:
    """One server whose model goes away."""

    _numbers = count(1)

    def __init__(self, replica: Replica, client: AsyncClient, model: FailingModel, plan: Plan) -> None:
        self._replica = replica
        self._client = client
        self._model = model
        self._plan = plan

    def new(self) -> str:
        """A question that no cache knows."""
        number = next(self._numbers)
        return f"What is the mark of the {TOPICS[number % len(TOPICS)]} (question {number})?"

    async def ask(self, question: str, heard: Heard | None = None, *, stream: bool = False) -> str:
        """The name of the model that answered, empty where there is no answer."""
        heard = heard if heard is not None else Heard()
        heard.offered += 1
        began = monotonic()
        try:
            answer = await self._streamed(question) if stream else await self._client.query(question)
        except ModelUnavailable as error:
            if error.retry_after is not None:
                heard.refused.append(monotonic() - began)
        except RagentsError as error:
            heard.other.append(str(error))
        else:
            heard.answers[question] = answer
            heard.answered.set()
            return answer.usage.model
        return ""

    async def _streamed(self, question: str) -> Answer:
        answer = Answer()
        async with self._client.stream_query(question) as events:
            async for event in events:
                if event.HasField("answer"):
                    answer = event.answer
        return answer

    @asynccontextmanager
    async def load(self) -> AsyncIterator[Heard]:
        """The callers, who ask new questions with and without a stream until the block ends."""
        heard, stopped = Heard(), asyncio.Event()

        async def ask_on() -> None:
            for at in count():
                if stopped.is_set():
                    return
                await self.ask(self.new(), heard, stream=at % 2 == 1)
                await asyncio.sleep(PAUSE)

        async with asyncio.TaskGroup() as group:
            for _ in range(self._plan.callers):
                group.create_task(ask_on())
            try:
                yield heard
            finally:
                stopped.set()

    async def failing(self, name: str, *, with_times: bool) -> list[Figure]:
        """The model says 500 for a while."""
        say(f"the model fails {name}")
        asked = len(self._model.generations)
        async with self.load() as heard:
            self._model.fault = Fault()
            await asyncio.sleep(self._plan.away)
            self._model.fault, mended = None, monotonic()
            heard.answered.clear()
            async with asyncio.timeout(PATIENCE):
                await heard.answered.wait()
            healed = monotonic() - mended
            failed = len(self._model.generations) - asked, heard.offered
        ratio, p99 = failed[0] / failed[1], percentile(heard.refused, 0.99)
        if name:
            return [Figure.at_least(f"{name}upstream_ratio", ratio, 2 * RATIO), Figure(f"{name}calls", failed[1])]
        least = 2 * self._plan.away
        timed = [Figure.at_most("refused_p99", p99, REFUSED, "s"), Figure.at_most("healed_after", healed, HEALED, "s")]
        return [
            Figure.at_least("calls", failed[1], least),
            Figure.at_most("upstream_ratio", ratio, RATIO),
            Figure.at_least("refused", len(heard.refused), least),
            Figure("refused_p50", percentile(heard.refused, 0.5), "s"),
            Figure.at_most("failed_otherwise", len(heard.other), 0),
            *(timed if with_times else [Figure(timed[0].name, p99, "s"), timed[1]]),
        ]

    async def quota(self) -> list[Figure]:
        """The model refuses one call for a time; nobody asks it before."""
        say("the model's quota is spent")
        before = len(self._model.generations)
        self._model.fault = Fault(429, headers={"Retry-After": f"{QUOTA:g}"})
        heard = Heard()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.ask(self.new(), heard))
            struck = (await self._model.asked(before + 1)).began
            await asyncio.sleep(PAUSE)  # the refusal has arrived
            self._model.fault = None
            for _ in range(2 * self._plan.callers):
                group.create_task(self.ask(self.new(), heard))
        began = [one.began - struck for one in self._model.generations[before + 1 :]]
        return [
            Figure("quota_first_asked_after", min(began, default=math.nan), "s"),
            Figure.at_most("quota_asked_too_soon", sum(seconds < QUOTA for seconds in began), 0),
            Figure.at_least("quota_answered", len(heard.answers), 2 * self._plan.callers + 1),
        ]

    async def hanging(self, *, with_times: bool) -> list[Figure]:
        """The model never answers; every call ends by the server's deadline, and nothing is left of it."""
        say("the model hangs")
        await self._client.run("react", self.new())  # loads the agents
        self._model.fault, self._model.most_waiting = Fault(hang=True), 0
        late = list[float]()
        for _ in range(2):
            late += await asyncio.gather(*(self._late(call) for call in self._kinds() for _ in range(HANGING)))
            async with asyncio.timeout(PATIENCE):
                await self._model.idle.wait()
        self._model.fault = None
        answered = sum([bool(await self.ask(self.new())) for _ in range(SLOTS)])
        slowest = Figure.at_most("hanging_late", max(late), LATE, "s")
        return [
            Figure.at_least("hanging_calls", len(late), 2 * SLOTS),
            Figure.at_least("hanging_at_once", self._model.most_waiting, SLOTS),
            slowest if with_times else Figure(slowest.name, slowest.value, "s"),
            Figure.at_most("hanging_left", self._model.waiting, 0),
            Figure.at_least("hanging_answered_after", answered, SLOTS),
        ]

    def _kinds(self) -> Sequence[Callable[[], Awaitable[object]]]:
        queries, agents = QueryServiceStub(self._replica.channel), AgentServiceStub(self._replica.channel)

        async def streamed() -> None:
            async for _ in queries.StreamQuery(StreamQueryRequest(question=Question(text=self.new())), **given):
                pass

        given = {"metadata": KEY.metadata}
        return (
            lambda: queries.Query(QueryRequest(question=Question(text=self.new())), **given),
            streamed,
            lambda: agents.Run(RunRequest(turn=self._turn()), **given),
            lambda: queries.Retrieve(RetrieveRequest(question=self._hyde()), **given),
        )

    def _hyde(self) -> Question:
        return Question(text=self.new(), rewriting=REWRITING_HYDE)

    def _turn(self) -> Turn:
        question = self.new()
        return Turn(agent="react", request_id=question, question=Question(text=question))

    async def _late(self, call: Callable[[], Awaitable[object]]) -> float:
        """Seconds after the deadline at which the call ended; it must not end well."""
        began = monotonic()
        try:
            await call()
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                say(f"ended otherwise: {error.code().name} {error.details()}")
            return monotonic() - began - DEADLINE
        return math.inf

    async def fallback(self) -> list[Figure]:
        """The next model answers, and what it said is forgotten when the first is back."""
        say("another model answers")
        self._model.fault = Fault()
        async with self.load() as heard:
            await asyncio.sleep(min(self._plan.away, 10) / 2)
        spare = sum(answer.usage.model == "openai:spare" for answer in heard.answers.values())
        self._model.fault = None
        async with asyncio.timeout(PATIENCE):
            while await self.ask(self.new()) != "openai:stub":  # noqa: ASYNC110 - to be asked is all that heals it
                await asyncio.sleep(PAUSE)
        again = [await self.ask(question) for question in heard.answers]
        return [
            Figure.at_least("fallback_calls", heard.offered, 2 * self._plan.callers),
            Figure.at_least("fallback_answered", spare, heard.offered),
            Figure.at_most("fallback_served_later", sum(name != "openai:stub" for name in again), 0),
        ]
