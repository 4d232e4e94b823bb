"""The agent `logical`: what can be computed is solved, constraints become conditions, what is unclear is asked back.

    understand ─┬─ clarify ──> understand      at most twice a turn
                ├─ solve                       no documents, no model
                └─ retrieve ──> (the writer)   with the question's constraints as conditions

No chat model is asked to understand anything: rules do, so that a turn costs one generation or none.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import UTC, date, datetime
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph

from ragents_client.v1.answer_pb2 import (
    REFUSAL_REASON_NO_PASSAGES,
    Answer,
    Condition,
    Question,
    Refusal,
    Usage,
)
from ragents_client.v1.event_pb2 import Delta, Event, Retrieved
from ragents_server.agents.agent import Agent, Kit, State, ask_back, asked, begin_step, concluded, tell
from ragents_server.agents.budgets import current_budget
from ragents_server.agents.logic import files
from ragents_server.agents.logic.constraint import Constrained
from ragents_server.agents.logic.constraints import constrained
from ragents_server.agents.logic.questions import MOST_CLARIFICATIONS, Unclear, added, unexplained
from ragents_server.agents.logic.results import answer_of, with_result
from ragents_server.caller import current_caller
from ragents_server.rag.contextual import leans
from ragents_server.solving import Ambiguous, Solution, solve


class Logical(State, total=False):
    """What the agent keeps beside."""

    text: str  # the question as it was understood, "" before
    unclear: list[list[str]]  # question, options and texts of what is asked back; empty: nothing
    again: bool  # the reply was none of the options
    clarified: int  # how often in this turn
    solution: list[Any]  # value, text, steps; empty: it is for the documents
    rest: str  # what is searched for
    conditions: list[bytes]  # of the question's own words
    told: str  # the constraints, for people
    result: str  # of the last turn that was solved: "that" may stand for it


FRESH: dict[str, Any] = {
    "text": "",
    "unclear": [],
    "again": False,
    "clarified": 0,
    "solution": [],
    "rest": "",
    "conditions": [],
    "told": "",
}


def build(kit: Kit, today: Callable[[], date] = lambda: datetime.now(UTC).date()) -> Agent:
    """The agent; `today` is the day that dates are counted from."""
    nodes = _Nodes(kit, today)
    graph = StateGraph(Logical)
    graph.add_node("understand", nodes.understand)
    graph.add_node("clarify", nodes.clarify)
    graph.add_node("solve", nodes.solve)
    graph.add_node("retrieve", nodes.retrieve)
    graph.add_edge(START, "understand")
    graph.add_conditional_edges("understand", _next, ["clarify", "solve", "retrieve"])
    graph.add_conditional_edges(
        "clarify", lambda state: "clarify" if state["unclear"] else "understand", ["clarify", "understand"]
    )
    graph.add_edge("solve", END)
    graph.add_edge("retrieve", END)
    return Agent(
        name="logical",
        description=(
            "Works out arithmetic, dates, comparisons and small puzzles with a solver, turns constraints into "
            "conditions on documents, and asks back what is unclear; one generation a turn or none."
        ),
        graph=graph,
        steps=("understand", "clarify", "solve", "retrieve", "write"),
        capabilities=("memory", "citations", "interrupts", "solver"),
        fresh=FRESH,
    )


def _next(state: Logical) -> Literal["clarify", "solve", "retrieve"]:
    if state["unclear"]:
        return "clarify"
    return "solve" if state["solution"] else "retrieve"


class _Nodes:
    """The steps of a turn."""

    def __init__(self, kit: Kit, today: Callable[[], date]) -> None:
        self._kit = kit
        self._today = today

    async def understand(self, state: Logical) -> dict[str, Any]:
        """Whether the question is for the solver or for documents, and for which; or what is unclear."""
        question = asked(state)
        text = state["text"] or question.text
        if not state["text"]:
            begin_step("understand")
        found = await self._solved(text, state.get("result", ""))
        if isinstance(found, Solution):
            solution = [found.value, found.text, list(found.steps)]
            return {"text": text, "unclear": [], "solution": solution}
        if isinstance(found, Ambiguous):
            return _asking(state, text, Unclear.of(found))
        read = await self._constrained(text, question)
        if read.unclear is not None:
            return _asking(state, text, Unclear.of(read.unclear))
        pronoun = unexplained(text) if not question.history and not state["clarified"] else None
        if pronoun is not None:
            return _asking(state, text, pronoun)
        if read.told:
            begin_step("understand", read.told)
        conditions = [one.SerializeToString() for one in read.conditions]
        return {"text": text, "unclear": [], "rest": read.text, "conditions": conditions, "told": read.told}

    async def _solved(self, text: str, result: str) -> Solution | Ambiguous | None:
        """In a thread: the first solution imports sympy, which takes a second."""
        for reading in with_result(text, result):
            found = await asyncio.to_thread(solve, reading, today=self._today())
            if found is not None:
                return found
        return None

    async def _constrained(self, text: str, question: Question) -> Constrained:
        """The constraints, by the fields that the documents have."""
        known, tenant = self._kit.fields, current_caller().tenant
        if known is None:
            return Constrained(text)
        names = files.candidates(text)
        documents = await known.named(tenant, question.collections, names) if names else ()
        fields = await known.of(tenant, question.collections)
        return constrained(text, fields, documents, today=self._today())

    async def clarify(self, state: Logical) -> dict[str, Any]:
        """Asks back, once more where the reply is none of the options; the reply makes another question of it."""
        unclear = _loaded(state["unclear"])
        reply = ask_back(unclear.interrupt(again=state["again"]))
        chosen = unclear.chosen(reply)
        if chosen is None and unclear.options and not state["again"]:
            return {"again": True}
        text = added(state["text"], reply) if chosen is None else chosen
        return {"text": text, "unclear": [], "again": False, "clarified": state["clarified"] + 1}

    async def solve(self, state: Logical) -> dict[str, Any]:
        """Tells the solution with its steps."""
        value, text, steps = state["solution"]
        begin_step("solve", text)
        answer = answer_of(value, text, steps)
        tell(Event(delta=Delta(offset=0, text=answer.text)))
        answer.usage.CopyFrom(current_budget().usage(Usage(model="solver")))
        return {**concluded(state, answer), "result": value}

    async def retrieve(self, state: Logical) -> dict[str, Any]:
        """Retrieves under all conditions, then lets the writer write."""
        question = _searched(state)
        begin_step("retrieve", state["told"])
        found = await self._kit.retriever(question, current_caller())
        tell(Event(retrieved=Retrieved(passages=found.passages)))
        if not found.passages and state["conditions"]:
            return concluded(state, _nothing_meets(question.collections, state["told"]))
        begin_step("write")
        written = Answer()
        question.text = state["text"]
        async with aclosing(self._kit.writer(question, found)) as events:
            async for event in events:
                if event.HasField("answer"):
                    written = event.answer
                else:
                    tell(event)
        written.usage.CopyFrom(current_budget().usage(written.usage))
        return concluded(state, written)


def _searched(state: Logical) -> Question:
    """The question without its constraints, which are conditions; without a history that it does not lean on."""
    question = asked(state)
    question.text = state["rest"]
    question.conditions.extend(Condition.FromString(one) for one in state["conditions"])
    if not leans(state["text"]):
        question.ClearField("history")
    return question


def _nothing_meets(collections: Sequence[str], told: str) -> Answer:
    """The refusal where no document meets the question's own constraints."""
    where = ", ".join(collections)
    message = f"There is nothing to answer from: no document in {where} meets the constraints, {told}."
    refusal = Refusal(reason=REFUSAL_REASON_NO_PASSAGES, message=message)
    return Answer(text=message, refusal=refusal, usage=current_budget().usage(Usage(model="solver")))


def _asking(state: Logical, text: str, unclear: Unclear) -> dict[str, Any]:
    """What is unclear is asked back, or told where enough has been asked."""
    if state["clarified"] >= MOST_CLARIFICATIONS:
        meanings = f" It may be {' or '.join(unclear.options)}." if unclear.options else ""
        return {
            "text": text,
            "unclear": [],
            "solution": ["", f"The question is still unclear. {unclear.question}{meanings}", []],
        }
    begin_step("clarify", unclear.question)
    return {"text": text, "unclear": [[unclear.question], list(unclear.options), list(unclear.texts)]}


def _loaded(saved: list[list[str]]) -> Unclear:
    (question,), options, texts = saved
    return Unclear(question, tuple(options), tuple(texts))
