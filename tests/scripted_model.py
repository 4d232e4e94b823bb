"""A chat model of LangChain's that decides from the messages and tools it was given, as a test wants it to.

So lost history, a tool that was not bound or a loop that is broken changes what it says, and the test fails.
"""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.messages.tool import tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import Field

Said = str | AIMessage | list[AIMessageChunk] | Exception
Decide = Callable[[Sequence[BaseMessage], frozenset[str]], Said]


def calls(*wanted: tuple[str, dict[str, Any]], text: str = "") -> AIMessage:
    """A message that calls these tools."""
    made = [tool_call(name=name, args=args, id=f"id-{name}-{i}") for i, (name, args) in enumerate(wanted)]
    return AIMessage(text, tool_calls=made)


def results(messages: Sequence[BaseMessage]) -> list[ToolMessage]:
    """What the tools of this turn returned."""
    return [message for message in messages if isinstance(message, ToolMessage)]


class ScriptedModel(BaseChatModel):
    """Says what `decide` says: text and calls in pieces, or in the very chunks it gives; `streams` False: at once."""

    decide: Decide
    streams: bool = True
    name: str | None = "scripted"
    asked: list[list[BaseMessage]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        return self.bind(tools=list(tools), **kwargs)

    def _said(self, messages: list[BaseMessage], options: dict[str, Any]) -> AIMessage | list[AIMessageChunk]:
        self.asked.append(list(messages))
        said = self.decide(messages, frozenset(tool["function"]["name"] for tool in options.get("tools", ())))
        if isinstance(said, Exception):
            raise said
        return AIMessage(said) if isinstance(said, str) else said

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        said = self._said(messages, kwargs)
        assert isinstance(said, AIMessage)
        said.usage_metadata = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
        return ChatResult(generations=[ChatGeneration(message=said)])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        said = self._said(messages, kwargs)
        for chunk in said if isinstance(said, list) else chunks(said):
            yield ChatGenerationChunk(message=chunk)

    def _should_stream(self, *args: Any, **kwargs: Any) -> bool:
        return self.streams


def chunks(message: AIMessage) -> list[AIMessageChunk]:
    """The message as a provider streams it: pieces that are neither words nor whole JSON."""

    text = str(message.text)
    pieces = [AIMessageChunk(content=text[i : i + 5]) for i in range(0, len(text), 5)]
    for index, call in enumerate(message.tool_calls):
        args = json.dumps(call["args"])
        opening = tool_call_chunk(name=call["name"], args="", id=call["id"], index=index)
        pieces.append(AIMessageChunk(content="", tool_call_chunks=[opening]))
        for i in range(0, len(args), 7):
            piece = tool_call_chunk(name=None, args=args[i : i + 7], id=None, index=index)
            pieces.append(AIMessageChunk(content="", tool_call_chunks=[piece]))
    reason = "tool_calls" if message.tool_calls else "stop"
    pieces.append(AIMessageChunk(content="", response_metadata={"finish_reason": reason, **message.response_metadata}))
    usage: Any = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    pieces.append(AIMessageChunk(content="", usage_metadata=usage))
    return pieces
