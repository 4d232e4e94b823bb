"""Graphs that keep state in every way: lists, subgraphs, subgraphs that remember, interrupts, delta channels."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph, add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

Graph = CompiledStateGraph[Any, Any, Any, Any]


class Chat(TypedDict):
    messages: Annotated[list[Any], add_messages]


class Inner(TypedDict):
    text: str
    steps: Annotated[list[str], lambda old, new: (old or []) + new]


class Outer(TypedDict):
    text: str
    log: Annotated[list[str], lambda old, new: (old or []) + new]


def collected(state: Sequence[str] | None, writes: Sequence[Sequence[str]]) -> list[str]:
    return [*(state or []), *(item for write in writes for item in write)]


class Deltas(TypedDict):
    items: Annotated[list[str], DeltaChannel(collected, snapshot_frequency=5)]
    last: str


class Interleaved(Deltas):
    others: Annotated[list[str], DeltaChannel(collected, snapshot_frequency=5)]


def chat(saver: BaseCheckpointSaver[Any]) -> Graph:
    async def reply(state: Chat) -> dict[str, Any]:
        return {"messages": [AIMessage(f"reply {len(state['messages'])}", id=f"a{len(state['messages'])}")]}

    return StateGraph(Chat).add_node("reply", reply).add_edge(START, "reply").compile(checkpointer=saver)


def _inner(name: str, *, stops: bool = False, checkpointer: bool | None = None) -> Graph:
    async def first(state: Inner) -> dict[str, Any]:
        return {"steps": [f"{name} began with {state['text']}"]}

    async def second(state: Inner) -> dict[str, Any]:
        answer = interrupt(f"{name} asks") if stops else "nothing"
        return {"steps": [f"{name} heard {answer} at {len(state['steps'])}"]}

    async def third(state: Inner) -> dict[str, Any]:
        return {"steps": [f"{name} ended at {len(state['steps'])}"]}

    graph = StateGraph(Inner).add_node("first", first).add_node("second", second).add_node("third", third)
    graph = graph.add_edge(START, "first").add_edge("first", "second").add_edge("second", "third")
    return graph.add_edge("third", END).compile(checkpointer=checkpointer)


def _calling(inner: Graph) -> Any:
    async def call(state: Outer, config: RunnableConfig) -> dict[str, Any]:
        result = await inner.ainvoke({"text": state["text"], "steps": []}, config)
        return {"log": result["steps"]}

    return call


def _outer(saver: BaseCheckpointSaver[Any], **inner: Graph) -> Graph:
    async def begin(state: Outer) -> dict[str, Any]:
        return {"log": [f"turn {state['text']}"]}

    async def end(state: Outer) -> dict[str, Any]:
        return {"log": [f"{len(state['log'])} lines"]}

    graph = StateGraph(Outer).add_node("begin", begin).add_node("end", end).add_edge(START, "begin")
    for name, one in inner.items():
        graph.add_node(name, _calling(one))
        graph.add_edge("begin", name)
        graph.add_edge(name, "end")
    return graph.add_edge("end", END).compile(checkpointer=saver)


def calls(saver: BaseCheckpointSaver[Any]) -> Graph:
    """Each call of a subgraph has its own namespace; two at once."""
    return _outer(saver, one=_inner("one"), two=_inner("two"))


def remembers(saver: BaseCheckpointSaver[Any]) -> Graph:
    """The subgraph goes on from where its last call ended."""
    return _outer(saver, lasting=_inner("lasting", checkpointer=True), one=_inner("one"))


def asks(saver: BaseCheckpointSaver[Any]) -> Graph:
    """A subgraph within a subgraph waits for a reply, and one that remembers runs beside."""
    middle = StateGraph(Inner).add_node("deep", _inner("deep", stops=True))
    nested = middle.add_edge(START, "deep").add_edge("deep", END).compile()
    return _outer(saver, nested=nested, lasting=_inner("lasting", checkpointer=True))


def _deltas(saver: BaseCheckpointSaver[Any], schema: type) -> Graph:
    async def work(state: Any) -> dict[str, Any]:
        others = {"others": ["o"]} if "others" in state else {}
        return {"items": [f"{state['last']}/{len(state['items'])}"], **others}

    async def more(state: Any) -> dict[str, Any]:
        return {"items": [f"more/{len(state['items'])}"]}

    graph = StateGraph(schema).add_node("work", work).add_node("more", more)
    return graph.add_edge(START, "work").add_edge("work", "more").add_edge("more", END).compile(checkpointer=saver)


def deltas(saver: BaseCheckpointSaver[Any]) -> Graph:
    """A list that is rebuilt from writes."""
    return _deltas(saver, Deltas)


def interleaved(saver: BaseCheckpointSaver[Any]) -> Graph:
    """Two of them, never whole in the same checkpoint: nothing of such a thread can go."""
    return _deltas(saver, Interleaved)


INPUTS: Mapping[str, Any] = {
    "chat": lambda number: {"messages": [HumanMessage(f"question {number}", id=f"h{number}")]},
    "calls": lambda number: {"text": str(number)},
    "remembers": lambda number: {"text": str(number)},
    "asks": lambda number: {"text": str(number)},
    "deltas": lambda number: {"items": [f"input {number}"], "last": str(number)},
    "interleaved": lambda number: {"items": [f"input {number}"], "last": str(number)},
}
GRAPHS = {
    "chat": chat,
    "calls": calls,
    "remembers": remembers,
    "asks": asks,
    "deltas": deltas,
    "interleaved": interleaved,
}


async def turn(name: str, graph: Graph, thread: str, number: int, durability: Any = "sync") -> Any:
    """One turn, to its end: what is asked for is replied to. Everything that there is to see of it."""
    config: RunnableConfig = {"configurable": {"thread_id": thread}}
    seen = [_plain(await graph.ainvoke(INPUTS[name](number), config, durability=durability))]
    while (state := await graph.aget_state(config, subgraphs=True)).next:
        seen.append(_seen(state))
        seen.append(_plain(await graph.ainvoke(Command(resume=f"reply {number}"), config, durability=durability)))
    return [*seen, _seen(state)]


def _plain(result: Any) -> Any:
    """Interrupts have ids of their own each time."""
    return {**result, "__interrupt__": [one.value for one in result.get("__interrupt__", ())]}


def _seen(state: Any) -> Any:
    """A state without what differs from run to run: ids and times."""
    tasks = [
        (
            task.name,
            [one.value for one in task.interrupts],
            _seen(task.state) if hasattr(task.state, "values") else None,
        )
        for task in state.tasks
    ]
    return state.values, state.next, tasks
