"""What a tool is, and the box of those that an agent may call."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ragents_client.v1.agent_pb2 import ToolCall, ToolResult
from ragents_client.v1.answer_pb2 import Passage


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tool returned: text for the model, and the passages it is from."""

    text: str
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may call. `schema` is the JSON schema of its arguments, made of its type hints."""

    name: str
    description: str
    schema: Mapping[str, Any]
    call: Callable[..., Awaitable[Outcome]]
    timeout: float = 30.0  # seconds
    longest: int = 20_000  # characters of what it returns
    approval: bool = False  # a person is asked before each call


@dataclass(frozen=True, slots=True)
class Called:
    """A call that was made, for the model and for whoever follows the run."""

    result: ToolResult
    passages: tuple[Passage, ...] = field(default=())


class Toolbox(Protocol):
    """The tools that the current caller is allowed; every other name is refused, whoever asks for it."""

    def tools(self) -> tuple[Tool, ...]:
        """Those allowed to the current caller, by name."""
        ...

    async def call(self, call: ToolCall, *, key: str) -> Called:
        """Calls a tool; whatever goes wrong is in the result's `failure`. `key` is the same when a call is repeated."""
        ...
