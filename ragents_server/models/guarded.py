"""Chat models of our role behind their breakers: the first one writes, and while it cannot, the next one of the chain.

The next is asked when the one before it is closed, or has failed before anything of its answer was told. A text that is
too long for a model is told to the caller: which model has room for it is not known here.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from ragents_server.errors import ModelUnavailable
from ragents_server.models.chat import ChatModel, Message, Piece
from ragents_server.models.generations import generating
from ragents_server.models.metered import Metering
from ragents_server.models.upstream import Upstream

M = TypeVar("M")
T = TypeVar("T")

MOST_HELD = 1000  # pieces that say nothing, before they are told all the same


@dataclass(frozen=True, slots=True)
class Choice(Generic[M]):
    """One model of a chain, and the way to it."""

    upstream: Upstream
    model: M


class GuardedChat:
    """Plays `ChatModel` with the first of `choices` that serves; a piece tells who wrote it, where it was another."""

    def __init__(self, choices: Sequence[Choice[ChatModel]], metering: Metering) -> None:
        self.model = choices[0].model.model
        self.choices = tuple(choices)
        self.metering = metering

    async def __call__(self, messages: Sequence[Message]) -> AsyncGenerator[Piece, None]:
        """The pieces of one model. Raises ModelUnavailable, ModelQuota, ContextTooLong and RateLimited."""
        told = first_that_serves(self.choices, lambda model: model(messages), lambda piece: bool(piece.text))
        characters = sum(len(message.text) for message in messages)
        async with self.metering.call(characters) as counted, aclosing(told) as pieces:
            with generating(self.model, lambda: [(one.role, one.text) for one in messages]) as generation:
                async for choice, piece in pieces:
                    counted.add(piece.input_tokens, piece.output_tokens)
                    choice.upstream.used(piece.input_tokens, piece.output_tokens)
                    name = choice.model.model
                    generation.add(name, piece.text, piece.input_tokens, piece.output_tokens)
                    yield piece if name == self.model else replace(piece, model=name)


async def first_that_serves(
    choices: Sequence[Choice[M]], ask: Callable[[M], AsyncGenerator[T, None]], says: Callable[[T], bool]
) -> AsyncGenerator[tuple[Choice[M], T], None]:
    """The pieces of the first that serves, with whose they are; `says` tells which pieces are some of the answer.

    Where none serves, the first one's failure is raised: its name is the one that the caller knows.
    """
    failure: ModelUnavailable | None = None
    for choice in choices:
        told = False
        try:
            async with aclosing(_tried(choice, ask, says)) as pieces:
                async for piece in pieces:
                    told = True
                    yield choice, piece
            return
        except ModelUnavailable as error:
            if told:
                raise
            failure = failure or error
    raise failure or AssertionError("there is no model to ask")


async def _tried(
    choice: Choice[M], ask: Callable[[M], AsyncGenerator[T, None]], says: Callable[[T], bool]
) -> AsyncGenerator[T, None]:
    """The pieces of the attempt that served; what came before its first word is told with that."""
    async for attempt in choice.upstream.attempts():
        with attempt:
            held = list[T]()
            async with aclosing(ask(choice.model)) as pieces:
                async for piece in pieces:
                    held.append(piece)
                    if attempt.told or says(piece) or len(held) > MOST_HELD:
                        attempt.tell()
                        for one in held:
                            yield one
                        held.clear()
            for one in held:
                yield one
            return
