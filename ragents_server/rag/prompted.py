"""The writer `prompted`: a chat model writes from numbered passages, and what it writes is verified as it leaves."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from ragents_client.v1.answer_pb2 import (
    REFUSAL_REASON_DECLINED,
    REFUSAL_REASON_NOT_ANSWERED,
    Answer,
    Question,
    RefusalReason,
    Usage,
)
from ragents_client.v1.event_pb2 import Delta, Event, Started
from ragents_server.errors import ModelUnavailable
from ragents_server.models.chat import ChatModel, Finish, Piece
from ragents_server.rag.citations import source
from ragents_server.rag.prompts import NOT_ANSWERED, conversation
from ragents_server.rag.retrieval import Found
from ragents_server.rag.support import Evidence
from ragents_server.rag.verified import VerifiedText
from ragents_server.rag.writers import nothing_found, refuse

LONGEST = 256 * 1024  # characters of a model's text; one that does not stop is failing
_FRAME = " \t\r\n*`'\"_"  # what a model may put around the word that refuses
_REASONS = {
    REFUSAL_REASON_NOT_ANSWERED: "No passage says this",
    REFUSAL_REASON_DECLINED: "The model declined to answer",
}


class PromptedWriter:
    """Answers in a chat model's words; a sentence that no passage supports is told as such."""

    def __init__(self, chat: ChatModel) -> None:
        self._chat = chat

    @property
    def model(self) -> str:
        """The chat model's name."""
        return self._chat.model

    async def __call__(self, question: Question, found: Found) -> AsyncGenerator[Event, None]:
        """A delta whenever text may leave, then the answer; without passages the model is not asked."""
        if not found.passages:
            yield nothing_found(question, self._chat.model)
            return
        writing = Writing(found, self._chat.model)
        written = self._chat(conversation(question, found.passages))
        async with aclosing(written) as pieces, aclosing(writing.deltas(pieces)) as deltas:
            async for delta in deltas:
                yield Event(delta=delta)
        if writing.refusal and writing.verified.text:
            yield Event(started=Started(attempt=2))  # what was shown does not count
        yield writing.outcome()


class Writing:
    """One answer while it is written."""

    def __init__(self, found: Found, model: str) -> None:
        self.verified = VerifiedText(Evidence(found), found.passages)
        self.refusal: RefusalReason.ValueType | None = None
        self._passages = found.passages
        self._usage = Usage(model=model, model_calls=1)
        self._opening: str | None = ""  # held while it may still be the word that refuses
        self._length = 0

    async def deltas(self, pieces: AsyncIterator[Piece]) -> AsyncGenerator[Delta, None]:
        """The verified text in deltas; at the end everything has left."""
        sent = 0
        async for piece in pieces:
            if text := self.take(piece):
                yield Delta(offset=sent, text=text)
                sent += len(text.encode())
        if text := self.rest():
            yield Delta(offset=sent, text=text)

    def outcome(self) -> Event:
        """The last event."""
        if self.refusal is not None:
            message = f"{_REASONS[self.refusal]}; closest: {source(self._passages[0])}."
            event = refuse(self.refusal, message, self._passages, self._usage.model)
            event.answer.usage.CopyFrom(self._usage)
            return event
        verified = self.verified
        return Event(
            answer=Answer(
                text=verified.text,
                passages=self._passages,
                citations=verified.citations,
                usage=self._usage,
                unsupported=verified.unsupported,
            )
        )

    def take(self, piece: Piece) -> str:
        """What may leave now that `piece` has come."""
        self._usage.input_tokens += piece.input_tokens
        self._usage.output_tokens += piece.output_tokens
        self._usage.model = piece.model or self._usage.model
        self._length += len(piece.text)
        if self._length > LONGEST:
            raise ModelUnavailable(f"the model {self._usage.model} does not stop writing")
        if piece.finish is Finish.DECLINED:
            self.refusal = REFUSAL_REASON_DECLINED
        if self.refusal is not None:
            return ""
        return self.verified.feed(self._opened(piece.text))

    def _opened(self, text: str) -> str:
        """`text` with what was held before it, once that is not the word that refuses."""
        if self._opening is None:
            return text
        self._opening += text
        begun = self._opening.lstrip(_FRAME)
        if begun.startswith(NOT_ANSWERED):
            self.refusal = REFUSAL_REASON_NOT_ANSWERED
        if NOT_ANSWERED.startswith(begun[: len(NOT_ANSWERED)]):
            return ""
        text, self._opening = self._opening, None
        return text

    def rest(self) -> str:
        """What was still waiting; raises ModelUnavailable where there is nothing at all."""
        if self.refusal is not None:
            return ""
        rest = self.verified.feed(self._opening or "") + self.verified.end()
        if NOT_ANSWERED in self.verified.text and not self.verified.citations:
            self.refusal = REFUSAL_REASON_NOT_ANSWERED  # told after some words of its own
        if not self.verified.text:
            raise ModelUnavailable(f"the model {self._usage.model} wrote nothing")
        return rest
