"""Savers alone: the checkpoints of real turns, recorded once and put again for many threads by each saver."""

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from scripts.benchmarks import talk
from scripts.benchmarks.keepers import Side
from scripts.figures import Figure

THREADS = 30
LEAST = 5.0  # of the official saver's puts a second


@dataclass(slots=True)
class Saved:
    """What LangGraph gave its saver in one turn: puts one after the other, writes beside them."""

    puts: list[tuple[str | None, Any, Any, Any]] = field(default_factory=list)  # parent, then as `aput` has it
    writes: list[tuple[str, Any, str, str]] = field(default_factory=list)  # checkpoint, then as `aput_writes`


class _Recorder(InMemorySaver):
    """Remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[Saved] = []

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Also recorded."""
        parent = config["configurable"].get("checkpoint_id")
        self.turns[-1].puts.append((parent, checkpoint, metadata, new_versions))
        return await super().aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        """Also recorded."""
        self.turns[-1].writes.append((config["configurable"]["checkpoint_id"], writes, task_id, task_path))
        await super().aput_writes(config, writes, task_id, task_path)


class _State(TypedDict, total=False):
    messages: Annotated[list[AnyMessage], add_messages]
    turn: int
    language: str
    cited: dict[str, int]


async def recorded(turns: int) -> Sequence[Saved]:
    """A conversation of so many turns."""
    recorder = _Recorder()

    async def answer(state: _State) -> _State:
        text = talk.answered(len(state["messages"]))
        return {"messages": [AIMessage(text)], "language": "en", "cited": {"one.txt": state["turn"], "two.txt": 2}}

    graph: StateGraph[Any, Any, Any, Any] = StateGraph(_State)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    compiled: Any = graph.compile(checkpointer=recorder)
    for turn in range(turns):
        recorder.turns.append(Saved())
        given = {"messages": [HumanMessage(talk.asked(turn))], "turn": turn}
        await compiled.ainvoke(given, {"configurable": {"thread_id": "recorded"}}, durability="async")
    return recorder.turns


async def putting(both: Sequence[Side], *, rounds: int, turns: int) -> list[Figure]:
    """Puts a second of each, round by round, by many threads and by one."""
    saved = await recorded(turns)
    rates: list[Mapping[tuple[str, int], float]] = []
    for number in range(rounds + 1):  # the first one warms up
        taken = {}
        for side in both if number % 2 else both[::-1]:
            for threads in (THREADS, 1):
                taken[side.name, threads] = await _rate(side.saver, saved, f"puts-{number}", threads)
        rates.append(taken)
    return [figure for threads in (THREADS, 1) for figure in _figures(rates[1:], threads)]


async def _rate(saver: "BaseCheckpointSaver[Any]", saved: Sequence[Saved], name: str, threads: int) -> float:
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(threads):
            group.create_task(replayed(saver, saved, f"{name}-{threads}-{number}"))
    return threads * sum(len(turn.puts) for turn in saved) / (time.perf_counter() - began)


async def replayed(saver: "BaseCheckpointSaver[Any]", saved: Sequence[Saved], thread: str) -> None:
    """As LangGraph saves with the durability `async`: a turn is over when all of it is stored."""

    def at(checkpoint: str | None) -> Any:
        return {"configurable": {"thread_id": thread, "checkpoint_ns": "", "checkpoint_id": checkpoint}}

    for turn in saved:
        async with asyncio.TaskGroup() as group:
            for checkpoint, *written in turn.writes:
                group.create_task(saver.aput_writes(at(checkpoint), *written))
            for parent, *put in turn.puts:
                await saver.aput(at(parent), *put)


def _figures(rates: Sequence[Mapping[tuple[str, int], float]], threads: int) -> list[Figure]:
    ratio = statistics.median(taken["ours", threads] / taken["official", threads] for taken in rates)
    name = f"savers_{threads}_threads" if threads > 1 else "savers_1_thread"
    return [
        Figure.at_least(name, ratio, LEAST, "times") if threads > 1 else Figure(name, ratio, "times"),
        *(
            Figure(f"{name}_{side}", statistics.median(taken[side, threads] for taken in rates), "puts/s")
            for side in ("ours", "official")
        ),
    ]
