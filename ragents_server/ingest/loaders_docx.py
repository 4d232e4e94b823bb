"""Loads Word files (docx)."""

import re
from io import BytesIO
from typing import Any

from docx import Document
from docx.table import Table

from ragents_server.ingest.decoding import clean
from ragents_server.ingest.loaded import Composer, Kind
from ragents_server.ingest.office import add_rows, refusing_damage

_HEADING_STYLE = re.compile(r"(?:Heading|heading) (\d)")


@refusing_damage
def docx(content: bytes, composer: Composer) -> int:
    """Paragraphs, headings by their style, items, and tables row by row."""
    names: dict[str | None, str] = {}
    for part in Document(BytesIO(content)).iter_inner_content():
        if isinstance(part, Table):
            add_rows(composer, ([cell.text for cell in row.cells] for row in part.rows), 0)
        else:
            kind, level = _style(part, names)
            composer.add(clean(part.text), kind, level)
    return 0


def _style(paragraph: Any, names: dict[str | None, str]) -> tuple[Kind, int]:
    """Heading, item or paragraph; `names` keeps the styles' names, each of which costs a search of all styles."""
    identifier = paragraph._p.style
    if identifier not in names:
        names[identifier] = (paragraph.style.name if paragraph.style is not None else "") or ""
    name = names[identifier]
    heading = _HEADING_STYLE.match(name)
    if heading or name == "Title":
        return "heading", int(heading.group(1)) + 1 if heading else 1
    properties = paragraph._p.pPr
    listed = name.startswith("List") or (properties is not None and properties.numPr is not None)
    return ("item" if listed else "paragraph"), 0
