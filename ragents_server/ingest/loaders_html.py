"""Loads HTML: the visible text with its headings, items and table rows."""

from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ragents_server.ingest.decoding import clean, declared_charset, decode
from ragents_server.ingest.loaded import Composer, Kind, Loaded
from ragents_server.ingest.loaders_records import row_line


def _tags(names: str) -> frozenset[str]:
    return frozenset(names.split())


_UNSEEN = _tags("head script style noscript template svg math iframe object canvas select datalist")
_BLOCKS = _tags(
    "address article aside blockquote body br caption center dd details dialog div dl dt fieldset figcaption figure "
    "footer form h1 h2 h3 h4 h5 h6 header hr html legend li main nav ol p pre section summary table tbody tfoot thead "
    "tr ul"
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}


def html(content: bytes, media_type: str) -> Loaded:
    """What a reader of the page sees; its title is the first heading, one level above the others."""
    return composed(decode(content, declared_charset(content)), Composer()).loaded(media_type)


def composed(source: str, composer: Composer) -> Composer:
    """Adds a page's visible text to `composer`."""
    tree = LexborHTMLParser(source)
    title = tree.css_first("head > title")
    if title is not None:
        composer.add(_flat(clean(title.text())), "heading", level=1)
    if tree.root is not None:
        _Page(composer).read(tree.root)
    return composer


class _Page:
    """Walks the tree and closes a block wherever the page would begin a new line."""

    def __init__(self, composer: Composer) -> None:
        self._composer = composer
        self._words: list[str] = []
        self._items = 0
        self._heading = 0
        self._pre = 0
        self._rows: list[_Row] = []
        self._headers: list[list[str]] = []

    def read(self, root: LexborNode) -> None:
        for node, opens in _walk(root):
            tag = node.tag or ""
            if tag == "-text":
                self._words.append(node.text(deep=False) if opens else "")
            elif tag in ("td", "th"):
                self._cell(tag, opens)
            elif tag in _BLOCKS:
                self._border(tag, opens)
        self._flush()

    def _border(self, tag: str, opens: bool) -> None:
        if self._rows and tag not in ("tr", "table"):
            self._words.append(" ")
            return
        self._flush()
        step = 1 if opens else -1
        if tag == "li":
            self._items += step
        elif tag == "pre":
            self._pre += step
        elif tag in _HEADINGS:
            self._heading = _HEADINGS[tag] + 1 if opens else 0
        elif tag in ("tr", "table"):
            self._table(tag, opens)

    def _table(self, tag: str, opens: bool) -> None:
        if tag == "table":
            if opens:
                self._headers.append([])
            elif self._headers:
                self._headers.pop()
        elif opens:
            self._rows.append(_Row())
        elif self._rows:
            self._row(self._rows.pop())

    def _row(self, row: "_Row") -> None:
        if self._headers and not self._headers[-1] and row.titles == len(row.cells) > 0:
            self._headers[-1] = row.cells
        header = self._headers[-1] if self._headers and self._headers[-1] is not row.cells else []
        self._composer.add(row_line(header, row.cells), "row")

    def _cell(self, tag: str, opens: bool) -> None:
        if not self._rows:
            self._flush()
        elif opens:
            self._words.clear()
        else:
            self._rows[-1].cells.append(_flat(clean("".join(self._words))))
            self._rows[-1].titles += tag == "th"
            self._words.clear()

    def _flush(self) -> None:
        text = clean("".join(self._words))
        self._words.clear()
        if self._pre:
            self._composer.add(text.strip("\n"), "code")
        else:
            self._composer.add(_flat(text), self._kind(), level=self._heading)

    def _kind(self) -> Kind:
        if self._heading:
            return "heading"
        return "item" if self._items else "paragraph"


class _Row:
    """The cells of a table row while it is read."""

    def __init__(self) -> None:
        self.cells: list[str] = []
        self.titles = 0


def _walk(root: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """Every visible node when it opens and when it closes; a loop, because pages may be nested without end."""
    path = [root]
    yield root, True
    node = root.first_child
    while path:
        while node is not None:
            if _visible(node):
                yield node, True
                path.append(node)
                node = node.first_child
            else:
                node = node.next
        closed = path.pop()
        yield closed, False
        node = closed.next if path else None


def _visible(node: LexborNode) -> bool:
    tag = node.tag or ""
    if tag == "-text":
        return True
    if tag in _UNSEEN or tag.startswith(("-", "_")):
        return False
    attributes = node.attributes
    style = (attributes.get("style") or "").replace(" ", "").lower()
    return "hidden" not in attributes and "display:none" not in style and "visibility:hidden" not in style


def _flat(text: str) -> str:
    return " ".join(text.split())
