"""An agent of the tests' own, named by import path: three saved steps, the middle one waits for the chat model.

Its answer tells how many exchanges it has seen, and the model's word. Beside the exchanges it keeps the messages, the
question's in the first step and the answer's in the last, so that a step that was kept of no turn would be seen.
"""

import asyncio
from typing import Annotated, Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from ragents_client.v1.answer_pb2 import Answer
from ragents_client.v1.event_pb2 import Delta, Event
from ragents_server.agents.agent import Agent, Kit, State, asked, begin_step, concluded, tell

PULSE = 0.03  # seconds between signs of life while the model is waited for


class Talk(State, total=False):
    """The conversation twice."""

    messages: Annotated[list[AnyMessage], add_messages]
    word: str


def build(kit: Kit) -> Agent:
    """The agent."""

    async def hear(state: Talk) -> dict[str, Any]:
        begin_step("hear")
        return {"messages": [HumanMessage(asked(state).text)]}

    async def think(state: Talk) -> dict[str, Any]:
        begin_step("think")
        asking = asyncio.ensure_future(_word(kit, asked(state).text))
        try:
            while not (await asyncio.wait([asking], timeout=PULSE))[0]:
                begin_step("think", "still")
            return {"word": await asking}
        finally:
            asking.cancel()

    async def say(state: Talk) -> dict[str, Any]:
        begin_step("say")
        seen = f"{len(state.get('exchanges', []))} before: "
        for offset, text in ((0, seen), (len(seen), state["word"])):
            tell(Event(delta=Delta(offset=offset, text=text)))
        answer = Answer(text=seen + state["word"])
        return {**concluded(state, answer), "messages": [AIMessage(answer.text)]}

    graph = StateGraph(Talk)
    steps = {"hear": hear, "think": think, "say": say}
    for name, step in steps.items():
        graph.add_node(name, step)
    for before, after in zip((START, *steps), (*steps, END), strict=True):
        graph.add_edge(before, after)
    return Agent(name="talker", description="Tells how many exchanges it has seen.", graph=graph, steps=tuple(steps))


async def _word(kit: Kit, question: str) -> str:
    return "".join([str(chunk.text) async for chunk in kit.model.astream([HumanMessage(question)])])
