"""The end of a turn whose model chose tools and writes nothing: what they returned, and what the writer makes of it."""

from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import chain

from ragents_client.v1.answer_pb2 import (
    REFUSAL_REASON_NOT_ANSWERED,
    Answer,
    Question,
    Span,
)
from ragents_client.v1.event_pb2 import Delta, Event
from ragents_server.agents.agent import Kit, tell
from ragents_server.agents.budgets import current_budget
from ragents_server.agents.tools.retrieving import searched
from ragents_server.agents.tools.tool import Called
from ragents_server.agents.transcript import Transcript, Wanted
from ragents_server.caller import current_caller
from ragents_server.rag.citations import byte_span, cite
from ragents_server.rag.rewriting import merge
from ragents_server.rag.writers import Writer, refuse

RETRIEVE = "retrieve"
_NO_TOOL = "No tool that may be called for you answers this."


async def written(kit: Kit, turn: Transcript, question: Question) -> Answer:
    """The turn's answer, told in deltas: computed results first, then the writer's words, then opened documents."""
    pairs = [(one, turn.called[one.place]) for one in chain.from_iterable(turn.calls) if one.place in turn.called]
    searches = [one for one, called in pairs if one.name == RETRIEVE and not called.result.HasField("failure")]
    given = [called for _, called in pairs if called.answers and not called.result.HasField("failure")]
    if searches and not given:
        return await _write(kit, question, searches, tells=True)
    if not searches and not given:
        return _refused(kit.writer, [called for _, called in pairs])
    whole = _Whole(kit.writer.model)
    for called in given:
        if not called.passages:
            whole.say(called.result.text)
    if searches:
        whole.add(await _write(kit, question, searches, tells=False))
    for called in given:
        whole.quote(called)
    tell(Event(delta=Delta(offset=0, text=whole.answer.text)))
    return whole.answer


async def _write(kit: Kit, question: Question, searches: list[Wanted], *, tells: bool) -> Answer:
    """The writer's answer from what these searches find; they were made a moment ago, so a cache has them."""
    founds = [await searched(kit.retriever, question, current_caller(), one.arguments) for one in searches]
    most = max(len(found.passages) for found in founds)
    answer = Answer()
    async with aclosing(kit.writer(question, merge(founds, max(most, len(founds))))) as events:
        async for event in events:
            if event.HasField("answer"):
                answer = event.answer
            elif tells:
                tell(event)
    spent(answer)
    return answer


def spent(answer: Answer) -> None:
    """Counts what a writer used, and tells in the answer all that the run has used."""
    usage, budget = answer.usage, current_budget()
    if usage.model_calls:
        budget.spend(usage.model, usage.input_tokens, usage.output_tokens)
    total = budget.usage()
    total.model = usage.model
    usage.CopyFrom(total)


def _refused(writer: Writer, called: list[Called]) -> Answer:
    """The refusal where every call failed, in the words of the last one."""
    failures = [one.result.failure.message for one in called if one.result.HasField("failure")]
    why = failures[-1] if failures else _NO_TOOL
    return refuse(REFUSAL_REASON_NOT_ANSWERED, f"{why[0].upper()}{why[1:]}", (), writer.model).answer


@dataclass(slots=True)
class _Whole:
    """An answer that is put together from several."""

    model: str
    answer: Answer = field(default_factory=Answer)

    def __post_init__(self) -> None:
        self.answer.usage.model = self.model

    def say(self, text: str) -> int:
        """Adds a paragraph; gives the byte where it begins."""
        if self.answer.text:
            self.answer.text += "\n\n"
        begin = len(self.answer.text.encode())
        self.answer.text += text
        return begin

    def add(self, written: Answer) -> None:
        """Adds a writer's answer, before any other passages: its markers keep their numbers."""
        begin = self.say(written.text)
        self.answer.passages.extend(written.passages)
        self.answer.usage.CopyFrom(written.usage)
        for citation in written.citations:
            moved = self.answer.citations.add()
            moved.CopyFrom(citation)
            _move(moved.answer_span, begin)
        for span in written.unsupported:
            _move(self.answer.unsupported.add(start=span.start, end=span.end), begin)

    def quote(self, called: Called) -> None:
        """Adds passages in their own words, each cited as a whole."""
        for number, passage in enumerate(called.passages, len(self.answer.passages) + 1):
            words = passage.text.strip()
            begin = self.say(f"{words} [{number}]")
            before = len(passage.text) - len(passage.text.lstrip())
            quote = byte_span(passage.text, before, before + len(words))
            answer = Span(start=begin, end=begin + len(words.encode()))
            self.answer.citations.append(cite(number, passage, quote, answer))
        self.answer.passages.extend(called.passages)


def _move(span: Span, by: int) -> None:
    span.start += by
    span.end += by
