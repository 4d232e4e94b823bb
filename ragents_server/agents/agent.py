"""What an agent is: a graph of LangGraph's that takes a turn's question and tells Events, the last one its outcome.

The graph's state extends `State`. A turn begins with `question` and `run` set and everything that the agent lists in
`fresh` reset; the conversation so far is in `exchanges`. Nodes tell events with `tell` while they work. The node that
returns `concluded(…)` is the last one of the turn: what it returns is committed with the run's end. A node that needs
a word of the user calls `ask_back`.

State holds plain values, LangChain messages, and protobuf messages as bytes: other objects cannot be saved.
"""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypedDict

from langgraph.config import get_stream_writer
from langgraph.graph import StateGraph
from langgraph.types import interrupt

from ragents_client.v1.agent_pb2 import Interrupt
from ragents_client.v1.answer_pb2 import Answer, Exchange, Question
from ragents_client.v1.event_pb2 import Event, Step
from ragents_server.index.fields import Field
from ragents_server.rag.engine import Answerer
from ragents_server.rag.retrieval import Retriever
from ragents_server.rag.writers import Writer

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from ragents_server.agents.tools.tool import Toolbox

QUESTION_BYTES, ANSWER_BYTES = 8_192, 32_768  # of an exchange, as the contract has it
MOST_EXCHANGES = 32  # that a question takes along


class State(TypedDict, total=False):
    """What every agent's state has."""

    question: bytes  # the turn's Question
    run: str  # the run's id
    answer: bytes  # the Answer, once there is one; it ends the run
    exchanges: Annotated[list[list[str]], operator.add]  # [question, answer] of the turns before, oldest first


class KnownFields(Protocol):
    """Tells by which fields documents can be chosen."""

    async def of(self, tenant: str, collections: Sequence[str]) -> tuple[Field, ...]:
        """The fields that the collections' documents have."""
        ...

    async def named(self, tenant: str, collections: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
        """The documents that are called so."""
        ...


@dataclass(frozen=True, slots=True)
class Kit:
    """The parts that agents are built from."""

    engine: Answerer  # retrieves, then writes
    retriever: Retriever
    writer: Writer
    model: "BaseChatModel"  # `rules` where none is set
    toolbox: "Toolbox"
    fields: "KnownFields | None" = None  # None: nothing is known of documents' metadata


@dataclass(frozen=True, slots=True)
class Agent:
    """A graph with what people are told of it; `graph` is compiled by whoever keeps its state."""

    name: str
    description: str
    graph: "StateGraph[Any, Any, Any, Any]"
    steps: tuple[str, ...]
    capabilities: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    fresh: Mapping[str, Any] = field(default_factory=dict)  # what each turn begins with, beside `State`'s own


class Builder(Protocol):
    """What the table of agents names, and what an import path of one's own names: makes one agent."""

    def __call__(self, kit: Kit) -> Agent:
        """The agent."""
        ...


def tell(event: Event) -> None:
    """Tells whoever follows the run; `seq` is set later."""
    get_stream_writer()(event)


def begin_step(name: str, text: str = "") -> None:
    """Tells that a named step begins."""
    tell(Event(step=Step(name=name, text=text)))


def asked(state: State) -> Question:
    """The turn's question, with the conversation so far as its history."""
    question = Question.FromString(state["question"])
    del question.history[:]
    for said, answered in state.get("exchanges", [])[-MOST_EXCHANGES:]:
        question.history.append(Exchange(question=said, answer=answered))
    return question


def concluded(state: State, answer: Answer) -> dict[str, Any]:
    """The last update of a turn: its answer, and the exchange that the next turn remembers."""
    text = Question.FromString(state["question"]).text
    return {
        "answer": answer.SerializeToString(),
        "exchanges": [[_cut(text, QUESTION_BYTES), _cut(answer.text, ANSWER_BYTES)]],
    }


def ask_back(question: Interrupt) -> Any:
    """Ends the run with this interrupt, whose id is set later; gives the reply's value once there is one.

    The node is run again from its beginning then, so whatever it does before this must be harmless twice.
    """
    return interrupt(question.SerializeToString())


def _cut(text: str, most: int) -> str:
    return text.encode(errors="replace")[:most].decode(errors="ignore")
