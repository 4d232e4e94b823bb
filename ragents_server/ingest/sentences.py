"""Cuts text into sentences: the units that an answer quotes and that get vectors of their own.

Own rules rather than a library, for speed: on English prose `sentencex` reads about 1 MB/s and `pysbd` 0.15 MB/s (and
ends a sentence at every hard-wrapped line), these rules 7 to 10 MB/s, so that every document can afford them.
"""

import re
from collections.abc import Iterator

Span = tuple[int, int]

# The look-behind keeps a long run of stops linear: only its first one is tried.
_STOP = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’»)\]*_]*+(?=\s)|[。！？｡।॥؟۔]+[」』”’)）]*")
_NEXT = re.compile(r"\s*[\"'“‘«(\[*_¿¡]*([^\W_]*)")
# A line that begins like this is an item, a heading, a table row or a quote: it never continues the line before.
_MARKER = re.compile(r"\s*(?:[-*+•‣◦▪–—·]\s|\(?(?:\d{1,3}|[A-Za-z])[.)]\s|#{1,6}\s|\||>|```|~~~|[=_*-]{3,}\s*$)")
_ALONE = re.compile(r"\s*(?:#{1,6}\s|\||```|~~~|[=_*-]{3,}\s*$)")
_ACRONYM = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]\.?")
_ITEM_NUMBER = re.compile(r"\d{1,3}|[A-Za-z]")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TITLES = _words("mr mrs ms dr prof st rev gen col capt lt sgt gov sen rep hon pres messrs mme vs cf e.g i.e viz")
_NUMBERED = _words("no nos fig figs eq vol p pp sec ch art ref app tab nr para approx ca")
_EITHER = _words(
    "inc ltd corp co etc jr sr al bros dept est ave blvd rd jan feb mar apr jun jul aug sep sept oct nov dec"
)
_STARTERS = _words(
    "the a an this that these those he she it we they you i there here in on at by for from with as if when while "
    "where what who why how but and or so then however after before since although because during his her its our "
    "their my your all some many most no not each every one both another such"
)
# A line this much shorter than its block, followed by a capital, was ended on purpose (a title, an address, a verse).
_SHORT = 0.7
_LEAST_WIDTH = 60


def sentences(text: str) -> list[Span]:
    """Half-open character spans of the sentences in `text`: in order, apart, stripped of white space, never empty."""
    found: list[Span] = []
    for start, end in _paragraphs(text):
        begin = start
        for stop in _STOP.finditer(text, start, end):
            if _ends_sentence(text, begin, stop, end):
                _add(found, text, begin, stop.end())
                begin = stop.end()
        _add(found, text, begin, end)
    return found


def _add(found: list[Span], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    stripped = piece.strip()
    if stripped:
        start += len(piece) - len(piece.lstrip())
        found.append((start, start + len(stripped)))


def _paragraphs(text: str) -> Iterator[Span]:
    """Runs of lines that read on; a blank line, an item, a heading, a row or a line ended on purpose begins another."""
    block: list[tuple[int, str]] = []
    at = 0
    for line in text.splitlines(keepends=True):
        if line.isspace():
            yield from _split_block(block)
            block = []
        else:
            block.append((at, line))
        at += len(line)
    yield from _split_block(block)


def _split_block(block: list[tuple[int, str]]) -> Iterator[Span]:
    if not block:
        return
    # Nine tenths up, not the longest: a single line that was never wrapped must not make the others look short.
    width = max(_LEAST_WIDTH, sorted(len(line) for _, line in block)[(len(block) - 1) * 9 // 10])
    start, before = block[0]
    for at, line in block[1:]:
        if _breaks(before, line, width):
            yield start, at
            start = at
        before = line
    yield start, block[-1][0] + len(block[-1][1])


def _breaks(before: str, line: str, width: int) -> bool:
    if _MARKER.match(line) or _ALONE.match(before):
        return True
    word = line.split(maxsplit=1)[0]
    return not word[0].islower() and len(before.rstrip()) + 1 + len(word) < _SHORT * width


def _ends_sentence(text: str, begin: int, stop: re.Match[str], end: int) -> bool:
    mark = stop.group()
    if mark[0] not in ".!?…":
        return True
    after = _NEXT.match(text, stop.end(), end)
    word = after.group(1) if after else ""
    if word[:1].islower():
        return False
    if mark[0] != "." or mark.startswith(".."):
        return True
    return not _abbreviates(_word_before(text, begin, stop.start()), word, text[begin : min(stop.start(), begin + 9)])


def _word_before(text: str, begin: int, end: int) -> str:
    at = end
    floor = max(begin, end - 24)
    while at > floor and not text[at - 1].isspace():
        at -= 1
    return text[at:end].lstrip("\"'“‘«([*_")


def _abbreviates(word: str, following: str, sentence: str) -> bool:
    """Whether the full stop after `word` belongs to it, and the sentence goes on with `following`."""
    if not word:
        return False
    if len(sentence) < 8 and _ITEM_NUMBER.fullmatch(sentence.strip(" \t\n(")):
        return True
    lowered = word.lower()
    if lowered in _TITLES:
        return True
    if lowered in _NUMBERED:
        return following[:1].isdigit()
    if lowered in _EITHER or _ACRONYM.fullmatch(word):
        return following != "" and following.lower() not in _STARTERS
    return False
