"""Asking a chat model within the run's budget."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from ragents_server.agents.budgets import current_budget
from ragents_server.models.calling import SECONDS, Schema, Whole, call, name_of
from ragents_server.models.chat import Finish
from ragents_server.models.rules import Rules


async def ask(
    model: BaseChatModel, messages: Sequence[BaseMessage], *, tools: Sequence[Schema] = ()
) -> AsyncGenerator[str | Whole, None]:
    """What `models.calling.call` gives; the call ends with the budget's time, and its tokens are spent."""
    budget = current_budget()
    timeout = min(SECONDS, max(budget.seconds_left, 0.0))
    async with aclosing(call(model, messages, tools=tools, timeout=timeout)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Whole) and not isinstance(model, Rules):  # which is no model that costs anything
                budget.spend(name_of(model), piece.input_tokens, piece.output_tokens)
            yield piece


async def said(model: BaseChatModel, rules: str, text: str, *, longest: int) -> str:
    """What the model writes to this, cut at `longest` characters; nothing where it declines."""
    written, declined = list[str](), False
    async with aclosing(ask(model, [SystemMessage(rules), HumanMessage(text)])) as pieces:
        async for piece in pieces:
            if isinstance(piece, Whole):
                declined = piece.finish is Finish.DECLINED
            else:
                written.append(piece)
    return "" if declined else "".join(written)[:longest]
