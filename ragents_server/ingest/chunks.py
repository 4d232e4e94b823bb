"""Cuts a loaded document into chunks at its own borders: headings, then paragraphs, lines, sentences, words."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ragents_server.index.chunk import Chunk
from ragents_server.ingest.loaded import Block, Loaded
from ragents_server.ingest.sentences import sentences

CountTokens = Callable[[str], int]

_SPECIALS = 2  # the model frames every passage with two tokens of its own
_HEADING, _BLOCK, _LINE, _SENTENCE, _WORD, _NEVER = 5, 4, 3, 2, 1, 0


@dataclass(frozen=True, slots=True)
class Cut:
    """How large a chunk may be: characters, characters repeated from the one before, tokens with the specials.

    `count_tokens` is the "package.module:function" that counts a text's tokens as the embedding model does.
    """

    size: int = 1000
    overlap: int = 200
    max_tokens: int = 256
    count_tokens: str = "ragents_server.models.minilm_tokens:count_tokens"

    def __post_init__(self) -> None:
        if self.size < 8 or not 0 <= self.overlap <= self.size // 2 or self.max_tokens < 8:
            raise ValueError("size and max_tokens must be at least 8, overlap between 0 and half of size")

    @property
    def whole(self) -> int:
        """A document up to this size, without headings within, stays whole where the model can read it whole."""
        return self.size + self.size // 2

    @property
    def least(self) -> int:
        """A chunk shorter than this goes on past a paragraph or a heading."""
        return self.size // 2


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is never cut: a sentence, a heading, a row, or a piece of one that is too large."""

    start: int
    end: int
    border: int  # how good a place for a cut lies before it
    tokens: int
    sentence: int
    page: int
    heading: str
    titles: bool  # is itself a heading


def chunks(loaded: Loaded, cut: Cut, count_tokens: CountTokens) -> Iterator[Chunk]:
    """All text that is not blank, in chunks within `cut` whose spans are exact."""
    counter = _Counter(count_tokens)
    units = _units(loaded, cut, counter)
    place = _Place(loaded)
    if len(loaded.text) <= cut.whole:
        short = list(units)
        if _stays_whole(short, cut, counter, loaded.text):
            yield place.chunk(short)
            return
        units = iter(short)
    window: list[_Unit] = []  # the units ahead: all of a large document's would take several times its size
    while _fill(window, units, cut):
        last = _last(window, cut, counter, loaded.text)
        yield place.chunk(window[:last])
        del window[: last if last == len(window) else _resume(window, last, cut)]


def _stays_whole(units: list[_Unit], cut: Cut, counter: CountTokens, text: str) -> bool:
    """Whether the model can read the whole document, and it is about one thing: a cut would only lose context."""
    if not units or any(unit.border == _HEADING for unit in units[1:]):
        return False
    return counter(text[units[0].start : units[-1].end]) <= cut.max_tokens - _SPECIALS


def _fill(window: list[_Unit], units: Iterator[_Unit], cut: Cut) -> bool:
    """Tops the window up, so that it ends beyond the next two chunks or at the document's end."""
    while not window or window[-1].start - window[0].start <= 2 * cut.size:
        unit = next(units, None)
        if unit is None:
            break
        window.append(unit)
    return bool(window)


class _Counter:
    """Counts a text's own tokens, whether or not the counter adds the specials."""

    def __init__(self, count: CountTokens) -> None:
        self._count = count
        self._empty = count("")

    def __call__(self, text: str) -> int:
        return self._count(text) - self._empty


def _units(loaded: Loaded, cut: Cut, counter: _Counter) -> Iterator[_Unit]:
    """The document as units, each with the border before it and the path of headings above it."""
    text, path, sentence, end = loaded.text, list[tuple[int, str]](), 0, 0
    after_heading = False
    for block in _covering(loaded):
        titles = block.kind == "heading"
        if titles:
            path = [*(above for above in path if above[0] < block.level), (block.level, _title(text, block))]
        heading = " > ".join(title for _, title in path)
        border = _HEADING if titles else _BLOCK
        for start, stop in _sentences(text, block):
            for at, until, tokens in _pieces(text, start, stop, cut, counter):
                yield _Unit(
                    at, until, _NEVER if after_heading else border, tokens, sentence, block.page, heading, titles
                )
                after_heading, border = False, _WORD
            sentence, end = sentence + 1, stop
            border = _LINE if "\n" in text[end : end + 2] else _SENTENCE
        after_heading = titles


def _title(text: str, block: Block) -> str:
    return " ".join(text[block.start : block.end].lstrip("# ").rstrip("#=- \n").split())[:200]


def _covering(loaded: Loaded) -> Iterator[Block]:
    """The loader's blocks, and paragraphs for any text that it left between them."""
    at, page = 0, 0
    for block in loaded.blocks:
        if loaded.text[at : block.start].strip():
            yield Block(at, block.start, page=page or block.page)
        yield block
        at, page = block.end, block.page
    if loaded.text[at:].strip():
        yield Block(at, len(loaded.text), page=page)


def _sentences(text: str, block: Block) -> Iterator[tuple[int, int]]:
    piece = text[block.start : block.end]
    if block.kind in ("paragraph", "item"):
        for start, end in sentences(piece):
            yield block.start + start, block.start + end
        return
    at = block.start
    for line in piece.splitlines(keepends=True):
        if line.strip():
            yield at + len(line) - len(line.lstrip()), at + len(line.rstrip())
        at += len(line)


def _pieces(text: str, start: int, end: int, cut: Cut, counter: _Counter) -> Iterator[tuple[int, int, int]]:
    """The span itself with its tokens, or pieces of it at words where it is too large for one chunk."""
    if end - start <= cut.size:
        tokens = counter(text[start:end])
        if tokens <= cut.max_tokens - _SPECIALS or end - start == 1:
            yield start, end, tokens
            return
    left, right = _halves(text, start, end)
    yield from _pieces(text, start, left, cut, counter)
    yield from _pieces(text, right, end, cut, counter)


def _halves(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the left half ends and the right one begins: at the white space nearest before the middle, if any."""
    middle = start + (end - start) // 2
    at = middle
    floor = max(start, middle - 200)
    while at > floor and not text[at].isspace():
        at -= 1
    if at == floor:
        return middle, middle
    return start + len(text[start:at].rstrip()), at + 1 + _blanks(text, at + 1, end)


def _blanks(text: str, start: int, end: int) -> int:
    return len(text[start:end]) - len(text[start:end].lstrip())


def _last(window: list[_Unit], cut: Cut, counter: _Counter, text: str) -> int:
    """The index after the chunk's last unit: the best border in its second half, or all that fits."""
    fits = _fitting(window, 0, cut)
    while fits > 1 and counter(text[window[0].start : window[fits - 1].end]) > cut.max_tokens - _SPECIALS:
        fits -= 1
    best, rank = fits, _NEVER
    for index in range(1, fits + 1):
        if index == len(window):
            return index
        if window[index - 1].end - window[0].start >= cut.least and window[index].border >= rank:
            best, rank = index, window[index].border
            if rank == _HEADING:
                return best
    return best


def _fitting(window: list[_Unit], first: int, cut: Cut) -> int:
    """The index after the last unit that a chunk from `first` has room for."""
    tokens, index = 0, first
    while index < len(window) and window[index].end - window[first].start <= cut.size:
        tokens += window[index].tokens
        if tokens > cut.max_tokens - _SPECIALS:
            break
        index += 1
    return max(index, first + 1)


def _resume(window: list[_Unit], last: int, cut: Cut) -> int:
    """Where the next chunk begins: at most `overlap` characters back, never across a heading, with room to go on."""
    begin = last
    while (
        begin > 1 and window[begin].border != _HEADING and window[last].start - window[begin - 1].start <= cut.overlap
    ):
        begin -= 1
    while begin < last and _fitting(window, begin, cut) <= last:
        begin += 1
    return begin


class _Place:
    """Finds bytes and lines of positions in the text, walking from the last one asked for."""

    def __init__(self, loaded: Loaded) -> None:
        self._text = loaded.text
        self._lined = loaded.lined
        self._at, self._byte, self._line = 0, 0, 1

    def chunk(self, units: list[_Unit]) -> Chunk:
        first, last = units[0], units[-1]
        start, line = self._locate(first.start)
        text = self._text[first.start : last.end]
        body = next((unit for unit in units if not unit.titles), last)
        return Chunk(
            text=text,
            start=start,
            end=start + len(text.encode()),
            first_page=first.page,
            last_page=last.page,
            first_line=line if self._lined else 0,
            heading=body.heading,
            sentences=_spans(units),
        )

    def _locate(self, at: int) -> tuple[int, int]:
        sign = 1 if at >= self._at else -1
        between = self._text[min(at, self._at) : max(at, self._at)]
        self._at = at
        self._byte += sign * len(between.encode())
        self._line += sign * between.count("\n")
        return self._byte, self._line


def _spans(units: list[_Unit]) -> tuple[tuple[int, int], ...]:
    """The sentences within the chunk; pieces of one sentence are one span."""
    spans: dict[int, tuple[int, int]] = {}
    for unit in units:
        start = spans.get(unit.sentence, (unit.start, 0))[0]
        spans[unit.sentence] = (start, unit.end)
    return tuple((start - units[0].start, end - units[0].start) for start, end in spans.values())
