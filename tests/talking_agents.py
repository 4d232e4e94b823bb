"""Agents of the tests' own, named by import path: they echo, ask back, fail, and wait until they are let go on."""

import threading
from collections import Counter, defaultdict
from typing import Any

from langgraph.graph import END, START, StateGraph

from ragents_client.v1 import INTERRUPT_KIND_CLARIFICATION, Answer, Delta, Event, Interrupt, Started
from ragents_server.agents.agent import Agent, Kit, State, ask_back, asked, begin_step, concluded, tell
from ragents_server.errors import ModelUnavailable

SECONDS = 30.0


class Gates:
    """What nodes have done so far, by the question's text, and what they wait for; the server has its own thread."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.arrived: Counter[str] = Counter()  # nodes that wait, or have waited
        self.left: Counter[str] = Counter()  # nodes that were cancelled
        self.reached = defaultdict[str, threading.Event](threading.Event)
        self.open = defaultdict[str, threading.Event](threading.Event)
        self.failing: set[str] = set()


gates = Gates()


def _agent(name: str, graph: Any, *steps: str) -> Agent:
    return Agent(name=name, description=f"The tests' {name}.", graph=graph, steps=steps)


def echo(kit: Kit) -> Agent:
    """Says what was asked, in deltas, and how many exchanges there were before."""

    async def answer(state: State) -> dict[str, Any]:
        question = asked(state)
        if question.text.startswith("begin again"):
            tell(Event(delta=Delta(text="void")))
            tell(Event(started=Started(attempt=2)))
        text, at = f"{len(question.history)}: {question.text}", 0
        for word in text.split(" "):
            piece = word if at == 0 else f" {word}"
            tell(Event(delta=Delta(offset=at, text=piece)))
            at += len(piece.encode())
        gates.done[question.text] += 1
        return concluded(state, Answer(text=text))

    graph = StateGraph(State)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    return _agent("echo", graph, "answer")


def asker(kit: Kit) -> Agent:
    """Asks which harbour, then says what it was told."""

    async def ask(state: State) -> dict[str, Any]:
        text = "Which harbour?"
        told = ask_back(Interrupt(kind=INTERRUPT_KIND_CLARIFICATION, text=text, options=["north", "south"]))
        gates.done[asked(state).text] += 1
        return concluded(state, Answer(text=f"You said {told!r}."))

    graph = StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    return _agent("asker", graph, "ask")


def walker(kit: Kit) -> Agent:
    """Three steps; the second waits until the test opens the gate of the question's text, or fails if it is to."""

    async def first(state: State) -> dict[str, Any]:
        begin_step("first")
        gates.done[f"first {asked(state).text}"] += 1
        return {}

    async def second(state: State) -> dict[str, Any]:
        import asyncio

        begin_step("second")
        text = asked(state).text
        gates.arrived[text] += 1
        gates.reached[text].set()
        try:
            async with asyncio.timeout(SECONDS):
                while not gates.open[text].is_set():  # noqa: ASYNC110 - set by another thread
                    await asyncio.sleep(0.005)
        except asyncio.CancelledError:
            gates.left[text] += 1
            raise
        if text in gates.failing:
            raise ModelUnavailable("the model is away")
        gates.done[f"second {text}"] += 1
        return {}

    async def third(state: State) -> dict[str, Any]:
        return concluded(state, Answer(text=f"Walked {asked(state).text}"))

    graph = StateGraph(State)
    for name, node in (("first", first), ("second", second), ("third", third)):
        graph.add_node(name, node)
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    graph.add_edge("second", "third")
    graph.add_edge("third", END)
    return _agent("walker", graph, "first", "second", "third")


AGENTS = ",".join(f"tests.talking_agents:{name}" for name in ("echo", "asker", "walker"))
