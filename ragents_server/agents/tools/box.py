"""The box of tools: who may call what, for how long, and how much of what it returns is kept."""

import asyncio
import logging
import secrets
from collections.abc import Iterable

from google.protobuf.json_format import MessageToDict

from ragents_client.v1.agent_pb2 import ToolCall, ToolResult
from ragents_client.v1.answer_pb2 import Passage, Question
from ragents_server.agents.budgets import current_budget
from ragents_server.agents.tools.tool import Called, Outcome, Tool, Use
from ragents_server.caller import current_caller
from ragents_server.errors import (
    ConfigurationError,
    DeadlineTooShort,
    InternalError,
    InvalidRequest,
    ModelUnavailable,
    NotFound,
    RagentsError,
    StateUnavailable,
)
from ragents_server.models.plain import clean
from ragents_server.signals import span

log = logging.getLogger(__name__)

LONGEST_ARGUMENTS = 64 * 1024  # bytes of a call's arguments


class Box:
    """Plays `Toolbox` with these tools. Errors become failures, and of a bug only an incident's id is told."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools = dict[str, Tool]()
        for tool in tools:
            if tool.name in self._tools:
                raise ConfigurationError(f"RAGENTS_TOOLS: there are two tools named {tool.name}")
            self._tools[tool.name] = tool

    def names(self) -> tuple[str, ...]:
        """All that there are, in their order."""
        return tuple(self._tools)

    def tools(self) -> tuple[Tool, ...]:
        """Those allowed to the current caller."""
        caller = current_caller()
        return tuple(tool for tool in self._tools.values() if caller.may_call(tool.name))

    def find(self, name: str) -> Tool | None:
        """The tool; one that is not allowed is as unknown as one that does not exist."""
        return self._tools.get(name) if current_caller().may_call(name) else None

    async def call(self, call: ToolCall, *, key: str, question: Question) -> Called:
        """The call's result within the tool's bounds."""
        with span("tool", tool=call.name if call.name in self._tools else "unknown") as told:
            try:
                called = await self._call(call, Use(current_caller(), question, key))
            except (StateUnavailable, ModelUnavailable):
                raise  # the server's own parts are away
            except Exception as error:  # noqa: BLE001 - told to the model; the run goes on
                failure = _known(error, call.name)
                told.set(failure=failure.code.name)
                return Called(ToolResult(id=call.id, name=call.name, failure=failure.failure()))
            told.set(passages=len(called.passages), truncated=called.result.truncated)
            told.show(input=MessageToDict(call.arguments), output=called.result.text)
            return called

    async def _call(self, call: ToolCall, use: Use) -> Called:
        tool = self.find(call.name)
        if tool is None:
            raise NotFound("there is no such tool")
        if call.arguments.ByteSize() > LONGEST_ARGUMENTS:
            raise InvalidRequest(f"the arguments have more than {LONGEST_ARGUMENTS:,} bytes")
        seconds = min(tool.timeout, max(current_budget().seconds_left, 0.0))
        scope = asyncio.timeout(seconds)
        try:
            async with scope:
                outcome = await tool.call(MessageToDict(call.arguments), use)
        except TimeoutError:
            if not scope.expired():
                raise  # the tool's own
            raise DeadlineTooShort(f"{tool.name} was not done within {seconds:.3g} s") from None
        return _capped(call, tool, outcome)


def _capped(call: ToolCall, tool: Tool, outcome: Outcome) -> Called:
    """What a tool returned, cleaned and cut; passages are kept whole or not at all."""
    text = clean(outcome.text[: 2 * tool.longest])  # twice: halves of characters may be joined
    result = ToolResult(id=call.id, name=call.name, text=text[: tool.longest])
    room, kept = tool.longest - len(result.text), list[Passage]()
    for passage in outcome.passages:
        room -= len(passage.text)
        if room < 0:
            break
        kept.append(passage)
    result.truncated = len(outcome.text) > len(result.text) or len(kept) < len(outcome.passages)
    return Called(result, tuple(kept), outcome.answers)


def _known(error: Exception, name: str) -> RagentsError:
    if isinstance(error, RagentsError):
        return error
    incident = secrets.token_hex(8)
    log.error("incident %s in the tool %s", incident, name, exc_info=error)
    return InternalError(f"internal error, incident {incident}")
