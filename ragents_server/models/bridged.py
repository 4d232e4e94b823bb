"""A chat model of our own role, or one's own by import path, as LangChain's: it writes text and calls no tools."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from ragents_server.models.asynchronous import Asynchronous
from ragents_server.models.chat import ChatModel, Finish, Message

_ROLES: dict[str, Any] = {"system": "system", "ai": "assistant"}  # all else is the user's
_FINISHES = {Finish.DONE: "stop", Finish.CUT: "length", Finish.DECLINED: "content_filter"}


class Bridged(Asynchronous):
    """Plays LangChain's chat model with a ChatModel."""

    chat: Any  # a ChatModel; pydantic cannot check a Protocol

    def model_post_init(self, _: Any, /) -> None:
        """Its name is the ChatModel's."""
        chat: ChatModel = self.chat
        self.name = self.name or chat.model

    @property
    def _llm_type(self) -> str:
        return "bridged"

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's signature
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with aclosing(self.chat(_sent(messages))) as pieces:
            async for piece in pieces:
                metadata = {"finish_reason": _FINISHES[piece.finish]} if piece.finish else {}
                tokens = piece.input_tokens, piece.output_tokens
                usage = {"input_tokens": tokens[0], "output_tokens": tokens[1], "total_tokens": sum(tokens)}
                chunk = AIMessageChunk(content=piece.text, response_metadata=metadata, usage_metadata=usage)
                yield ChatGenerationChunk(message=chunk)


def _sent(messages: Sequence[BaseMessage]) -> list[Message]:
    return [Message(_ROLES.get(message.type, "user"), str(message.text)) for message in messages]
