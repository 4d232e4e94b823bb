"""A model's own words as an answer: verified as they come, against the passages and results of the turn."""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from langchain_core.language_models import BaseChatModel

from ragents_client.v1.answer_pb2 import (
    REFUSAL_REASON_DECLINED,
    REFUSAL_REASON_NOT_ANSWERED,
    Answer,
    Passage,
    Question,
    Span,
)
from ragents_client.v1.event_pb2 import Delta
from ragents_server.agents.transcript import Transcript
from ragents_server.ingest.sentences import sentences
from ragents_server.models.calling import name_of
from ragents_server.models.chat import Finish, Piece
from ragents_server.rag.prompted import Writing
from ragents_server.rag.retrieval import Found
from ragents_server.rag.support import Evidence
from ragents_server.rag.writers import nothing_found, refuse

_WHY = {
    REFUSAL_REASON_NOT_ANSWERED: "Nothing that was found says this.",
    REFUSAL_REASON_DECLINED: "The model declined to answer.",
}


class Wording:
    """What a model writes at the end of a turn, or what looks like it until a call follows."""

    def __init__(self, turn: Transcript, model: BaseChatModel) -> None:
        self.told = ""  # has left in deltas
        self._turn = turn
        self._name = name_of(model)

    @cached_property
    def _writing(self) -> Writing:  # of no use to a message that only calls tools
        return Writing(evidence(self._turn.passages), self._name)

    def feed(self, text: str) -> Iterator[Delta]:
        """What may leave now that `text` has come."""
        yield from self._delta(self._writing.take(Piece(text)))

    def end(self, finish: Finish) -> Iterator[Delta]:
        """What was still waiting, once the model has stopped for this reason."""
        yield from self._delta(self._writing.take(Piece(finish=finish)))
        yield from self._delta(self._writing.rest())

    def answer(self, question: Question) -> Answer:
        """The answer. Where the turn found nothing it is a refusal, whatever the model wrote."""
        turn, refusal = self._turn, self._writing.refusal
        if turn.called and not turn.passages and not turn.texts:
            return nothing_found(question, self._name).answer
        if refusal is not None and not turn.passages:
            return refuse(refusal, _WHY[refusal], (), self._name).answer
        answer = self._writing.outcome().answer
        unsupported = [span for span in answer.unsupported if not self._returned(answer.text, span, question.text)]
        del answer.unsupported[:]
        answer.unsupported.extend(unsupported)
        return answer

    def _delta(self, text: str) -> Iterator[Delta]:
        if text:
            yield Delta(offset=len(self.told.encode()), text=text)
            self.told += text

    def _returned(self, text: str, span: Span, question: str) -> bool:
        """Whether a tool returned what a sentence says; words may be the question's, numbers must be the result's."""
        said = text.encode()[span.start : span.end].decode()
        words = re.sub(r"\d", "", question)
        told = Evidence(evidence([Passage(text=result, heading=words) for result in self._turn.texts]))
        return any(told.quote(said, number) for number in range(1, len(told) + 1))


def evidence(passages: Sequence[Passage]) -> Found:
    """Passages as evidence for what is said of them; nothing can be searched with it."""
    nothing: Any = None
    return Found(
        question="",
        vector=np.zeros(1, np.float32),
        passages=tuple(passages),
        sentences=tuple(tuple(sentences(passage.text)) for passage in passages),
        sentence_vectors=(None,) * len(passages),
        idf={},
        embeddings=nothing,
    )
