"""What a tool is, and the box of those that an agent may call."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ragents_client.v1.agent_pb2 import ToolCall, ToolResult
from ragents_client.v1.answer_pb2 import Passage, Question
from ragents_server.caller import Caller

NOTHING = "Nothing was found."
"""What a tool says that looked for passages and found none."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tool returned: text for the model, and the passages it is from, which can be cited.

    `answers` says that the text answers by itself, as a computed value does.
    """

    text: str
    passages: tuple[Passage, ...] = ()
    answers: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """Who calls a tool and what for: what a tool may need and no model may choose."""

    caller: Caller
    question: Question  # of the turn, with its collections and conditions
    key: str  # the same when a call is repeated, so that a side effect need not be


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may call. `schema` is the JSON schema of its arguments.

    `call` raises InvalidRequest for arguments that do not fit, any other RagentsError for what it cannot do, and
    whatever else for what is a bug.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    call: Callable[[Mapping[str, Any], Use], Awaitable[Outcome]]
    timeout: float = 30.0  # seconds
    longest: int = 20_000  # characters of what it returns, passages included
    approval: bool = False  # a person is asked before each call


@dataclass(frozen=True, slots=True)
class Called:
    """A call that was made, for the model and for whoever follows the run."""

    result: ToolResult
    passages: tuple[Passage, ...] = field(default=())
    answers: bool = False


class Toolbox(Protocol):
    """The tools that the current caller is allowed; every other name is refused, whoever asks for it."""

    def tools(self) -> tuple[Tool, ...]:
        """Those allowed to the current caller, by name."""
        ...

    def names(self) -> tuple[str, ...]:
        """All that there are, for an agent's description."""
        ...

    def find(self, name: str) -> Tool | None:
        """The tool, where it is allowed to the current caller."""
        ...

    async def call(self, call: ToolCall, *, key: str, question: Question) -> Called:
        """Calls a tool; whatever goes wrong is in the result's `failure`. `key` is the same when a call is repeated.

        Raises StateUnavailable and ModelUnavailable where the server's own parts are away: then the run cannot go on.
        """
        ...
