"""Loads plain text and Markdown: the text is the file's own, so that its lines are the file's lines."""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ragents_server.ingest.decoding import decode
from ragents_server.ingest.loaded import Block, Kind, Loaded

_TITLE = re.compile(r"\s*(\S[^\n]{2,148}[^\s.!?:;,])[^\S\n]*\n(?=[^\S\n]*\n|[^\n]{160})")
_BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*")
_FRONT_MATTER = re.compile(r"---[^\S\n]*\n(?:.*\n)*?(?:---|\.\.\.)[^\S\n]*(?:\n|\Z)")
_LEAVES: dict[str, Kind] = {
    "heading_open": "heading",
    "paragraph_open": "paragraph",
    "fence": "code",
    "code_block": "code",
    "html_block": "paragraph",
    "tr_open": "row",
}


def plain(content: bytes, media_type: str) -> Loaded:
    """Paragraphs are what stands between blank lines, below a title where there is one.

    A title is a short first line above a blank one, or above one too long for both to be lines of a wrapped paragraph.
    """
    text = decode(content)
    title = _TITLE.match(text)
    blocks = [Block(title.start(1), title.end(1), "heading", 1)] if title else []
    blocks += _paragraphs(text, title.end() if title else 0)
    return Loaded(media_type, text, tuple(blocks), lined=True)


def markdown(content: bytes, media_type: str) -> Loaded:
    """The source as it stands; the parser only tells where headings, items, rows and code are."""
    text = decode(content)
    return Loaded(media_type, text, tuple(_structure(text)), lined=True)


def _paragraphs(text: str, at: int) -> Iterator[Block]:
    for gap in _BLANK_LINES.finditer(text, at):
        if gap.start() > at:
            yield Block(at, gap.start())
        at = gap.end()
    if at < len(text):
        yield Block(at, len(text))


def _structure(text: str) -> Iterator[Block]:
    lines = _line_starts(text)
    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    done = front = _front_matter_lines(text)
    if front:
        yield Block(0, lines[front], "code")
    items = 0
    for token in parser.parse(_from_line(text, lines, front)):
        items += token.nesting if token.type.startswith("list_item") else 0
        kind = _LEAVES.get(token.type)
        if kind is None or token.map is None:
            continue
        first, last = max(token.map[0] + front, done), token.map[1] + front
        if last > first:
            kind = "item" if items and kind == "paragraph" else kind
            yield Block(lines[first], lines[min(last, len(lines) - 1)], kind, _level(token))
            done = last


def _level(token: Token) -> int:
    return int(token.tag[1:]) if token.type == "heading_open" else 0


def _front_matter_lines(text: str) -> int:
    """How many lines the metadata at the head take; Markdown itself would read them as a rule and a heading."""
    found = _FRONT_MATTER.match(text[:65536])
    return found.group().count("\n") if found else 0


def _from_line(text: str, lines: list[int], line: int) -> str:
    return text[lines[line] :] if line else text


def _line_starts(text: str) -> list[int]:
    """Where each line begins, and the text's end."""
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    return starts if starts[-1] == len(text) else [*starts, len(text)]
