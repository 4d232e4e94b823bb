"""The agent `react`: a chat model calls tools until it can answer; what it then says is verified against what it found.

Each thought and each call is a step that is saved, so that nothing is called again that has returned. A model without
tool calls is played by `rules`, which chooses the tools; then the writer, who may well be that model, writes.
"""

import secrets
from collections.abc import Sequence
from contextlib import aclosing
from typing import Annotated, Any, TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from ragents_client.v1.agent_pb2 import INTERRUPT_KIND_APPROVAL, Interrupt, ToolCall, ToolResult
from ragents_client.v1.answer_pb2 import Question
from ragents_client.v1.event_pb2 import Event, Retrieved, Started
from ragents_server.agents.agent import Agent, Kit, State, ask_back, asked, begin_step, concluded, tell
from ragents_server.agents.asking import ask
from ragents_server.agents.budgets import current_budget
from ragents_server.agents.handing_over import written
from ragents_server.agents.prompts import react_rules
from ragents_server.agents.tools.tool import Called
from ragents_server.agents.transcript import Result, Transcript, Wanted, kept, together
from ragents_server.agents.wording import Wording
from ragents_server.errors import PermissionDenied, RagentsError
from ragents_server.models.calling import Schema, Whole, calls_tools, schema_of
from ragents_server.models.plain import clean
from ragents_server.models.rules import Rules
from ragents_server.rag.contextual import EXCHANGES

STEPS = 10  # calls of the model
AT_ONCE = 4  # calls of tools
APPROVE, REJECT = "approve", "reject"
_LONGEST_REPLY = 1_000  # characters of a reply that is neither
_ANSWER = 1_000  # characters of an earlier answer


class Reacting(State):
    """What the agent keeps of a turn."""

    said: list[AIMessage]
    results: Annotated[dict[str, Result], together]
    boundary: str  # of this turn's data


class _Calling(TypedDict):
    """What one call gets, which is saved with it."""

    call: dict[str, Any]
    run: str
    question: bytes


def build(kit: Kit) -> Agent:
    """The agent."""
    model = kit.model if calls_tools(kit.model) else Rules()
    nodes = _Nodes(kit, model)
    graph = StateGraph(Reacting)
    graph.add_node("think", nodes.think)
    graph.add_node("call", nodes.call)
    graph.add_node("write", nodes.write)
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", nodes.next, ["call", "think", "write", END])
    graph.add_edge("call", "think")
    graph.add_edge("write", END)
    return Agent(
        name="react",
        description="Decides by itself which tools to call, and answers from what they return, step by step.",
        graph=graph,
        steps=("think", "call", "write"),
        capabilities=("memory", "citations", "tools", "interrupts"),
        tools=kit.toolbox.names(),
        fresh={"said": [], "results": {}, "boundary": ""},
    )


class _Nodes:
    def __init__(self, kit: Kit, model: BaseChatModel) -> None:
        self._kit = kit
        self._model = model

    async def think(self, state: Reacting) -> dict[str, Any]:
        """Asks the model, unless calls that it wants are still to be made."""
        turn = _turn(state)
        if turn.outstanding:
            return {}
        current_budget().step(len(turn.said) + 1, STEPS)
        begin_step("think")
        question, boundary = asked(state), state.get("boundary") or secrets.token_hex(8)
        wording = Wording(turn, self._model)
        whole = await self._ask(turn, question, boundary, wording)
        message = whole.message
        if message.tool_calls or message.invalid_tool_calls or Transcript([message], {}).hands_over:
            if wording.told:  # it was no answer after all
                tell(Event(started=Started(attempt=_attempt(turn))))
            said = [*turn.said, message]
            for one in Transcript(said, {}).calls[-1]:
                if one.error:
                    tell(Event(tool_result=one.failed().result))
            return {"said": said, "boundary": boundary}
        for delta in wording.end(whole.finish):
            tell(Event(delta=delta))
        answer = wording.answer(question)
        if wording.told not in ("", answer.text):
            tell(Event(started=Started(attempt=_attempt(turn))))
        answer.usage.CopyFrom(current_budget().usage())
        return concluded(state, answer)

    async def _ask(self, turn: Transcript, question: Question, boundary: str, wording: Wording) -> Whole:
        messages = turn.messages(react_rules(question, boundary), question, boundary)
        whole: Whole | None = None
        async with aclosing(ask(self._model, messages, tools=self._schemas())) as pieces:
            async for piece in pieces:
                if isinstance(piece, Whole):
                    whole = piece
                    continue
                for delta in wording.feed(piece):
                    tell(Event(delta=delta))
        if whole is None:
            raise AssertionError("a call of a model ended without its message")
        return whole

    def _schemas(self) -> Sequence[Schema]:
        return [schema_of(tool.name, tool.description, tool.schema) for tool in self._kit.toolbox.tools()]

    def next(self, state: Reacting) -> str | list[Send]:
        """Calls first: those that need nobody's word side by side, the others one by one."""
        if state.get("answer"):
            return END
        turn = _turn(state)
        free, first = list[Wanted](), turn.outstanding[:AT_ONCE]
        for wanted in first:
            if self._asks(wanted):
                break
            free.append(wanted)
        if calls := free or first[:1]:
            question = _recent(asked(state)).SerializeToString()
            return [Send("call", _Calling(call=one.packed(), run=state["run"], question=question)) for one in calls]
        return "write" if turn.hands_over else "think"

    def _asks(self, wanted: Wanted) -> bool:
        tool = self._kit.toolbox.find(wanted.name)
        return tool is not None and tool.approval

    async def call(self, state: _Calling) -> dict[str, Any]:
        """Makes one call, once a person has approved of it where that is needed."""
        wanted = Wanted(**state["call"])
        call = ToolCall(id=wanted.id, name=wanted.name)
        call.arguments.update(wanted.arguments)
        refused = _disapproved(call) if self._asks(wanted) else None
        tell(Event(tool_call=call))
        if refused is not None:
            called = Called(ToolResult(id=call.id, name=call.name, failure=refused.failure()))
        else:
            question = Question.FromString(state["question"])
            called = await self._kit.toolbox.call(call, key=wanted.key(state["run"]), question=question)
        tell(Event(tool_result=called.result))
        if called.passages:
            tell(Event(retrieved=Retrieved(passages=called.passages)))
        return {"results": {wanted.place: kept(called)}}

    async def write(self, state: Reacting) -> dict[str, Any]:
        """The writer's answer, where the model chose the tools and writes nothing itself."""
        begin_step("write")
        return concluded(state, await written(self._kit, _turn(state), asked(state)))


def _turn(state: Reacting) -> Transcript:
    return Transcript(state.get("said", []), state.get("results", {}))


def _attempt(turn: Transcript) -> int:
    """A number higher than before, for what is shown from now on."""
    return 2 + sum(bool(str(message.text)) for message in turn.said)


def _recent(question: Question) -> Question:
    """With as much of its history as a search looks at: it is saved with each call."""
    del question.history[:-EXCHANGES]
    for exchange in question.history:
        exchange.answer = exchange.answer[:_ANSWER]
    return question


def _disapproved(call: ToolCall) -> RagentsError | None:
    """Asks the user; the error that the model is told unless they approve."""
    text = f"May {call.name} be called?"
    reply = ask_back(Interrupt(kind=INTERRUPT_KIND_APPROVAL, text=text, options=[APPROVE, REJECT], tool_call=call))
    said = clean(str(reply)).strip()[:_LONGEST_REPLY]
    if reply is True or said.casefold() == APPROVE:
        return None
    words = f": {said}" if isinstance(reply, str) and said.casefold() != REJECT else ""
    error = PermissionDenied(f"the user did not approve of this call{words}")
    error.advice = "Do without it."  # it is the model that reads this, and it has no credential
    return error
