"""Calling a chat model of LangChain's with tools: text as it comes, and last the whole message with what it calls.

What comes is bounded and clean. Arguments of a call are read strictly: LangChain completes JSON that was cut off, and a
tool must not be called with half of what was meant.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, InvalidToolCall, ToolCall
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.messages.tool import invalid_tool_call, tool_call

from ragents_server.errors import ModelUnavailable
from ragents_server.models.chat import Finish
from ragents_server.models.plain import Joining, Plain, clean, plain
from ragents_server.models.provider_errors import failure
from ragents_server.models.providers import finish_of
from ragents_server.models.streams import next_piece

LONGEST = 256 * 1024  # characters of text and arguments; a model that does not stop is failing
SECONDS = 600.0  # providers' own clients have the timeout that is set, for each wait
MOST_CALLS = 64  # of tools in one message
HAND_OVER = "hand_over"
"""In a message's response metadata: who is to go on, `writer`. Only our own model `rules` says so."""
WROTE = "ragents_wrote"
"""In one piece's response metadata: the name of the model that wrote, where it is not the one that was asked."""


@dataclass(frozen=True, slots=True)
class Whole:
    """The end of a call: the message, without anything that cannot be stored, and what it cost.

    `message.tool_calls` are those that can be called, `message.invalid_tool_calls` those that cannot be read.
    """

    message: AIMessage
    finish: Finish
    model: str  # who wrote it
    input_tokens: int = 0
    output_tokens: int = 0


Schema: TypeAlias = dict[str, Any]


def schema_of(name: str, description: str, parameters: Mapping[str, Any]) -> Schema:
    """A tool as every provider's `bind_tools` takes it."""
    function = {"name": name, "description": description, "parameters": dict(parameters)}
    return {"type": "function", "function": function}


def calls_tools(model: BaseChatModel) -> bool:
    """Whether tools can be bound to it."""
    return type(model).bind_tools is not BaseChatModel.bind_tools


def name_of(model: BaseChatModel) -> str:
    """The model's name in usages and failures."""
    named = model.name or getattr(model, "model_name", None) or getattr(model, "model", None)
    return str(named or model._llm_type)


async def call(
    model: BaseChatModel, messages: Sequence[BaseMessage], *, tools: Sequence[Schema] = (), timeout: float = SECONDS
) -> AsyncGenerator[str | Whole, None]:
    """Text in pieces, then the Whole; `timeout` seconds are for all of it, and closing the generator ends the call.

    Raises ModelUnavailable, ModelQuota and ContextTooLong.
    """
    name, deadline = name_of(model), asyncio.get_running_loop().time() + timeout
    bound: Any = model.bind_tools(list(tools)) if tools else model
    joining, size, chunks = Joining(), 0, list[AIMessage]()
    async with aclosing(bound.astream(list(messages))) as stream:
        while (chunk := await next_piece(stream, name, deadline, timeout)) is not None:
            chunks.append(chunk)
            size += len(str(chunk.text)) + sum(len(one["args"] or "") for one in _pieces(chunk))
            if size > LONGEST:
                raise ModelUnavailable(f"the model {name} does not stop writing")
            if text := joining.feed(str(chunk.text)):
                yield text
    if text := joining.end():
        yield text
    try:
        yield _whole(chunks, name)
    except ModelUnavailable:
        raise
    except Exception as error:
        raise failure(error, name) from error


def _pieces(message: AIMessage) -> Sequence[Any]:
    return message.tool_call_chunks if isinstance(message, AIMessageChunk) else ()


def _whole(chunks: Sequence[AIMessage], name: str) -> Whole:
    streamed = [chunk for chunk in chunks if isinstance(chunk, AIMessageChunk)]
    message = add_ai_message_chunks(*streamed) if streamed else next(iter(chunks), AIMessage(""))
    finish = next(filter(None, map(finish_of, chunks)), None)
    if finish is None and streamed:
        raise ModelUnavailable(f"the model {name} was cut off while it wrote")
    read, unread = _read(message)
    said = str(message.text).strip() or read or unread or message.response_metadata.get(HAND_OVER)
    if not said and finish is not Finish.DECLINED:
        raise ModelUnavailable(f"the model {name} wrote nothing")
    usage: Mapping[str, Any] = message.usage_metadata or {}
    metadata = _stored(message.response_metadata)
    wrote = str(metadata.pop(WROTE, name))
    whole = AIMessage(
        content=_blocks(message),
        additional_kwargs=_stored(message.additional_kwargs),
        response_metadata=metadata,
        tool_calls=read,
        invalid_tool_calls=unread,
        id=clean(message.id) if message.id else None,
    )
    return Whole(whole, finish or Finish.DONE, wrote, usage.get("input_tokens", 0), usage.get("output_tokens", 0))


def _blocks(message: AIMessage) -> Any:
    """Text, or blocks where a provider has them and wants them back as they were."""
    return plain(message.content)


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    stored = plain(values)
    return stored if isinstance(stored, dict) else {}


def _read(message: AIMessage) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    """The calls in the order in which they were written, each with an id of its own."""
    read, unread, seen = list[ToolCall](), list[InvalidToolCall](), set[str]()
    raw: list[Any] = list(_pieces(message)) or [*message.tool_calls, *message.invalid_tool_calls]
    for place, one in enumerate(raw[:MOST_CALLS]):
        name, identity = clean(str(one.get("name") or "")), clean(str(one.get("id") or ""))
        if not identity or identity in seen:
            identity = f"{identity or 'call'}_{place}"
        seen.add(identity)
        try:
            read.append(tool_call(name=name, args=_arguments(one.get("args")), id=identity))
        except (ValueError, RecursionError) as error:
            told = clean(str(one.get("args") or ""))
            unread.append(invalid_tool_call(name=name, args=told, id=identity, error=clean(str(error))))
    return read, unread


def _arguments(args: Any) -> dict[str, Plain]:
    """The arguments of a call; ValueError says what is wrong with them."""
    given = json.loads(args or "{}") if isinstance(args, str | None) else args
    arguments = plain(given)
    if not isinstance(arguments, dict):
        raise ValueError("the arguments are not an object")
    return arguments
