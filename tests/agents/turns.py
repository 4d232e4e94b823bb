"""Agents on their own: compiled with a saver in memory that reads back nothing but plain values and messages."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from importlib import resources
from typing import Any

os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command

from ragents_client.v1.agent_pb2 import Interrupt
from ragents_client.v1.answer_pb2 import REWRITING_CONTEXTUAL, Answer, Question
from ragents_client.v1.document_pb2 import Upload
from ragents_client.v1.event_pb2 import Event
from ragents_server.agents.agent import Agent, Builder, Kit
from ragents_server.agents.budgets import Budget, budgeted
from ragents_server.agents.tools import computing, retrieving
from ragents_server.agents.tools.box import Box
from ragents_server.agents.tools.tool import Tool
from ragents_server.caller import LOCAL, Caller, act_for
from ragents_server.connections.migrations import migrate
from ragents_server.connections.postgres import open_pool
from ragents_server.index.documents import Documents
from ragents_server.index.search import Search
from ragents_server.index.statements import Pool
from ragents_server.index.texts import Texts
from ragents_server.index.vectors import Vectors
from ragents_server.ingest.chunks import Cut
from ragents_server.ingest.pipeline import Pipeline, Store
from ragents_server.ingest.sandbox import Bounds, Sandbox
from ragents_server.models.minilm import MiniLM
from ragents_server.models.rules import Rules
from ragents_server.rag.engine import Engine
from ragents_server.rag.retrieval import Retrieval, Retriever
from ragents_server.rag.rewriting import Rewriting
from ragents_server.rag.strategies import strategies
from ragents_server.rag.writers import ExtractiveWriter, Writer
from tests.postgres_servers import embedded_database

TODAY = date(2024, 2, 28)  # a Wednesday before a leap day


@dataclass(slots=True)
class Told:
    """What a turn told, and what came of it."""

    events: list[Event] = field(default_factory=list)
    answer: Answer | None = None
    interrupt: Interrupt | None = None

    @property
    def text(self) -> str:
        assert self.answer is not None
        return self.answer.text

    def kinds(self) -> list[str]:
        return [str(event.WhichOneof("kind")) for event in self.events]

    def calls(self) -> list[str]:
        return [event.tool_call.name for event in self.events if event.HasField("tool_call")]

    def steps(self) -> list[str]:
        return [event.step.name for event in self.events if event.HasField("step")]

    def shown(self) -> str:
        """The text that whoever follows has on the screen at the end."""
        text = b""
        for event in self.events:
            if event.HasField("started"):
                text = b""
            if event.HasField("delta"):
                assert event.delta.offset == len(text), "deltas join without a gap"
                text += event.delta.text.encode()
        return text.decode()


class Talk:
    """A conversation with one agent."""

    def __init__(self, agent: Agent, caller: Caller = LOCAL, saver: InMemorySaver | None = None) -> None:
        self.agent = agent
        self.caller = caller
        self.saver = saver or InMemorySaver(serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        self.graph: Any = agent.graph.compile(checkpointer=self.saver, name=agent.name)
        self.config: Any = {"configurable": {"thread_id": "t"}, "recursion_limit": 200}
        self.turns = 0

    async def ask(self, text: str, *, budget: Budget | None = None, **fields: Any) -> Told:
        self.turns += 1
        question = Question(text=text, **({"collections": ["default"]} | fields))
        begun = {"question": question.SerializeToString(), "run": f"run-{self.turns}", "answer": b""}
        return await self.run({**self.agent.fresh, **begun}, budget)

    async def reply(self, value: Any) -> Told:
        self.turns += 1
        return await self.run(Command(resume=value, update={"run": f"run-{self.turns}"}))

    async def run(self, given: Any, budget: Budget | None = None) -> Told:
        act_for(self.caller)
        told = Told()
        with budgeted(budget or Budget()):
            streamed = self.graph.astream(given, self.config, stream_mode=["custom", "updates"], durability="async")
            async with aclosing(streamed) as chunks:
                async for mode, chunk in chunks:
                    if mode == "custom":
                        told.events.append(chunk)
                        continue
                    for node, update in chunk.items():
                        if node == "__interrupt__":
                            told.interrupt = Interrupt.FromString(update[0].value)
                        elif update and update.get("answer"):
                            told.answer = Answer.FromString(update["answer"])
        return told


@dataclass(frozen=True, slots=True)
class Library:
    """An index with documents, and what reads them."""

    pool: Pool
    pipeline: Pipeline
    retriever: Retriever
    writer: Writer = field(default_factory=ExtractiveWriter)

    async def put(self, tenant: str, documents: dict[str, str]) -> None:
        """Adds documents; a name may begin with its collection and a colon."""
        for place, text in documents.items():
            collection, _, name = place.rpartition(":")
            upload = Upload(name=name, collection=collection or "default")
            async for _ in self.pipeline.put(tenant, upload, text.encode()):
                pass

    def tools(self) -> list[Tool]:
        """Those of the server."""
        texts = Texts(self.pool)
        ours = [retrieving.retrieve(self.retriever), retrieving.open_document(texts)]
        return [*ours, computing.calculate(lambda: TODAY), computing.dates(lambda: TODAY)]

    def kit(self, model: Any = None, tools: Sequence[Tool] | None = None, writer: Writer | None = None) -> Kit:
        """What agents are built from."""
        writer = writer or self.writer
        box = Box(self.tools() if tools is None else tools)
        return Kit(Engine(self.retriever, writer), self.retriever, writer, model or Rules(), box)

    def talk(self, builder: Builder, model: Any = None, *, caller: Caller = LOCAL, **kit: Any) -> Talk:
        """A conversation with an agent."""
        return Talk(builder(self.kit(model, **kit)), caller)


@asynccontextmanager
async def library(documents: dict[str, str]) -> AsyncIterator[Library]:
    """A fresh index with these documents of LOCAL's, embedded by the real model."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(embedded_database())
        await migrate(url, resources.files("ragents_server") / "index" / "migrations")
        pool = await stack.enter_async_context(open_pool(url, size=4))
        model = await stack.enter_async_context(MiniLM.open(threads=2))
        made_by: Any = {"embedding_model": model.model, "dimension": model.dimension}
        store = Store(model, Documents(pool, **made_by), Vectors(pool, **made_by))
        await store.vectors.prepare()
        sandbox = await stack.enter_async_context(Sandbox.open(1, Bounds()))
        retrieval = Retrieval(Search(pool), [model], top_k=5)
        rewriting = Rewriting(retrieval, strategies(None), REWRITING_CONTEXTUAL)
        made = Library(pool, Pipeline(sandbox, (store,), Cut()), rewriting)
        await made.put(LOCAL.tenant, documents)
        yield made
