"""The agents that are loaded: a table of ours, and one's own by import path; made when they are first asked for."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from ragents_server.errors import ConfigurationError, NotFound

if TYPE_CHECKING:
    from langgraph.checkpoint.base import CheckpointTuple
    from langgraph.graph.state import CompiledStateGraph

    from ragents_server.agents.agent import Agent, Kit
    from ragents_server.agents.tools.tool import Tool

AGENTS = {
    "simple": "ragents_server.agents.simple:build",
    "logical": "ragents_server.agents.logical:build",
    "langgraph": "ragents_server.agents.graph:build",
    "react": "ragents_server.agents.react:build",
}


class Saver(Protocol):
    """What keeps the state of threads: a saver of LangGraph's that can do a little more."""

    async def aget_tuple(self, config: Any) -> "CheckpointTuple | None":
        """A checkpoint; without an id the thread's latest."""
        ...

    async def rewind(self, thread_id: str, checkpoint_id: str | None) -> None:
        """Drops what was saved after this checkpoint; None: everything."""
        ...

    async def copy_checkpoint(self, thread_id: str, checkpoint_id: str, to_thread_id: str) -> None:
        """Begins another thread with a copy. Raises NotFound."""
        ...

    async def adelete_thread(self, thread_id: str) -> None:
        """Drops all that was saved of a thread."""
        ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """The agents by name, each compiled to be run, and what keeps their state.

    `ends_runs`: a run's last checkpoint is one transaction with the run's end.
    """

    agents: Mapping[str, "Agent"]
    graphs: Mapping[str, "CompiledStateGraph[Any, Any, Any, Any]"]
    saver: Saver
    ends_runs: bool

    def named(self, name: str) -> "Agent":
        """The agent. Raises NotFound, which names those there are."""
        if name not in self.agents:
            raise NotFound(f"there is no such agent; there are {', '.join(sorted(self.agents))}")
        return self.agents[name]


class Roster:
    """Loads the agents once, in a thread: LangGraph takes a second to import."""

    def __init__(
        self,
        names: Sequence[str],
        *,
        kit: Callable[[Sequence["Tool"]], "Kit"],
        tools: Callable[[], AbstractAsyncContextManager[Sequence["Tool"]]],
        saver: Callable[[], AbstractAsyncContextManager[Saver]],
        ends_runs: bool,
    ) -> None:
        self._names = tuple(names)
        self._kit = kit
        self._tools = tools
        self._saver = saver
        self._ends_runs = ends_runs
        self._loaded: Loaded | None = None
        self._loading = asyncio.Lock()
        self._stack = AsyncExitStack()

    @property
    def names(self) -> Sequence[str]:
        """Of the agents; of one's own, the import path until they are loaded."""
        return self._names if self._loaded is None else tuple(self._loaded.agents)

    async def loaded(self) -> Loaded:
        """The agents. Raises ConfigurationError for a name or an import path that is wrong."""
        async with self._loading:
            if self._loaded is None:
                self._loaded = await self._load()
        return self._loaded

    @property
    def own(self) -> bool:
        """Whether some of the agents are somebody's own, whose import paths may be wrong."""
        return any(name not in AGENTS for name in self._names)

    async def aclose(self) -> None:
        """Saves what is on its way."""
        await self._stack.aclose()

    async def _load(self) -> Loaded:
        async with AsyncExitStack() as stack:
            tools = await stack.enter_async_context(self._tools())
            made = await asyncio.to_thread(self._build, tools)
            saver = await stack.enter_async_context(self._saver())
            keeper: Any = saver
            graphs = {agent.name: agent.graph.compile(checkpointer=keeper, name=agent.name) for agent in made}
            self._stack = stack.pop_all()
        return Loaded({agent.name: agent for agent in made}, graphs, saver, self._ends_runs)

    def _build(self, tools: Sequence["Tool"]) -> "list[Agent]":
        import_module("ragents_server.agents.attempts")  # with all that running a graph needs
        builders = [builder(name) for name in self._names]
        kit = self._kit(tools)
        return [build(kit) for build in builders]


def builder(name: str) -> "Callable[[Kit], Agent]":
    """What makes the agent: one of the table, or an attribute at `package.module:attribute`."""
    path = AGENTS.get(name, name)
    module, colon, attribute = path.partition(":")
    if not (colon and module and attribute.isidentifier()):
        raise ConfigurationError(
            f"RAGENTS_AGENTS: there is no {name!r}; known: {', '.join(AGENTS)}, package.module:build"
        )
    try:
        found: Callable[[Kit], Agent] = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"RAGENTS_AGENTS: {path}: the package {error.name} is missing; install it") from None
    except AttributeError:
        raise ConfigurationError(f"RAGENTS_AGENTS: {module} has no {attribute}") from None
    return found
