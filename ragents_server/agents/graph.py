"""The agent `langgraph`: plans, retrieves, grades, rewrites, answers and checks the answer's grounding, in a loop.

A question is taken apart; each part is searched for, in other words where what was found does not answer it. The answer
is checked: when it is refused, cites nothing or says more than the passages do, the agent searches once more and writes
again, and the better of both answers is given.
"""

from collections import OrderedDict
from collections.abc import Set
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from langgraph.graph import END, START, StateGraph

from ragents_client.v1.answer_pb2 import Answer, Passage, Question
from ragents_client.v1.event_pb2 import Event, Retrieved
from ragents_server.agents.agent import Agent, Kit, State, asked, begin_step, concluded, tell
from ragents_server.agents.asking import Asking
from ragents_server.agents.budgets import current_budget
from ragents_server.agents.drafts import Showing, faults, without_invention
from ragents_server.agents.joined import Joined, identity, spent
from ragents_server.agents.looking import ByModel, ByRules, Looking
from ragents_server.agents.tools.retrieving import search
from ragents_server.caller import current_caller
from ragents_server.models.rules import Rules
from ragents_server.rag.retrieval import Found
from ragents_server.rag.rewriting import merge

ITERATIONS = 8  # of retrieving
SEARCHES = 3  # for one part
DRAFTS = 2
MOST_PASSAGES = 20  # that an answer is written from, where the question does not say
_REMEMBERED = 64  # searches of running turns; what is not remembered is searched for again
_EXTRACTIVE = "extractive"

OPEN, GOOD, GIVEN_UP = "open", "good", "given up"


class Looked(State):
    """What the agent keeps of a turn."""

    parts: list[str]
    searches: list[list[str]]  # of each part
    states: list[str]  # of each part: OPEN, GOOD, GIVEN_UP
    judged: list[str]  # passages
    helpful: list[str]  # those of them that help with some part
    iterations: int
    drafts: list[bytes]
    attempt: int  # of what is shown


def build(kit: Kit) -> Agent:
    """The agent."""
    nodes = _Nodes(kit, ByRules() if isinstance(kit.model, Rules) else ByModel(Asking(kit.model)))
    graph = StateGraph(Looked)
    steps = ("plan", "retrieve", "grade", "rewrite", "answer", "check")
    for name in steps:
        graph.add_node(name, getattr(nodes, name))
    graph.add_edge(START, "plan")
    graph.add_edge("plan", "retrieve")
    graph.add_edge("retrieve", "grade")
    graph.add_conditional_edges("grade", _after_grade, ["rewrite", "answer"])
    graph.add_conditional_edges("rewrite", _after_rewrite, ["retrieve", "answer", "check"])
    graph.add_edge("answer", "check")
    graph.add_conditional_edges("check", _after_check, ["rewrite", END])
    return Agent(
        name="langgraph",
        description="Takes a question apart, searches again until it has what answers it, and checks what it wrote.",
        graph=graph,
        steps=steps,
        capabilities=("memory", "citations", "planning"),
        fresh={
            "parts": [],
            "searches": [],
            "states": [],
            "judged": [],
            "helpful": [],
            "iterations": 0,
            "drafts": [],
            "attempt": 1,
        },
    )


def _after_grade(state: Looked) -> str:
    return "rewrite" if OPEN in state["states"] and state["iterations"] < ITERATIONS else "answer"


def _after_rewrite(state: Looked) -> str:
    if OPEN in state["states"]:
        return "retrieve"
    return "check" if state["drafts"] else "answer"  # nothing new to write from


def _after_check(state: Looked) -> str:
    return END if state.get("answer") else "rewrite"


class _Nodes:
    def __init__(self, kit: Kit, looking: Looking) -> None:
        self._kit = kit
        self._looking = looking
        self._remembered = OrderedDict[tuple[str, str], Found]()

    async def plan(self, state: Looked) -> dict[str, Any]:
        """Which questions are searched for."""
        begin_step("plan")
        parts = await self._looking.plan(asked(state))
        return {"parts": parts, "searches": [[part] for part in parts], "states": [OPEN] * len(parts)}

    async def retrieve(self, state: Looked) -> dict[str, Any]:
        """What is found for the parts that are open."""
        iteration = state["iterations"] + 1
        current_budget().step(iteration, ITERATIONS)
        searches = [state["searches"][part][-1] for part in _open(state)]
        begin_step("retrieve", "; ".join(searches))
        for text in searches:
            found = await self._found(state, text)
            tell(Event(retrieved=Retrieved(passages=found.passages)))
        return {"iterations": iteration}

    async def grade(self, state: Looked) -> dict[str, Any]:
        """Whether it answers the parts that are open."""
        begin_step("grade")
        states, judged, helpful = list(state["states"]), set(state["judged"]), set(state["helpful"])
        for part in _open(state):
            found = await self._of_part(state, part)
            helping = await self._looking.grade(found)
            judged.update(map(_name, found.passages))
            helpful.update(map(_name, helping))
            if helping:
                states[part] = GOOD
        return {"states": states, "judged": sorted(judged), "helpful": sorted(helpful)}

    async def rewrite(self, state: Looked) -> dict[str, Any]:
        """Other words for the parts that are open; a part without any is given up."""
        begin_step("rewrite")
        states, searches = list(state["states"]), [list(made) for made in state["searches"]]
        for part in _open(state):
            text = await self._other_words(state, part)
            if text is None:
                states[part] = GIVEN_UP
            else:
                searches[part].append(text)
        return {"states": states, "searches": searches}

    async def _other_words(self, state: Looked, part: int) -> str | None:
        made = state["searches"][part]
        if len(made) >= SEARCHES or state["iterations"] >= ITERATIONS:
            return None
        found = await self._found(state, made[0])
        for attempt in range(len(made), SEARCHES):
            text = await self._looking.rewrite(found, attempt)
            if text is not None and text not in made:
                return text
        return None

    async def answer(self, state: Looked) -> dict[str, Any]:
        """A draft, told as it is written; a later one makes the one before void."""
        begin_step("answer")
        showing = Showing(state["attempt"])
        if state["drafts"]:
            showing.begin_again()
        question = asked(state)
        if len(state["parts"]) > 1 and self._kit.writer.model == _EXTRACTIVE:  # which answers one question at a time
            draft = await self._in_parts(state, question, showing)
        else:
            found = await self._all_found(state, question)
            draft = await self._written(question, found, showing)
        return {"drafts": [*state["drafts"], draft.SerializeToString()], "attempt": showing.attempt}

    async def check(self, state: Looked) -> dict[str, Any]:
        """Whether the draft is grounded; if not, and there is another way, the parts are opened again."""
        begin_step("check")
        drafts = [Answer.FromString(draft) for draft in state["drafts"]]
        ways = len(drafts) < DRAFTS and state["iterations"] < ITERATIONS and set(state["states"]) != {GIVEN_UP}
        if ways and faults(drafts[-1]):
            return {"states": [OPEN] * len(state["parts"])}
        answer = without_invention(min(reversed(drafts), key=faults))
        if answer != drafts[-1]:  # what was shown is not what is given
            showing = Showing(state["attempt"])
            showing.begin_again()
            showing.show_whole(answer)
        used = current_budget().usage()
        used.model = answer.usage.model
        answer.usage.CopyFrom(used)
        self._forget(state["run"])
        return concluded(state, answer)

    async def _in_parts(self, state: Looked, question: Question, showing: Showing) -> Answer:
        """Each part's own answer, one behind the other; a refusal where there is none for any part."""
        joined, refused = Joined(), list[tuple[str, Answer]]()
        for place, part in enumerate(state["parts"]):
            written = await self._written(_alone(question, part), await self._of_part(state, place), None)
            if written.HasField("refusal"):
                refused.append((part, written))
            else:
                joined.add(written)
        if len(refused) == len(state["parts"]):
            return refused[0][1]
        for part, _ in refused:
            joined.say(f"No passage says this: {part}")
        showing.show_whole(joined.answer)
        return joined.answer

    async def _written(self, question: Question, found: Found, showing: Showing | None) -> Answer:
        answer = Answer()
        async with aclosing(self._kit.writer(question, found)) as events:
            async for event in events:
                if event.HasField("answer"):
                    answer = event.answer
                elif showing is not None:
                    showing.show(event)
        spent(answer)
        return answer

    async def _found(self, state: Looked, text: str) -> Found:
        key = (state["run"], text)
        if key not in self._remembered:
            question = _alone(Question.FromString(state["question"]), text)
            self._remembered[key] = await search(self._kit.retriever, question, current_caller(), text)
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        return self._remembered[key]

    async def _of_part(self, state: Looked, part: int) -> Found:
        """All that was found for a part, the search in its own words first."""
        return merge([await self._found(state, text) for text in state["searches"][part]])

    async def _all_found(self, state: Looked, question: Question) -> Found:
        """What was found for all parts, each one's best first, without what helps none of them."""
        useless = set(state["judged"]) - set(state["helpful"]) if state["helpful"] else set[str]()
        founds = [_without(await self._of_part(state, part), useless) for part in range(len(state["parts"]))]
        if question.HasField("top_k"):
            return merge(founds, question.top_k)
        return merge(founds, min(MOST_PASSAGES, sum(len(found.passages) for found in founds)) or None)

    def _forget(self, run: str) -> None:
        for key in [key for key in self._remembered if key[0] == run]:
            del self._remembered[key]


def _open(state: Looked) -> list[int]:
    return [part for part, now in enumerate(state["states"]) if now == OPEN]


def _name(passage: Passage) -> str:
    return "\0".join(map(str, identity(passage)))


def _without(found: Found, useless: Set[str]) -> Found:
    kept = [place for place, passage in enumerate(found.passages) if _name(passage) not in useless]
    return replace(
        found,
        passages=tuple(found.passages[place] for place in kept),
        sentences=tuple(found.sentences[place] for place in kept),
        sentence_vectors=tuple(found.sentence_vectors[place] for place in kept),
    )


def _alone(question: Question, part: str) -> Question:
    alone = Question()
    alone.CopyFrom(question)
    alone.text = part
    alone.ClearField("history")
    return alone
