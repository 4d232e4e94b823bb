"""An answer that is put together from several: what tools computed, what writers wrote, what documents say."""

from dataclasses import dataclass, field

from ragents_client.v1.answer_pb2 import Answer, Citation, Passage, Span
from ragents_server.agents.budgets import current_budget
from ragents_server.rag.citations import byte_span, cite


def spent(answer: Answer) -> None:
    """Counts what a writer used, and tells in its answer all that the run has used."""
    usage, budget = answer.usage, current_budget()
    if usage.model_calls:
        budget.spend(usage.model, usage.input_tokens, usage.output_tokens)
    total = budget.usage()
    total.model = usage.model
    usage.CopyFrom(total)


def identity(passage: Passage) -> tuple[str, str, int, int]:
    """What makes two passages the same."""
    return passage.document.id or passage.document.name, passage.version, passage.span.start, passage.span.end


@dataclass(slots=True)
class Joined:
    """The answer so far; each passage is in it once."""

    answer: Answer = field(default_factory=Answer)
    _numbers: dict[tuple[str, str, int, int], int] = field(default_factory=dict)

    def say(self, text: str) -> int:
        """Adds a paragraph; gives the byte where it begins."""
        if self.answer.text:
            self.answer.text += "\n\n"
        begin = len(self.answer.text.encode())
        self.answer.text += text
        return begin

    def add(self, written: Answer) -> None:
        """Adds a writer's answer, its markers with the numbers that its passages have here."""
        numbers = [self._number(passage) for passage in written.passages]
        self.answer.usage.CopyFrom(written.usage)
        if numbers == list(range(1, len(numbers) + 1)):
            self._move(written, self.say(written.text))
        else:
            self._renumber(written, numbers)

    def quote(self, passages: tuple[Passage, ...]) -> None:
        """Adds passages in their own words, each cited as a whole."""
        for passage in passages:
            number, words = self._number(passage), passage.text.strip()
            begin = self.say(f"{words} [{number}]")
            first = len(passage.text) - len(passage.text.lstrip())
            quote = byte_span(passage.text, first, first + len(words))
            said = Span(start=begin, end=begin + len(words.encode()))
            self.answer.citations.append(cite(number, passage, quote, said))

    def _number(self, passage: Passage) -> int:
        number = self._numbers.setdefault(identity(passage), len(self._numbers) + 1)
        if number > len(self.answer.passages):
            self.answer.passages.append(passage)
        return number

    def _move(self, written: Answer, begin: int) -> None:
        for citation in written.citations:
            self._cite(citation, citation.number, begin + citation.answer_span.start, begin + citation.answer_span.end)
        for span in written.unsupported:
            self.answer.unsupported.add(start=begin + span.start, end=begin + span.end)

    def _renumber(self, written: Answer, numbers: list[int]) -> None:
        """As the embedded writer writes: each citation's marker follows right behind it, and all is supported."""
        begin = self.say("")
        content, text, at = written.text.encode(), b"", 0
        for citation in written.citations:
            span, number = citation.answer_span, numbers[citation.number - 1]
            start = begin + len(text) + span.start - at
            self._cite(citation, number, start, start + span.end - span.start)
            text += content[at : span.end] + f" [{number}]".encode()
            at = span.end + len(f" [{citation.number}]")
        self.answer.text += (text + content[at:]).decode()

    def _cite(self, citation: Citation, number: int, start: int, end: int) -> None:
        moved = self.answer.citations.add()
        moved.CopyFrom(citation)
        moved.number = number
        moved.answer_span.start, moved.answer_span.end = start, end
