"""The conversation that the savers keep: a graph that adds one message a turn, as an agent of ours and by itself."""

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from ragents_client.v1 import Answer, Question
from ragents_server.agents.agent import Agent, Kit, State, concluded
from scripts.benchmarks.texts import Author

QUESTION, ANSWER = 80, 600  # characters
TEXTS = 64  # different ones of each


class Messages(TypedDict):
    """The state as LangGraph's own documentation has it."""

    messages: Annotated[list[AnyMessage], add_messages]


class Talk(State):
    """The same, and what every agent of ours has."""

    messages: Annotated[list[AnyMessage], add_messages]


@cache
def texts() -> tuple[Sequence[str], Sequence[str]]:
    """What is asked, and what is answered."""
    author = Author()
    asked = [author.passage(QUESTION).text for _ in range(TEXTS)]
    return asked, [author.passage(ANSWER).text for _ in range(TEXTS)]


def asked(turn: int) -> str:
    """What a turn asks."""
    return texts()[0][turn % TEXTS]


def answered(before: int) -> str:
    """What is answered after so many messages."""
    return texts()[1][before % TEXTS]


def plain() -> "StateGraph[Any, Any, Any, Any]":
    """The graph by itself."""

    async def answer(state: Messages) -> dict[str, Any]:
        return {"messages": [AIMessage(answered(len(state["messages"]) - 1))]}  # the last one is the question

    return _graph(Messages, answer)


def build(kit: Kit) -> Agent:  # noqa: ARG001 - it needs none of the parts
    """The graph as an agent: what is asked comes as a Question, the answer goes as an Answer."""

    async def answer(state: Talk) -> dict[str, Any]:
        before = state.get("messages", [])
        text = answered(len(before))
        said = HumanMessage(Question.FromString(state["question"]).text)
        return {"messages": [said, AIMessage(text)], **concluded(state, Answer(text=text))}

    graph = _graph(Talk, answer)
    return Agent(name="talk", description="Answers with made text.", graph=graph, steps=("answer",))


def _graph(state: type, answer: Any) -> "StateGraph[Any, Any, Any, Any]":
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(state)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    return graph
