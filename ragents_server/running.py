"""Which agents there are, what keeps their threads, and who runs their turns; opened and closed here."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ragents_server.agents.conversations import Conversations
from ragents_server.agents.keeping import Keeping
from ragents_server.agents.roster import AGENTS, Roster, Saver
from ragents_server.agents.turns import Turns, Usual
from ragents_server.connections.eviction import require_noeviction
from ragents_server.connections.redis import Redis, open_redis
from ragents_server.errors import ConfigurationError
from ragents_server.execution import Gate
from ragents_server.index.fields import Fields
from ragents_server.index.statements import Pool
from ragents_server.index.texts import Texts
from ragents_server.models.chat import ChatModel
from ragents_server.rag.engine import Answerer
from ragents_server.rag.retrieval import Retriever
from ragents_server.rag.writers import Writer
from ragents_server.settings import Settings
from ragents_server.threads.events import EventLog
from ragents_server.threads.leases import Leases
from ragents_server.threads.places import Places
from ragents_server.threads.runs import Runs
from ragents_server.threads.threads import Threads

if TYPE_CHECKING:
    from ragents_server.agents.agent import Kit
    from ragents_server.agents.tools.tool import Tool

REDIS_TTL = 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class Agency:
    """The parts that serve agents."""

    roster: Roster
    turns: Turns
    conversations: Conversations
    keeping: Keeping
    redis: Redis | None  # of the checkpoints

    async def prepare(self) -> None:
        """ConfigurationError for what will never work; raises RedisUnavailable while the Redis is away."""
        if self.redis is not None:
            await require_noeviction(self.redis, "RAGENTS_CHECKPOINTS", "conversations")
        if self.roster.own:
            await self.roster.loaded()


@asynccontextmanager
async def open_agency(
    settings: Settings, pool: Pool, kit: "Callable[[Sequence[Tool]], Kit]", gate: Gate
) -> AsyncIterator[Agency]:
    """All of it; nothing of LangGraph is imported before an agent is asked for."""
    names = split(settings.agents)
    if not names:
        raise ConfigurationError(f"RAGENTS_AGENTS: names no agent; known: {', '.join(AGENTS)}")
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(_redis(settings)) if settings.checkpoints is not None else None
        roster = Roster(
            names,
            kit=kit,
            tools=lambda: _mcp(settings),
            saver=lambda: _saver(settings, pool, redis),
            ends_runs=redis is None,
        )
        log = EventLog(pool)
        places = Places(Threads(pool), Runs(pool), Leases(pool), log)
        await stack.enter_async_context(log.running())
        await stack.enter_async_context(places.runs.running())
        stack.push_async_callback(roster.aclose)
        turns = Turns(places, roster, gate, Usual(settings.agent, settings.run_tokens, settings.run_time))
        conversations = Conversations(places.threads, roster)
        keeping = Keeping(places, turns, thread_ttl=_ttl(settings), run_kept=settings.run_kept)
        await stack.enter_async_context(_renewing(places.leases))
        stack.push_async_callback(turns.aclose)
        yield Agency(roster, turns, conversations, keeping, redis)


def kit_of(
    further: "Sequence[Tool]",
    *,
    settings: Settings,
    pool: Pool,
    chat: ChatModel | None,
    engine: Answerer,
    retriever: Retriever,
    writer: Writer,
) -> "Kit":
    """What agents are built from, with these tools beside those that are set; called for the first agent."""
    from ragents_server.agents.agent import Kit
    from ragents_server.agents.tools import loading
    from ragents_server.agents.tools.box import Box
    from ragents_server.models.guarded_langchain import for_agents
    from ragents_server.models.rules import Rules

    model = Rules() if chat is None else for_agents(chat)
    tools = loading.with_approval([*_tools(settings, pool, retriever), *further], split(settings.tool_approval))
    return Kit(engine, retriever, writer, model, Box(tools), Fields(pool))


def _tools(settings: Settings, pool: Pool, retriever: Retriever) -> "list[Tool]":
    """The tools that are set: ours by name, one's own by import path."""
    from ragents_server.agents.tools import computing, loading, retrieving

    ours: dict[str, Callable[[], Tool]] = {
        "retrieve": lambda: retrieving.retrieve(retriever),
        "open_document": lambda: retrieving.open_document(Texts(pool)),
        "calculate": computing.calculate,
        "date": computing.dates,
    }
    bounds: dict[str, Any] = {"timeout": settings.tool_timeout, "longest": settings.tool_output}
    tools: list[Tool] = []
    for name in split(settings.tools):
        if name in ours:
            tools.append(replace(ours[name](), **bounds))
        elif ":" in name:
            tools += loading.load_tools([name], **bounds)
        else:
            raise ConfigurationError(f"RAGENTS_TOOLS: there is no {name!r}; known: {', '.join(ours)}")
    return tools


def split(names: str) -> list[str]:
    """A list in a setting."""
    return [name for name in (part.strip() for part in names.split(",")) if name]


def _ttl(settings: Settings) -> float | None:
    return settings.thread_ttl or (REDIS_TTL if settings.checkpoints is not None else None)


def _redis(settings: Settings) -> AbstractAsyncContextManager[Redis]:
    if settings.checkpoints is None:
        raise AssertionError("there is no Redis for checkpoints")
    return open_redis(
        settings.checkpoints.get_secret_value(),
        setting="RAGENTS_CHECKPOINTS",
        timeout=settings.checkpoints_timeout,
        name="ragents-checkpoints",
    )


@asynccontextmanager
async def _mcp(settings: Settings) -> "AsyncIterator[Sequence[Tool]]":
    """The tools of MCP servers, where any are set."""
    if settings.mcp is None:
        yield ()
        return
    from ragents_server.agents.tools.mcp import open_tools, read_places

    bounds: dict[str, Any] = {"timeout": settings.tool_timeout, "longest": settings.tool_output}
    async with open_tools(read_places(settings.mcp), **bounds) as tools:
        yield tools


def _saver(settings: Settings, pool: Pool, redis: Redis | None) -> AbstractAsyncContextManager[Saver]:
    keep = settings.max_checkpoints_per_thread
    key = settings.checkpoint_key.get_secret_value().encode() if settings.checkpoint_key is not None else b""
    if redis is not None:
        from ragents_server.checkpoints.redis import open_redis_saver

        return open_redis_saver(redis, keep=keep, ttl=_ttl(settings) or REDIS_TTL, key=key)
    from ragents_server.checkpoints.postgres import open_postgres_saver

    return open_postgres_saver(pool, keep=keep, key=key)


@asynccontextmanager
async def _renewing(leases: Leases) -> AsyncIterator[None]:
    task = asyncio.create_task(leases.keep(), name="renewing leases")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
