"""Many turns of one thread at once over all replicas, beside what LangGraph alone keeps of as many."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph

from ragents_server.caller import Caller
from ragents_server.checkpoints.postgres import open_postgres_saver
from ragents_server.connections.postgres import open_pool
from ragents_server.threads.threads import Threads
from scripts.faulting.chatter import USERS, Chatter
from scripts.faulting.conversations import Place, judge, judge_roles
from scripts.faulting.deployment import Deployment, say
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
    await judge_all(deployment, chatter, places)
    return kept, answered


async def judge_all(deployment: Deployment, chatter: Chatter, places: list[Place]) -> None:
    """Holds threads against what was said there: the exchanges that are told, and the messages that are saved."""
    async with saved_in(deployment) as saved:
        for place in places:
            said = chatter.conversations.in_thread(place)
            if not any(one.run for one in said):
                continue  # no turn of it ever began
            kept = await chatter.speakers.kept(place, 0)
            judge(said, kept, chatter.findings)
            judge_roles(await saved.messages(place), kept, chatter.findings)


class Saved:
    """What is saved, read from the database itself."""

    def __init__(self, pool: Any, saver: Any) -> None:
        self.saver = saver
        self._threads = Threads(pool)

    async def messages(self, place: Place) -> list[tuple[str, str]]:
        """Role and text of all that the last answered turn left; what a turn that was left has begun comes after."""
        stored = await self._threads.get(Caller(tenant=place.key.tenant, user=place.key.user), place.thread)
        if stored is None or stored.base is None:
            return []
        config = {"thread_id": stored.key, "checkpoint_ns": "", "checkpoint_id": stored.base}
        saved = await self.saver.aget_tuple({"configurable": config})
        return [(one.type, str(one.text)) for one in saved.checkpoint["channel_values"]["messages"]]


@asynccontextmanager
async def saved_in(deployment: Deployment) -> AsyncIterator[Saved]:
    """The database is open inside the block."""
    async with open_pool(deployment.database, size=2) as pool, open_postgres_saver(pool) as saver:
        yield Saved(pool, saver)


async def without_turns(deployment: Deployment) -> list[Figure]:
    """The control: as many at once on a thread of LangGraph's own, in memory and on our saver outside of turns."""
    async with saved_in(deployment) as saved:
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
