"""Chooses the loader of a document: a table from media type to "package.module:function", imported when chosen."""

from collections.abc import Mapping
from importlib import import_module

from ragents_server.ingest import detection as kinds
from ragents_server.ingest.failures import DocumentError
from ragents_server.ingest.loaded import Loaded, Loader

_HERE = "ragents_server.ingest"
LOADERS: Mapping[str, str] = {
    kinds.PLAIN: f"{_HERE}.loaders_text:plain",
    kinds.MARKDOWN: f"{_HERE}.loaders_text:markdown",
    kinds.CSV: f"{_HERE}.loaders_records:csv_rows",
    kinds.JSON: f"{_HERE}.loaders_records:json_values",
    kinds.JSON_LINES: f"{_HERE}.loaders_records:json_lines",
    kinds.HTML: f"{_HERE}.loaders_html:html",
    kinds.MAIL: f"{_HERE}.loaders_mail:mail",
    kinds.PDF: f"{_HERE}.loaders_pdf:pdf",
    kinds.DOCX: f"{_HERE}.loaders_docx:docx",
    kinds.PPTX: f"{_HERE}.loaders_pptx:pptx",
    kinds.XLSX: f"{_HERE}.loaders_xlsx:xlsx",
}


def load(content: bytes, name: str, media_type: str, max_unzipped: int, loaders: Mapping[str, str] = LOADERS) -> Loaded:
    """The document's text and structure; raises DocumentError. Runs in a child process: see the sandbox."""
    kind = media_type if media_type in loaders.keys() - LOADERS.keys() else ""
    kind = kind or kinds.detect(content, name, media_type, max_unzipped)
    loaded = imported(loaders[kind])(content, kind)
    if not loaded.text.strip():
        raise DocumentError("DOCUMENT_EMPTY", _without_text(kind))
    return loaded


def imported(path: str) -> Loader:
    """The loader that "package.module:function" names."""
    module, _, function = path.partition(":")
    loader: Loader = getattr(import_module(module), function)
    return loader


def _without_text(kind: str) -> str:
    if kind == kinds.PDF:
        return "The PDF has no text, only images; run text recognition (OCR) on it first."
    return "The document has no text; send one that has."
