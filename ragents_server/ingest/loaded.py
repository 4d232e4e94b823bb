"""What every loader gives back: a document's text and where its headings, paragraphs, rows and pages stand in it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["heading", "paragraph", "item", "row", "code"]


@dataclass(frozen=True, slots=True)
class Block:
    """Characters `start` to `end` (half open) of the text; `level` is a heading's, from 1; `page` counts from 1."""

    start: int
    end: int
    kind: Kind = "paragraph"
    level: int = 0
    page: int = 0


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document's extracted text. `blocks` stand in order and apart; `lined` says that its lines are the file's."""

    media_type: str
    text: str
    blocks: tuple[Block, ...] = ()
    pages: int = 0
    lined: bool = False


Loader = Callable[[bytes, str], Loaded]
"""From a file's bytes and its media type; raises DocumentError."""


class Composer:
    """Writes an extracted text block by block for the formats whose files are not text themselves."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._blocks: list[Block] = []
        self._at = 0

    def add(self, text: str, kind: Kind = "paragraph", level: int = 0, page: int = 0) -> None:
        """Appends a block; rows and items follow each other on lines, everything else after a blank line."""
        text = text.strip()
        if not text:
            return
        if self._blocks:
            close = kind in ("row", "item") and self._blocks[-1].kind == kind
            self._append("\n" if close else "\n\n")
        self._blocks.append(Block(self._at, self._at + len(text), kind, level, page))
        self._append(text)

    def loaded(self, media_type: str, pages: int = 0) -> Loaded:
        return Loaded(media_type, "".join(self._parts), tuple(self._blocks), pages)

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._at += len(text)
