"""The agent `simple`: retrieves and writes, with the conversation in mind; one generation a turn."""

from contextlib import aclosing
from typing import Any

from langgraph.graph import END, START, StateGraph

from ragents_client.v1.answer_pb2 import Answer
from ragents_server.agents.agent import Agent, Kit, State, asked, concluded, tell
from ragents_server.caller import current_caller


def build(kit: Kit) -> Agent:
    """The agent."""

    async def answer(state: State) -> dict[str, Any]:
        written = Answer()
        async with aclosing(kit.engine(asked(state), current_caller())) as events:
            async for event in events:
                if event.HasField("answer"):
                    written = event.answer
                elif not event.HasField("started") or event.started.attempt > 1:  # the run has begun already
                    tell(event)
        return concluded(state, written)

    graph = StateGraph(State)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    return Agent(
        name="simple",
        description="Answers from your documents and remembers the conversation: one retrieval, one generation a turn.",
        graph=graph,
        steps=("retrieve", "write"),
        capabilities=("memory", "citations"),
    )
