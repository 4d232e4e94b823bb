"""Our saver and LangGraph's official one on one PostgreSQL, a database each, and whole turns on both."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import resources
from typing import Any, Protocol, cast
from urllib.parse import urlsplit
from uuid import uuid4

from langchain_core.messages import HumanMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from ragents_client.v1 import Question, Turn
from ragents_server.admission.gate import Gate
from ragents_server.agents.agent import Kit
from ragents_server.agents.turns import Turns
from ragents_server.caller import Caller
from ragents_server.checkpoints.postgres import open_postgres_saver
from ragents_server.checkpoints.saver import Saver
from ragents_server.connections.launcher import embedded_postgres
from ragents_server.connections.migrations import migrate
from ragents_server.connections.postgres import open_pool
from ragents_server.connections.statements import Pool
from ragents_server.running import open_agency
from ragents_server.settings import Settings
from ragents_server.threads.request import TurnRequest
from scripts.benchmarks import talk
from scripts.benchmarks.errors import BenchError
from scripts.evaluation.server import open_folder

POOL = 10  # connections of each side
USERS = 5
PATIENCE = 60.0  # seconds that a turn may wait for its thread


class Side(Protocol):
    """One of the two: a saver, and the same conversation on it."""

    @property
    def name(self) -> str:
        """In figures."""
        ...

    @property
    def saver(self) -> "BaseCheckpointSaver[Any]":
        """What keeps the threads."""
        ...

    async def turn(self, thread: str, number: int) -> None:
        """A whole turn, from question to committed answer."""
        ...

    def config(self, thread: str) -> Any:
        """What a saver is asked for the thread."""
        ...

    def another(self) -> Any:
        """A saver that knows nothing of any thread, as another replica has, for as long as it is open."""
        ...


class Official:
    """LangGraph's saver under LangGraph's graph: no lease, no request_id, no record of the run."""

    name = "official"

    def __init__(self, pool: "AsyncConnectionPool[AsyncConnection[DictRow]]") -> None:
        self._pool = pool
        self.saver = AsyncPostgresSaver(pool)
        self._graph = talk.plain().compile(checkpointer=self.saver)

    async def turn(self, thread: str, number: int) -> None:
        """A question in, a message out."""
        said = await self._graph.ainvoke(
            {"messages": [HumanMessage(talk.asked(number))]}, self.config(thread), durability="async"
        )
        if len(said["messages"]) != 2 * number:
            raise BenchError(f"after {number} turns there were {len(said['messages'])} messages")

    def config(self, thread: str) -> Any:
        """The thread by its name."""
        return {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}

    @asynccontextmanager
    async def another(self) -> AsyncIterator[AsyncPostgresSaver]:
        """It remembers nothing."""
        yield AsyncPostgresSaver(self._pool)


class Ours:
    """Our turns: a lease, a run under its request_id, events that are stored, the end in the last save."""

    name = "ours"

    def __init__(self, pool: Pool, turns: Turns, saver: Saver) -> None:
        self.pool = pool
        self._turns = turns
        self.saver = saver

    async def turn(self, thread: str, number: int) -> None:
        """As the RPC `Run` has it."""
        run = await self._turns.run(self._request(thread, talk.asked(number)), PATIENCE)
        if run.answer.text != talk.answered(2 * number - 2):
            raise BenchError(f"turn {number} was answered otherwise than it must be")

    def config(self, thread: str) -> Any:
        """The thread by what it is stored under."""
        return {"configurable": {"thread_id": self._request(thread, "").key, "checkpoint_ns": ""}}

    @asynccontextmanager
    async def another(self) -> AsyncIterator[Saver]:
        """What it remembers is its own."""
        async with open_postgres_saver(self.pool) as saver:
            yield saver

    def _request(self, thread: str, text: str) -> TurnRequest:
        caller = Caller(tenant="bench", user=f"user-{sum(thread.encode()) % USERS}")
        return TurnRequest(
            caller, Turn(agent="talk", thread_id=thread, request_id=uuid4().hex, question=Question(text=text))
        )


@asynccontextmanager
async def sides() -> AsyncIterator[tuple[Ours, Official]]:
    """Both, on a PostgreSQL of their own."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(open_folder())
        url = await stack.enter_async_context(embedded_postgres(folder))
        async with open_pool(url, size=1) as pool:
            for name in (Ours.name, Official.name):
                await pool.execute(f"CREATE DATABASE {name}")
        ours = await stack.enter_async_context(_ours(_database(url, Ours.name)))
        yield ours, await stack.enter_async_context(_official(_database(url, Official.name)))


def _database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


@asynccontextmanager
async def _official(url: str) -> AsyncIterator[Official]:
    """As its documentation opens it, with a pool."""
    arguments = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    pool = cast(
        "AsyncConnectionPool[AsyncConnection[DictRow]]",
        AsyncConnectionPool(url, min_size=POOL, max_size=POOL, kwargs=arguments, open=False),
    )
    async with pool:
        made = Official(pool)
        await made.saver.setup()
        yield made


@asynccontextmanager
async def _ours(url: str) -> AsyncIterator[Ours]:
    """As the server opens it, with an agent that needs none of the parts of a kit."""
    await migrate(url, resources.files("ragents_server") / "checkpoints" / "migrations")
    settings = Settings(agents=f"{talk.__name__}:build", agent="talk")
    gate = Gate(settings.executions, settings.queue)
    async with (
        open_pool(url, size=POOL) as pool,
        open_agency(settings, pool, lambda *_: cast("Kit", None), gate) as agency,
    ):
        loaded = await agency.roster.loaded()
        yield Ours(pool, agency.turns, cast("Saver", loaded.saver))
