"""Chat models of LangChain's behind the same breakers, as one model that agents call with tools."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, message_chunk_to_message
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from pydantic import Field

from ragents_server.errors import ModelUnavailable
from ragents_server.models.asynchronous import Asynchronous
from ragents_server.models.bridged import Bridged
from ragents_server.models.calling import SECONDS, WROTE, calls_tools, name_of
from ragents_server.models.chat import ChatModel
from ragents_server.models.generations import generating
from ragents_server.models.guarded import Choice, GuardedChat, first_that_serves
from ragents_server.models.providers import LangChainChat, finish_of
from ragents_server.models.streams import next_piece


def for_agents(chat: ChatModel) -> BaseChatModel:
    """The chat model as agents take it: with tools where the first of its chain has them."""
    if isinstance(chat, LangChainChat):
        return chat.langchain
    if not (isinstance(chat, GuardedChat) and isinstance(chat.choices[0].model, LangChainChat)):
        return Bridged(chat=chat)
    models = [(one.upstream, one.model) for one in chat.choices]
    choices = [Choice(upstream, model.langchain) for upstream, model in models if isinstance(model, LangChainChat)]
    if not calls_tools(choices[0].model):
        return Guarded(choices=choices, metering=chat.metering)
    callers = [choice for choice in choices if calls_tools(choice.model)]
    return GuardedCaller(choices=callers, metering=chat.metering)


class Guarded(Asynchronous):
    """Plays LangChain's chat model with the first of `choices` that serves."""

    choices: Any  # of Choice[BaseChatModel], which pydantic would copy
    metering: Any  # Metering, which the copies with tools share
    tools: Any = None  # bound to whichever model is asked
    options: dict[str, Any] = Field(default_factory=dict)  # of that binding

    def model_post_init(self, _: Any, /) -> None:
        """Its name is the first one's."""
        self.name = self.name or name_of(self.choices[0].model)

    @property
    def _llm_type(self) -> str:
        return "guarded"

    async def astream(  # type: ignore[override] # LangChain's own parts take whatever messages there are
        self,
        input: Any,  # noqa: A002 - LangChain's name
        config: Any = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[AIMessage, None]:
        """The messages of one model, as they come from it; one of them tells its name, where it is not the first."""

        def ask(model: BaseChatModel) -> AsyncGenerator[AIMessage, None]:
            return self._asked(model, input, config, stop=stop, **kwargs)

        unmarked = True
        async with (
            self.metering.call(_characters(input)) as counted,
            aclosing(first_that_serves(self.choices, ask, _says)) as told,
        ):
            with generating(str(self.name), lambda: _said(input)) as generation:
                async for choice, message in told:
                    counted.add(*_tokens(message))
                    choice.upstream.used(*_tokens(message))
                    generation.add(name_of(choice.model), str(message.text), *_tokens(message))
                    if unmarked and (name := name_of(choice.model)) != self.name:
                        message.response_metadata = {**message.response_metadata, WROTE: name}
                        unmarked = False
                    yield message

    async def _asked(
        self, model: BaseChatModel, messages: Any, config: Any, **kwargs: Any
    ) -> AsyncGenerator[AIMessage, None]:
        """What one model says; ModelUnavailable where it was cut off."""
        name, deadline = name_of(model), asyncio.get_running_loop().time() + SECONDS
        bound: Any = model.bind_tools(self.tools, **self.options) if self.tools else model
        streamed = finished = False
        async with aclosing(bound.astream(messages, config, **kwargs)) as stream:
            while (message := await next_piece(stream, name, deadline, SECONDS)) is not None:
                streamed = streamed or isinstance(message, AIMessageChunk)
                finished = finished or finish_of(message) is not None
                yield message
        if streamed and not finished:
            raise ModelUnavailable(f"the model {name} was cut off while it wrote")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,
    ) -> ChatResult:
        async with aclosing(self.astream(messages, stop=stop, **kwargs)) as told:
            said = [message async for message in told]
        chunks = [message for message in said if isinstance(message, AIMessageChunk)]
        whole = message_chunk_to_message(add_ai_message_chunks(*chunks)) if chunks else said[0]
        return ChatResult(generations=[ChatGeneration(message=whole)])


class GuardedCaller(Guarded):
    """The same where they all call tools."""

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Itself with these tools."""
        return self.model_copy(update={"tools": list(tools), "options": kwargs})


def _characters(messages: Any) -> int:
    """Of messages, in whatever form LangChain takes them."""
    given = [messages] if isinstance(messages, str) else list(messages)
    return sum(len(str(one.content if isinstance(one, BaseMessage) else one)) for one in given)


def _said(messages: Any) -> list[tuple[str, str]]:
    """Who says what, of such messages."""
    given = [messages] if isinstance(messages, str) else list(messages)
    return [(one.type, str(one.text)) if isinstance(one, BaseMessage) else ("user", str(one)) for one in given]


def _tokens(message: AIMessage) -> tuple[int, int]:
    usage = message.usage_metadata
    return (usage["input_tokens"], usage["output_tokens"]) if usage else (0, 0)


def _says(message: AIMessage) -> bool:
    """Whether it has some of the answer: text, or some of a call."""
    calls = message.tool_call_chunks if isinstance(message, AIMessageChunk) else message.tool_calls
    return bool(str(message.text) or calls)
