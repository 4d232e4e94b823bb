"""Parts that work only with one of the server's slots: what stands beneath the caches."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from ragents_client.v1.answer_pb2 import Question
from ragents_client.v1.event_pb2 import Event, Queued
from ragents_server.caller import Caller
from ragents_server.execution import LOOK, PROMPTLY, current_execution
from ragents_server.models.chat import ChatModel, Message, Piece
from ragents_server.rag.retrieval import Found, Retriever
from ragents_server.rag.writers import Writer


class AdmittedRetriever:
    """Plays `Retriever`; the slot is kept for the writing."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever

    async def __call__(self, question: Question, caller: Caller) -> Found:
        """What was found. Raises Overloaded and DeadlineTooShort."""
        await current_execution().take_slot()
        return await self._retriever(question, caller)


class AdmittedWriter:
    """Plays `Writer`; the slot is given back when the answer is written."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    @property
    def model(self) -> str:
        """Who writes."""
        return self._writer.model

    async def __call__(self, question: Question, found: Found) -> AsyncGenerator[Event, None]:
        """The events of the writing. Raises Overloaded and DeadlineTooShort."""
        execution = current_execution()
        await execution.take_slot()
        well = False
        try:
            async with aclosing(self._writer(question, found)) as events:
                async for event in events:
                    yield event
            well = True
        finally:
            execution.let_go(well=well)


class AdmittedChatModel:
    """Plays `ChatModel`, for what rewrites questions before they are searched for."""

    def __init__(self, chat: ChatModel) -> None:
        self._chat = chat
        self.model = chat.model

    async def __call__(self, messages: Sequence[Message]) -> AsyncGenerator[Piece, None]:
        """The pieces as they come. Raises Overloaded and DeadlineTooShort."""
        await current_execution().take_slot()
        async with aclosing(self._chat(messages)) as pieces:
            async for piece in pieces:
                yield piece


async def telling_places(events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """The events, and between them, without a number, how many calls are before this one while it waits for a slot."""
    execution, told = current_execution(), None
    while True:
        coming = asyncio.ensure_future(anext(events, None))
        try:
            pause = PROMPTLY
            while not (await asyncio.wait([coming], timeout=pause))[0]:
                position, pause = execution.position(), LOOK
                if position is not None and position != told:
                    told = position
                    yield Event(queued=Queued(position=position))
        finally:
            if not coming.done():
                coming.cancel()
                await asyncio.wait([coming])
        if (event := coming.result()) is None:
            return
        yield event
