"""The role `writer`: a question and the passages found for it in, events out, the last one the answer."""

from collections.abc import AsyncGenerator
from typing import Final, Protocol

from ragents_client.v1.answer_pb2 import (
    REFUSAL_REASON_NO_PASSAGES,
    REFUSAL_REASON_NOT_ANSWERED,
    Answer,
    Citation,
    Passage,
    Question,
    Refusal,
    RefusalReason,
    Span,
    Usage,
)
from ragents_client.v1.event_pb2 import Delta, Event
from ragents_server.models.embeddings import Vectors
from ragents_server.rag.citations import byte_span, cite, source
from ragents_server.rag.extractive import Candidate, Extraction, extract
from ragents_server.rag.retrieval import Found

WRITERS = {
    "extractive": "ragents_server.rag.writers:ExtractiveWriter",
    "prompted": "ragents_server.rag.prompted:PromptedWriter",
}


class Writer(Protocol):
    """Writes an answer from passages; its last event is the Answer, which cites nothing but these passages."""

    @property
    def model(self) -> str:
        """Who writes, as an answer's usage names it."""
        ...

    def __call__(self, question: Question, found: Found) -> AsyncGenerator[Event, None]:
        """The events of the writing."""
        ...


def refuse(reason: RefusalReason.ValueType, message: str, passages: tuple[Passage, ...], model: str) -> Event:
    """An answer that says why there is none."""
    refusal = Refusal(reason=reason, message=message)
    return Event(answer=Answer(text=message, passages=passages, refusal=refusal, usage=Usage(model=model)))


def nothing_found(question: Question, model: str) -> Event:
    """The refusal where retrieval found nothing."""
    where = ", ".join(question.collections)
    return refuse(
        REFUSAL_REASON_NO_PASSAGES, f"There is nothing to answer from in {where}: no passage was found.", (), model
    )


class ExtractiveWriter:
    """Answers in the documents' own sentences, each cited; refuses when none of them says what was asked."""

    model: Final = "extractive"

    async def __call__(self, question: Question, found: Found) -> AsyncGenerator[Event, None]:
        """One delta a sentence, then the answer."""
        if not found.passages:
            yield nothing_found(question, self.model)
            return
        extraction = extract(found.question, found.vector, await candidates(found), found.idf)
        if not extraction.answered:
            yield refuse(REFUSAL_REASON_NOT_ANSWERED, _why(extraction, found.passages), found.passages, self.model)
            return
        text, citations = "", list[Citation]()
        for citation, piece in _pieces(extraction, found.passages):
            yield Event(delta=Delta(offset=len(text.encode()), text=piece))
            text += piece
            citations.append(citation)
        usage = Usage(model=self.model)
        yield Event(answer=Answer(text=text, passages=found.passages, citations=citations, usage=usage))


async def candidates(found: Found) -> list[Candidate]:
    """The passages with their sentences' vectors; those still being made are made here."""
    missing = [i for i, vectors in enumerate(found.sentence_vectors) if vectors is None]
    texts, spans = [found.passages[i].text for i in missing], [found.sentences[i] for i in missing]
    made = await found.embeddings.embed_passages(texts, spans) if missing else []
    fresh = {i: vectors.sentences for i, vectors in zip(missing, made, strict=True)}

    def candidate(i: int, passage: Passage, stored: Vectors | None) -> Candidate:
        vectors = fresh[i] if stored is None else stored
        return Candidate(i, passage.text, found.sentences[i], vectors, passage.heading)

    return [candidate(i, *row) for i, row in enumerate(zip(found.passages, found.sentence_vectors, strict=True))]


def _pieces(extraction: Extraction, passages: tuple[Passage, ...]) -> list[tuple[Citation, str]]:
    """Each selected sentence with its marker, and its citation at its place in the answer."""
    pieces, at = list[tuple[Citation, str]](), 0
    for selected in extraction.selected:
        passage = passages[selected.passage]
        sentence = " ".join(passage.text[selected.start : selected.end].split())
        lead = " " if pieces else ""
        piece = f"{lead}{sentence} [{selected.passage + 1}]"
        first = at + len(lead)
        quote = byte_span(passage.text, selected.start, selected.end)
        answer = Span(start=first, end=first + len(sentence.encode()))
        pieces.append((cite(selected.passage + 1, passage, quote, answer), piece))
        at += len(piece.encode())
    return pieces


def _why(extraction: Extraction, passages: tuple[Passage, ...]) -> str:
    closest = passages[extraction.closest.passage if extraction.closest else 0]
    return f"No passage says this; closest: {source(closest)}."
