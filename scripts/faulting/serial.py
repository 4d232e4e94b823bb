"""Many turns of one thread at once over all replicas, beside what LangGraph alone keeps of as many."""

import asyncio
from time import monotonic
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph

from scripts.faulting.chatter import USERS, Chatter
from scripts.faulting.conversations import Place
from scripts.faulting.deployment import Deployment, say
from scripts.faulting.saved import judge_all, saved_in
from scripts.faulting.speaking import STREAM, UNARY
from scripts.figures import Figure

AT_ONCE = 10
OF_A_THREAD = 10  # rounds, before another thread is begun
STEP = 0.02  # seconds that the control's node takes


async def serial(deployment: Deployment, chatter: Chatter, rounds: int, least_rate: float) -> list[Figure]:
    """Rounds of turns that are sent all at once; what is kept must be what was answered, and each must have seen it."""
    say(f"{rounds} rounds of {AT_ONCE} turns at once")
    began, turns = monotonic(), 0
    places = [Place(USERS[0], f"at once {number}") for number in range((rounds - 1) // OF_A_THREAD + 1)]
    async with chatter.speakers.followers.running():
        for number in range(rounds):
            place = places[number // OF_A_THREAD]
            said = [chatter.turn(place, (UNARY, STREAM)[at % 2]) for at in range(AT_ONCE)]
            await asyncio.gather(*(chatter.speakers.say(one, at // 2) for at, one in enumerate(said)))
            turns += len(said)
    seconds = monotonic() - began
    kept, answered = await _kept(deployment, chatter, places)
    return [
        Figure("at_once_rounds", rounds),
        Figure("at_once_turns", turns),
        Figure.near("at_once_answered", answered, turns, 0, "turns"),
        Figure.near("at_once_kept", kept, answered, 0, "turns"),
        Figure.at_least("at_once_rate", turns / seconds, least_rate, "turns/s"),
    ]


async def _kept(deployment: Deployment, chatter: Chatter, places: list[Place]) -> tuple[int, int]:
    """How many exchanges are kept, and how many were acknowledged."""
    kept = answered = 0
    for place in places:
        kept += len(await chatter.speakers.kept(place, 0))
        answered += sum(bool(one.answer) for one in chatter.conversations.in_thread(place))
    await judge_all(chatter, places, saved_in(deployment.database))
    return kept, answered


async def without_turns(deployment: Deployment) -> list[Figure]:
    """The control: as many at once on a thread of LangGraph's own, in memory and on our saver outside of turns."""
    async with saved_in(deployment.database) as saved:
        kept = {"in_memory": await _bare(InMemorySaver()), "on_our_saver": await _bare(saved.saver)}
    most = 2 * AT_ONCE
    return [Figure.at_most(f"control_kept_{name}", number, most / 2, f"of {most}") for name, number in kept.items()]


async def _bare(saver: Any) -> int:
    """How many of the messages are kept."""

    async def answer(state: MessagesState) -> dict[str, Any]:
        await asyncio.sleep(STEP)
        return {"messages": [AIMessage(f"{len(state['messages'])} before")]}

    graph = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    bare: Any = graph.compile(checkpointer=saver)
    config = {"configurable": {"thread_id": "the control's"}}
    turns = [bare.ainvoke({"messages": [HumanMessage(f"Question {at}")]}, config) for at in range(AT_ONCE)]
    await asyncio.gather(*turns)
    return len((await bare.aget_state(config)).values["messages"])
