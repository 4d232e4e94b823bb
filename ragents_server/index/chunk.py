"""One piece of a document's text, as ingestion cuts it and as the index stores it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document version's extracted text, with where it stands in it.

    `text` is what is embedded, indexed and shown; it equals the extracted text's UTF-8 bytes
    `start` to `end` (half open). `first_page` and `last_page` count from 1, 0 where the format has
    no pages; `first_line` counts from 1, 0 where lines mean nothing (pdf, docx, …). `heading` is
    the path of headings above it, joined by " > ", or empty. `sentences` are half-open spans of
    *characters* within `text`, in order and without overlap.
    """

    text: str
    start: int
    end: int
    first_page: int = 0
    last_page: int = 0
    first_line: int = 0
    heading: str = ""
    sentences: tuple[tuple[int, int], ...] = ()

    @property
    def words(self) -> str:
        """What the lexical leg indexes: the text below those headings that it does not contain itself."""
        missing = [title for title in self.heading.split(" > ") if title and title not in self.text]
        return "\n".join([*missing, self.text])
