"""The RAG engine: a question in, events out, the last one the answer."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from ragents_client.v1.answer_pb2 import Answer, Question
from ragents_client.v1.event_pb2 import Event, Retrieved, Started, Step
from ragents_server.caller import Caller
from ragents_server.rag.retrieval import Retriever
from ragents_server.rag.writers import Writer
from ragents_server.signals import span


class Answerer(Protocol):
    """Whatever answers: an async generator of Events whose last one is the Answer."""

    def __call__(self, question: Question, caller: Caller) -> AsyncGenerator[Event, None]:
        """The events of one answer."""
        ...


class Engine:
    """Retrieves, then writes. It knows of no cache, queue, breaker, batcher or trace: those wrap its parts."""

    def __init__(self, retrieval: Retriever, writer: Writer) -> None:
        self._retrieval = retrieval
        self._writer = writer

    async def __call__(self, question: Question, caller: Caller) -> AsyncGenerator[Event, None]:
        """started, step and retrieved, then what the writer tells; numbered from 1."""
        seq = 0
        async with aclosing(self._events(question, caller)) as events:
            async for event in events:
                seq += 1
                event.seq = seq
                yield event

    async def _events(self, question: Question, caller: Caller) -> AsyncGenerator[Event, None]:
        yield Event(started=Started(attempt=1))
        yield Event(step=Step(name="retrieve"))
        found = await self._retrieval(question, caller)
        yield Event(retrieved=Retrieved(passages=found.passages))
        yield Event(step=Step(name="write"))
        with span("write", passages=len(found.passages)):
            async with aclosing(self._writer(question, found)) as events:
                async for event in events:
                    yield event


async def last_answer(events: AsyncGenerator[Event, None]) -> Answer:
    """The answer that a stream of events ends in."""
    answer: Answer | None = None
    async for event in events:
        if event.HasField("answer"):
            answer = event.answer
    if answer is None:
        raise AssertionError("a stream of events ended without an answer")
    return answer
