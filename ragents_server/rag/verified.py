"""A model's text on its way out: what leaves is verified first, word by word, and sentence by sentence where it must.

- A marker leaves when the passage it names supports the words before it, back to the marker before, else it is
  dropped. So markers and citations are the same thing.
- A link leaves when it stands in a passage that its own sentence cites; until that is known its sentence waits.
- A sentence that is not supported to its end is noted in `unsupported`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ragents_client.v1.answer_pb2 import Citation, Passage, Span
from ragents_server.ingest.sentences import sentences
from ragents_server.rag.citations import byte_span, cite
from ragents_server.rag.links import links, without
from ragents_server.rag.support import Evidence, says_something

_MARKER = re.compile(r"[\[［【]\s*\^?\d{1,4}(?:\s*[,;–-]\s*\d{1,4})*\s*[\]］】]")
_MARKER_BEGUN = re.compile(r"[\[［【][\s\d^,;–-]{0,40}\Z")
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[\[［【]?[^\s\[［【。！？]*[。！？]*")  # scripts without spaces: a word ends with the sentence
_STOP = re.compile(r"[.!?…。！？][\"'”’»)\]*_]*\Z")
_CLOSING = re.compile(r"[.,;:!?…。！？)\"'”’»*_]+")
_JOINING = " \t\r\n\u00a0,;:–-*•#>"
_NOT_SHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u0085\u2028\u2029]")
_MOST_NUMBERS = 10  # that [1-9] may stand for
_LONGEST_WORD = 2048  # characters; longer ones are no words, and do not leave
_LONGEST_SENTENCE = 400  # pieces
_LONGEST_TAIL = 64  # characters; enough of a link's beginning to know it


@dataclass(frozen=True, slots=True)
class _Claim:
    """A verified marker: words `first` to `last` (half open) of the sentence are supported by characters `quote`."""

    number: int
    quote: tuple[int, int]
    first: int
    last: int


@dataclass(slots=True)
class _Sentence:
    """The sentence being written: its pieces as they will leave, markers among them."""

    pieces: list[str] = field(default_factory=list)
    markers: set[int] = field(default_factory=set)  # which pieces are markers
    linked: dict[int, frozenset[str]] = field(default_factory=dict)  # which pieces hold links, and which
    claims: list[_Claim] = field(default_factory=list)
    claimed: int = 0  # pieces up to here have had their markers
    ended: bool = False
    left: int = 0  # pieces that have left

    def said(self, first: int = 0, last: int | None = None) -> str:
        """The words of the pieces `first` to `last`, without markers."""
        pieces = enumerate(self.pieces[:last])
        return "".join(piece for i, piece in pieces if i >= first and i not in self.markers)

    def joins(self, piece: str) -> bool:
        """Whether `piece`, written right behind the last one, would make a link with it."""
        tail = ""
        for before in reversed(self.pieces):
            if before.isspace() or len(tail) > _LONGEST_TAIL:
                break
            tail = before + tail
        return tail != "" and links(tail + piece) != links(tail) | links(piece)

    def complete(self, gap: str, word: str) -> bool:
        """Whether `word` behind white space `gap` begins another sentence."""
        if "\n" in gap or len(self.pieces) > _LONGEST_SENTENCE:
            return True
        return self.ended and len(sentences(f"{self.said()}{gap}{word}")) > 1

    def numbers(self) -> set[int]:
        """The passages it cites."""
        return {claim.number for claim in self.claims}


class VerifiedText:
    """Takes a model's text in pieces of any size and gives the verified text; what it gave adds up to the answer."""

    def __init__(self, evidence: Evidence, passages: Sequence[Passage]) -> None:
        self.citations: list[Citation] = []
        self.unsupported: list[Span] = []
        self._evidence = evidence
        self._passages = passages
        self._raw = ""  # not yet taken apart
        self._gap = ""  # white space that has not left: it goes where a dropped marker goes
        self._torn = False  # a marker was dropped between two words
        self._sentence = _Sentence()
        self._parts: list[str] = []
        self._size = 0  # bytes that left before this sentence

    @property
    def text(self) -> str:
        """What has left so far."""
        return "".join(self._parts)

    def feed(self, text: str) -> str:
        """What may leave now that `text` has come."""
        self._raw += _NOT_SHOWN.sub("", text)
        return self._released(final=False)

    def end(self) -> str:
        """What was still waiting."""
        return self._released(final=True)

    def _released(self, *, final: bool) -> str:
        before = len(self._parts)
        at = 0
        while at < len(self._raw) and (found := self._next(at, final=final)):
            at = found.end()
            self._take(found)
        self._raw = self._raw[at:]
        if final:
            self._close()
        return "".join(self._parts[before:])

    def _next(self, at: int, *, final: bool) -> re.Match[str] | None:
        """The marker, white space or word that begins at `at`; None while it may go on."""
        if marker := _MARKER.match(self._raw, at):
            return marker
        if _MARKER_BEGUN.match(self._raw, at) and not final:
            return None
        found = _SPACE.match(self._raw, at) or _WORD.match(self._raw, at)
        if found is None or final:
            return found
        ended = found.end() < len(self._raw) or found[0][-1] in "。！？" or len(found[0]) > _LONGEST_WORD
        return found if ended else None

    def _take(self, found: re.Match[str]) -> None:
        if found.re is _SPACE:
            self._gap += found[0]
        elif found.re is _MARKER:
            self._mark(list(_numbers(found[0])))
        else:
            self._write(found[0].encode("utf-16", "surrogatepass").decode("utf-16", "replace"))

    def _write(self, word: str) -> None:
        """Appends a word, after the end of the sentence before where that has ended."""
        if self._sentence.complete(self._gap, word):
            self._close()
        torn = self._torn and not _CLOSING.fullmatch(word)
        if not self._gap and (torn or self._sentence.joins(word)):
            self._gap = " "
        self._space()
        if found := links(word) if len(word) <= _LONGEST_WORD else frozenset((word,)):
            self._sentence.linked[len(self._sentence.pieces)] = found
        self._append(word)
        self._sentence.ended = _STOP.search(word) is not None

    def _space(self) -> None:
        if self._gap and (self._parts or self._sentence.pieces):  # none before the first word
            self._append(self._gap)
        self._gap, self._torn = "", False

    def _append(self, piece: str) -> None:
        sentence = self._sentence
        sentence.pieces.append(piece)
        if not sentence.linked:
            self._parts.append(piece)
            sentence.left = len(sentence.pieces)

    def _mark(self, numbers: Sequence[int]) -> None:
        """Verifies the markers behind a claim; those that hold leave."""
        sentence = self._sentence
        last = len(sentence.pieces)
        first = sentence.claimed
        if first == last or not says_something(sentence.said(first)):  # one more marker of the same claim
            first = next((claim.first for claim in reversed(sentence.claims) if claim.last <= first), 0)
            last = next((claim.last for claim in reversed(sentence.claims) if claim.first == first), last)
        held = [claim for number in numbers if (claim := self._claim(number, first, last))]
        for claim in held:
            marker = f"[{claim.number}]"
            self._gap = self._gap or (" " if sentence.joins(marker) else "")
            self._space()
            sentence.markers.add(len(sentence.pieces))
            self._append(marker)
            sentence.claims.append(claim)
        if held:
            sentence.claimed = len(sentence.pieces)
        else:
            self._gap, self._torn = self._gap if "\n" in self._gap else "", True

    def _claim(self, number: int, first: int, last: int) -> _Claim | None:
        sentence = self._sentence
        if not 1 <= number <= len(self._evidence):
            return None
        if any(claim.number == number and claim.last == last for claim in sentence.claims):
            return None
        quote = self._evidence.quote(sentence.said(first, last), number)
        return _Claim(number, quote, first, last) if quote else None

    def _close(self) -> None:
        """Ends the sentence: its links are judged, what waited leaves, and its citations get their places."""
        sentence, self._sentence = self._sentence, _Sentence()
        known = {link for number in sentence.numbers() for link in self._evidence.links(number)}
        for i, found in sentence.linked.items():
            if not found <= known:
                sentence.pieces[i] = without(sentence.pieces[i])
        self._parts.extend(sentence.pieces[sentence.left :])
        for claim in sentence.claims:
            passage = self._passages[claim.number - 1]
            answer = self._span(sentence, claim.first, claim.last)
            self.citations.append(cite(claim.number, passage, byte_span(passage.text, *claim.quote), answer))
        if says_something(sentence.said()) and not self._supported(sentence):
            self.unsupported.append(self._span(sentence, 0, len(sentence.pieces)))
        self._size += len("".join(sentence.pieces).encode())

    def _supported(self, sentence: _Sentence) -> bool:
        """Whether every word had a marker that held; words after the last one may be supported with the others."""
        if not says_something(sentence.said(sentence.claimed)):
            return bool(sentence.claims)
        return any(self._evidence.quote(sentence.said(), number) for number in sentence.numbers())

    def _span(self, sentence: _Sentence, first: int, last: int) -> Span:
        """Bytes of the answer that pieces `first` to `last` take, without what only joins them to those before."""
        before, pieces = "".join(sentence.pieces[:first]), "".join(sentence.pieces[first:last]).rstrip()
        words = pieces.lstrip(_JOINING) or pieces
        start = self._size + len(f"{before}{pieces}".encode()) - len(words.encode())
        return Span(start=start, end=start + len(words.encode()))


def _numbers(marker: str) -> Iterator[int]:
    """The numbers of a marker: [1], [1, 3], [2-4]."""
    for part in re.split(r"[,;]", marker.strip("[]［］【】 ^")):
        ends = [int(number) for number in re.findall(r"\d+", part)]
        yield from range(ends[0], min(ends[-1] + 1, ends[0] + _MOST_NUMBERS)) if ends else ()
