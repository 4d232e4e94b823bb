"""Loads CSV and JSON: every row or value as a line that is understood alone."""

import csv
import json
from collections.abc import Iterator, Sequence
from io import StringIO

from ragents_server.ingest.decoding import clean, decode
from ragents_server.ingest.failures import DocumentError
from ragents_server.ingest.loaded import Block, Composer, Loaded

_LONG_VALUE = 300


def csv_rows(content: bytes, media_type: str) -> Loaded:
    """Row by row "column: value; …", each on the line where it stands in the file; the first line is the header."""
    text = decode(content)
    lines: list[str] = []
    header: list[str] = []
    csv.field_size_limit(len(text) + 1)  # the document itself is bounded
    reader = csv.reader(StringIO(text), delimiter=_delimiter(text))
    try:
        for row in reader:
            lines.append(row_line(header, row) if header else "; ".join(filter(None, map(_flat, row))))
            header = header or row
            lines.extend([""] * (reader.line_num - len(lines)))  # a row over several lines keeps the next one's true
    except csv.Error as error:
        raise DocumentError("DOCUMENT_CORRUPT", f"Line {reader.line_num} is not CSV: {error}.") from error
    return _lined(lines, media_type)


def row_line(header: Sequence[str], row: Sequence[str]) -> str:
    """One row as "column: value; …", without its empty cells."""
    cells = ((header[index] if index < len(header) else "", value) for index, value in enumerate(row))
    named = ((_flat(column), _flat(value)) for column, value in cells)
    return "; ".join(f"{column}: {value}" if column else value for column, value in named if value)


def json_values(content: bytes, media_type: str) -> Loaded:
    """Every value as "path: value"; long ones as paragraphs, so that their sentences are found."""
    composer = Composer()
    for path, value in _leaves(_parsed(decode(content), "")):
        line = f"{path}: {value}" if path else value
        composer.add(line, "paragraph" if len(value) > _LONG_VALUE or "\n" in value else "row")
    return composer.loaded(media_type)


def json_lines(content: bytes, media_type: str) -> Loaded:
    """Every line's record as one line "path: value; …"."""
    lines = [
        "; ".join(f"{path}: {_flat(value)}" if path else _flat(value) for path, value in _leaves(_parsed(line, number)))
        for number, line in enumerate(decode(content).split("\n"), start=1)
    ]
    return _lined(lines, media_type)


def _lined(lines: list[str], media_type: str) -> Loaded:
    blocks, at = [], 0
    for line in lines:
        if line:
            blocks.append(Block(at, at + len(line), "row"))
        at += len(line) + 1
    return Loaded(media_type, "\n".join(lines), tuple(blocks), lined=True)


def _delimiter(text: str) -> str:
    """The sign that stands most often in the first line."""
    header = text.lstrip("\n").partition("\n")[0]
    return max(",;\t|", key=header.count)


def _flat(text: str) -> str:
    return " ".join(text.split())


def _parsed(text: str, line: int | str) -> object:
    if not text.strip():
        return {}
    try:
        # Numbers stay as written: 0.10 is not 0.1 to a reader.
        return json.loads(text, parse_int=str, parse_float=str, strict=False)
    except RecursionError as error:
        raise DocumentError("DOCUMENT_CORRUPT", "The JSON is nested too deeply; flatten it.") from error
    except ValueError as error:
        where = f"line {line}" if line else f"line {text.count(chr(10), 0, getattr(error, 'pos', 0)) + 1}"
        raise DocumentError(
            "DOCUMENT_CORRUPT", f"The JSON is broken at {where}; correct it and send it again."
        ) from error


def _leaves(root: object) -> Iterator[tuple[str, str]]:
    """The values with their paths, in order, without recursion."""
    stack: list[tuple[str, object]] = [("", root)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, dict):
            stack.extend((f"{path}.{key}" if path else str(key), value[key]) for key in reversed(value))
        elif isinstance(value, list):
            stack.extend((f"{path}[{index}]", value[index]) for index in range(len(value) - 1, -1, -1))
        elif value is not None and str(value).strip():
            yield _flat(clean(path)), clean(_shown(value)).strip()


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
