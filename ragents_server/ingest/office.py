"""What the loaders of Word, PowerPoint and Excel files share: damage is one refusal, a row is one line."""

from collections.abc import Callable, Iterable, Sequence
from functools import wraps

from ragents_server.ingest.decoding import clean
from ragents_server.ingest.failures import DocumentError
from ragents_server.ingest.loaded import Composer, Loaded
from ragents_server.ingest.loaders_records import row_line

# What libxml2 and Expat say when they are refused memory; the former has no room left for an error of its own.
_OUT_OF_MEMORY = ("unknown error", "memory")


def refusing_damage(load: Callable[[bytes, Composer], int]) -> Callable[[bytes, str], Loaded]:
    """These libraries raise whatever their code stumbles over: all of it means a damaged file."""

    @wraps(load)
    def loader(content: bytes, media_type: str) -> Loaded:
        composer = Composer()
        try:
            pages = load(content, composer)
        except (MemoryError, DocumentError):
            raise
        except Exception as error:
            if any(words in str(error) for words in _OUT_OF_MEMORY):
                raise MemoryError from error
            raise DocumentError(
                "DOCUMENT_CORRUPT", "The file is damaged or not written to the standard; open it and save it again."
            ) from error
        return composer.loaded(media_type, pages)

    return loader


def add_rows(composer: Composer, rows: Iterable[Sequence[str]], page: int) -> None:
    """A table's rows, the first that is not blank as the names of its columns."""
    header: list[str] = []
    for row in rows:
        cells = [clean(cell) for cell in row]
        if not any(cell.strip() for cell in cells):
            continue
        composer.add(row_line(header, cells), "row", page=page)
        header = header or cells
