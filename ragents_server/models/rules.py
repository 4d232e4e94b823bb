"""The chat model `rules`: a model of LangChain's kind that follows a grammar and writes nothing."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import ToolCall, tool_call
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from ragents_server.models.calling import HAND_OVER
from ragents_server.models.grammar import opening, parts

RETRIEVE, OPEN, CALCULATE, DATE = "retrieve", "open_document", "calculate", "date"
MOST_CALLS = 3  # at once


class Rules(BaseChatModel):
    """Chooses the next tool, or hands over to the writer. It is no language model and is not called one.

    It reads the user's last message and, of the messages behind it, only which calls were made and which failed. What a
    tool returned it does not read, so nothing in a document can lead it. By the grammar in `models.grammar`, each part
    of the message is, tried in this order,

    - a computation, where `solving.solve` solves it, or asks which of its meanings is meant, which the tool then
      tells: the tool `date` or `calculate`, whichever fits and is bound;
    - an order to open a document: `open_document`;
    - a question: `retrieve`. Of a message with several parts the whole is searched for as well.

    Then it hands over: a message without text, whose response metadata say so. A call that failed is made up for once,
    by `retrieve` with the same words.
    """

    name: str | None = "rules"

    @property
    def _llm_type(self) -> str:
        return "rules"

    def bind_tools(
        self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool], **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bound to these tools; it calls those of them that it knows."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's signature
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        bound = frozenset(tool["function"]["name"] for tool in kwargs.get("tools", ()))
        calls = next_calls(messages, bound)
        metadata = {"finish_reason": "tool_calls"} if calls else {"finish_reason": "stop", HAND_OVER: "writer"}
        message = AIMessage(content="", tool_calls=calls, response_metadata=metadata)
        return ChatResult(generations=[ChatGeneration(message=message)])


def next_calls(messages: Sequence[BaseMessage], bound: frozenset[str]) -> list[ToolCall]:
    """The calls that come next; none: the writer goes on."""
    place = next((i for i in reversed(range(len(messages))) if isinstance(messages[i], HumanMessage)), None)
    if place is None:
        return []
    text, since = str(messages[place].text), messages[place + 1 :]
    made = [call for message in since if isinstance(message, AIMessage) for call in message.tool_calls]
    if not made:
        wanted = _first_calls(text, bound)
    else:
        failed = {one.tool_call_id for one in since if isinstance(one, ToolMessage) and one.status == "error"}
        wanted = _other_calls([call for call in made if call["id"] in failed], made, bound)
    return [tool_call(name=name, args=args, id=f"rules_{len(made) + i}") for i, (name, args) in enumerate(wanted)]


_Wanted = tuple[str, dict[str, Any]]


def _first_calls(text: str, bound: frozenset[str]) -> list[_Wanted]:
    """What the request asks for: taken as one computation where it is one, else part by part."""
    if computation := _computation(text, bound):
        return [computation]
    found = parts(text)
    wanted = [call for part in found if (call := _call(part, bound))]
    searched = [args["query"] for name, args in wanted if name == RETRIEVE]
    if len(found) > 1 and len(searched) == len(found):  # whether it was taken apart rightly, nobody knows
        wanted = [(RETRIEVE, {"query": text.strip()}), *wanted]
    return wanted[:MOST_CALLS]


def _call(part: str, bound: frozenset[str]) -> _Wanted | None:
    if computation := _computation(part, bound):
        return computation
    if OPEN in bound and (asked := opening(part)):
        return OPEN, {"document": asked.document} | ({"part": asked.part} if asked.part > 1 else {})
    return (RETRIEVE, {"query": part.strip()}) if RETRIEVE in bound and part.strip() else None


def _computation(text: str, bound: frozenset[str]) -> _Wanted | None:
    """The call of the tool that computes this."""
    if not bound & {CALCULATE, DATE}:
        return None
    from ragents_server.solving import Solution, solve  # it takes a while to import

    solution = solve(text, today=datetime.now(UTC).date())
    if solution is None or (isinstance(solution, Solution) and not solution.solved):
        return None
    if DATE in bound and isinstance(solution, Solution) and solution.kind == DATE:
        return DATE, {"question": text.strip()}
    return (CALCULATE, {"expression": text.strip()}) if CALCULATE in bound else None


def _other_calls(failed: Sequence[ToolCall], made: Sequence[ToolCall], bound: frozenset[str]) -> list[_Wanted]:
    """Searches in the place of calls that failed, unless they were searches or the search was made before."""
    if RETRIEVE not in bound:
        return []
    before = {json.dumps(call["args"], sort_keys=True) for call in made if call["name"] == RETRIEVE}
    tried = [{"query": str(next(iter(call["args"].values()), ""))} for call in failed if call["name"] != RETRIEVE]
    return [
        (RETRIEVE, args) for args in tried if args["query"].strip() and json.dumps(args, sort_keys=True) not in before
    ][:MOST_CALLS]
