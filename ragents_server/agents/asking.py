"""Asking a chat model within the run's budget."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from ragents_server.agents.budgets import current_budget
from ragents_server.errors import ModelUnavailable
from ragents_server.models.calling import SECONDS, Schema, Whole, call, name_of
from ragents_server.models.chat import Finish, Message, Piece
from ragents_server.models.rules import Rules


async def ask(
    model: BaseChatModel, messages: Sequence[BaseMessage], *, tools: Sequence[Schema] = ()
) -> AsyncGenerator[str | Whole, None]:
    """What `models.calling.call` gives; its tokens are spent. Raises BudgetSpent where it outlasts the budget."""
    budget = current_budget()
    timeout = min(SECONDS, max(budget.seconds_left, 0.0))
    async with aclosing(call(model, messages, tools=tools, timeout=timeout)) as pieces:
        try:
            async for piece in pieces:
                if isinstance(piece, Whole) and not isinstance(model, Rules):  # which costs nothing
                    budget.spend(piece.model, piece.input_tokens, piece.output_tokens)
                yield piece
        except ModelUnavailable:
            if budget.seconds_left <= 0:
                raise budget.out_of_time() from None
            raise


class Asking:
    """Plays our own role `ChatModel` with a model of LangChain's, within the run's budget."""

    def __init__(self, model: BaseChatModel) -> None:
        self._model = model
        self.model = name_of(model)

    async def __call__(self, messages: Sequence[Message]) -> AsyncGenerator[Piece, None]:
        """Text in pieces, and at last why it ended; its tokens are counted in the budget."""
        kinds = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
        asked: list[BaseMessage] = [kinds[message.role](message.text) for message in messages]
        async with aclosing(ask(self._model, asked)) as pieces:
            async for piece in pieces:
                yield Piece(finish=piece.finish, model=piece.model) if isinstance(piece, Whole) else Piece(piece)

    async def say(self, rules: str, text: str, longest: int) -> str:
        """What the model writes to this, up to `longest` characters; nothing where it declines."""
        written = ""
        async with aclosing(self([Message("system", rules), Message("user", text)])) as pieces:
            async for piece in pieces:
                written += piece.text
                if piece.finish is Finish.DECLINED:
                    return ""
                if len(written) > longest:
                    break
        return written[:longest]
