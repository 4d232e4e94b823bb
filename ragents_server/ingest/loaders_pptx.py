"""Loads PowerPoint files (pptx)."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any

from pptx import Presentation

from ragents_server.ingest.decoding import clean
from ragents_server.ingest.loaded import Composer
from ragents_server.ingest.office import add_rows, refusing_damage


@refusing_damage
def pptx(content: bytes, composer: Composer) -> int:
    """Slides are pages; a slide's title is a heading, its notes come last."""
    slides = Presentation(BytesIO(content)).slides
    for number, slide in enumerate(slides, start=1):
        title = slide.shapes.title
        if title is not None:
            composer.add(clean(title.text_frame.text), "heading", level=1, page=number)
        for shape in _shapes(slide.shapes):
            if title is None or shape.shape_id != title.shape_id:
                _add_shape(composer, shape, number)
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            composer.add(clean(slide.notes_slide.notes_text_frame.text), page=number)
    return len(slides)


def _shapes(shapes: Iterable[Any]) -> Iterator[Any]:
    """The shapes, those in groups too; a stack, because groups may be nested without end."""
    stack = [iter(shapes)]
    while stack:
        shape = next(stack[-1], None)
        if shape is None:
            stack.pop()
        elif hasattr(shape, "shapes"):
            stack.append(iter(shape.shapes))
        else:
            yield shape


def _add_shape(composer: Composer, shape: Any, page: int) -> None:
    if getattr(shape, "has_table", False):
        add_rows(composer, ([cell.text for cell in row.cells] for row in shape.table.rows), page)
    elif shape.has_text_frame:
        for paragraph in shape.text_frame.paragraphs:
            composer.add(clean(paragraph.text), "item", page=page)
