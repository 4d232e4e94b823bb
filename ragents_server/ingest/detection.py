"""Finds what a file is from its content first and its name second, and refuses what only pretends."""

import mimetypes
import zipfile
import zlib
from io import BytesIO
from pathlib import PurePosixPath

from ragents_server.ingest.decoding import refuse_binary
from ragents_server.ingest.failures import DocumentError

PLAIN, MARKDOWN, HTML = "text/plain", "text/markdown", "text/html"
CSV, JSON, JSON_LINES, MAIL = "text/csv", "application/json", "application/x-ndjson", "message/rfc822"
PDF = "application/pdf"
_OFFICE = "application/vnd.openxmlformats-officedocument."
DOCX = f"{_OFFICE}wordprocessingml.document"
PPTX = f"{_OFFICE}presentationml.presentation"
XLSX = f"{_OFFICE}spreadsheetml.sheet"

EXTENSIONS = {
    ".txt": PLAIN, ".text": PLAIN, ".log": PLAIN, ".rst": PLAIN,
    ".md": MARKDOWN, ".markdown": MARKDOWN,
    ".html": HTML, ".htm": HTML, ".xhtml": HTML,
    ".csv": CSV, ".tsv": CSV,
    ".json": JSON, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES,
    ".eml": MAIL, ".pdf": PDF, ".docx": DOCX, ".pptx": PPTX, ".xlsx": XLSX,
}  # fmt: skip
_BINARY = frozenset((PDF, DOCX, PPTX, XLSX))
_TEXTS = frozenset(EXTENSIONS.values()) - _BINARY
_PARTS = {"word/document.xml": DOCX, "ppt/presentation.xml": PPTX, "xl/workbook.xml": XLSX}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MOST_ENTRIES = 10_000
_LARGE_ENTRY = 8 << 20
_MOST_RATIO = 200


def detect(content: bytes, name: str, media_type: str, max_unzipped: int) -> str:
    """The media type to load the file as; raises DocumentError for what cannot be or must not be opened."""
    named = _named(name, media_type)
    if content[:1024].lstrip().startswith(b"%PDF-"):
        return PDF
    if content.startswith(b"PK\x03\x04"):
        return _office(content, named, max_unzipped)
    if content.startswith(_OLE):
        raise _ole(content)
    refuse_binary(content)
    if named in _BINARY:
        return _text_named_otherwise(content, name)
    if not named and (mimetypes.guess_type(name)[0] or "").startswith(("image/", "audio/", "video/", "font/")):
        raise DocumentError(
            "DOCUMENT_UNSUPPORTED", "The file is a picture, sound or font, not a document; leave it out."
        )
    return named or (HTML if _is_html(content) else PLAIN)


def _named(name: str, media_type: str) -> str:
    given = media_type.partition(";")[0].strip().lower()
    by_extension = EXTENSIONS.get(PurePosixPath(name).suffix.lower(), "")
    # "text/plain" is what many clients send for any text: the name knows better.
    if given in _TEXTS | _BINARY and not (given == PLAIN and by_extension):
        return given
    return by_extension


def _is_html(content: bytes) -> bool:
    return content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html"))


def _text_named_otherwise(content: bytes, name: str) -> str:
    if _is_html(content):
        return HTML
    extension = PurePosixPath(name).suffix or "its type"
    raise DocumentError(
        "DOCUMENT_CORRUPT",
        f"The content is not what {extension} says: the file is damaged or wrongly named; send it again.",
    )


def _office(content: bytes, named: str, max_unzipped: int) -> str:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            _refuse_bomb(archive, max_unzipped)
            names = set(archive.namelist())
            found = next((kind for part, kind in _PARTS.items() if part in names), "")
            if found:
                _refuse_entities(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError) as error:
        raise _broken_archive(named) from error
    except RuntimeError as error:  # what zipfile raises for an entry with a password
        raise DocumentError("DOCUMENT_ENCRYPTED", "The file has a password; save it without one.") from error
    if not found:
        raise DocumentError("DOCUMENT_UNSUPPORTED", "The file is a zip archive; send the documents in it one by one.")
    return found


def _broken_archive(named: str) -> DocumentError:
    if named in _BINARY:
        return DocumentError("DOCUMENT_CORRUPT", "The file is damaged or cut off; save or download it again.")
    return DocumentError(
        "DOCUMENT_UNSUPPORTED", "The file is a damaged zip archive; send the documents in it one by one."
    )


def _refuse_bomb(archive: zipfile.ZipFile, max_unzipped: int) -> None:
    entries = archive.infolist()
    # zipfile never inflates an entry beyond the size it declares, so the declared sizes are a true bound.
    total = sum(entry.file_size for entry in entries)
    dense = any(entry.file_size > max(_LARGE_ENTRY, _MOST_RATIO * entry.compress_size) for entry in entries)
    if total > max_unzipped or len(entries) > _MOST_ENTRIES or dense:
        raise DocumentError(
            "DOCUMENT_BOMB",
            f"The file unpacks to {total / 1e6:.0f} MB in {len(entries)} parts, more than is opened; split it up.",
        )


def _refuse_entities(archive: zipfile.ZipFile) -> None:
    """Office files have no document type; one that declares it is an entity bomb or an attempt to read other files."""
    for entry in archive.infolist():
        if entry.filename.endswith((".xml", ".rels")):
            with archive.open(entry) as part:
                head = part.read(4096).replace(b"\0", b"")
            if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
                raise DocumentError(
                    "DOCUMENT_BOMB",
                    "The file declares XML entities, which no Office program writes; save it again in one.",
                )


def _ole(content: bytes) -> DocumentError:
    if "EncryptedPackage".encode("utf-16-le") in content:
        return DocumentError("DOCUMENT_ENCRYPTED", "The file has a password; save it without one.")
    return DocumentError(
        "DOCUMENT_UNSUPPORTED", "The file has an Office format from before 2007; save it as docx, pptx or xlsx."
    )
