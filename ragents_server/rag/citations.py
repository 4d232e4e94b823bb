"""Citations: which words of a passage support which words of an answer."""

from ragents_client.v1.answer_pb2 import Citation, Passage, Span


def byte_span(text: str, start: int, end: int) -> Span:
    """Characters `start` to `end` of `text` as a span of UTF-8 bytes."""
    first = len(text[:start].encode())
    return Span(start=first, end=first + len(text[start:end].encode()))


def cite(number: int, passage: Passage, quote: Span, answer: Span) -> Citation:
    """Cites bytes `quote` of passage `number` (from 1) for bytes `answer` of the answer's text.

    Raises ValueError when the quote does not lie within the passage on character borders: nothing
    is cited that was not retrieved.
    """
    content = passage.text.encode()
    if not 0 <= quote.start < quote.end <= len(content):
        raise ValueError("a citation must lie within its passage")
    words = content[quote.start : quote.end].decode()  # UnicodeDecodeError is a ValueError too
    return Citation(number=number, answer_span=answer, passage_span=quote, quote=words, passage=place(passage, quote))


def place(passage: Passage, quote: Span) -> Passage:
    """Where the quote stands in the document: the passage without text and score, its line and span the quote's."""
    before = passage.text.encode()[: quote.start]
    where = Passage(
        document=passage.document,
        version=passage.version,
        first_page=passage.first_page,
        last_page=passage.last_page,
        heading=passage.heading,
        span=Span(start=passage.span.start + quote.start, end=passage.span.start + quote.end),
    )
    if passage.first_line:
        where.first_line = passage.first_line + before.count(b"\n")
    return where


def source(passage: Passage) -> str:
    """A passage's place in words: `name, page 4`, `name, line 3` or `name, "Heading"`."""
    name = passage.document.name
    if passage.first_page:
        return f"{name}, page {passage.first_page}"
    if passage.first_line:
        return f"{name}, line {passage.first_line}"
    return f'{name}, "{passage.heading}"' if passage.heading else name
