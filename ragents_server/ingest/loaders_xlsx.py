"""Loads Excel files (xlsx)."""

from datetime import date, datetime
from io import BytesIO

from openpyxl import load_workbook

from ragents_server.ingest.decoding import clean
from ragents_server.ingest.loaded import Composer
from ragents_server.ingest.office import add_rows, refusing_damage


@refusing_damage
def xlsx(content: bytes, composer: Composer) -> int:
    """Sheets are headings; a row is "column: value; …" with the first row as columns."""
    book = load_workbook(BytesIO(content), read_only=True, data_only=True)
    for sheet in book.worksheets:
        composer.add(clean(sheet.title), "heading", level=1)
        sheet.reset_dimensions()  # what the file says of its own size may be wrong
        add_rows(composer, (list(map(_cell, row)) for row in sheet.iter_rows(values_only=True)), 0)
    book.close()
    return 0


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime) and value.time() == datetime.min.time():
        return value.date().isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if isinstance(value, date) else str(value)
