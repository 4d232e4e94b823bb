"""Loads PDF with PDFium: the text of every page."""

import re

import pypdfium2 as pdfium
from pypdfium2.raw import FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY

from ragents_server.ingest.decoding import clean
from ragents_server.ingest.failures import DocumentError
from ragents_server.ingest.loaded import Composer, Loaded

# PDFium writes one of these signs where a word is divided at the end of a line.
_DIVIDED = re.compile("(\\w+)[\u0002\ufffe]\\s*(\\w+)")
_HYPHENED = re.compile(r"\w+-\w+")


def pdf(content: bytes, media_type: str) -> Loaded:
    """A block a page; the lines of a page stay as they are set."""
    composer = Composer()
    try:
        document = pdfium.PdfDocument(content)
        try:
            pages = [_page(document, number) for number in range(len(document))]
            hyphened = {word.lower() for page in pages for word in _HYPHENED.findall(page)}
            for number, page in enumerate(pages, start=1):
                composer.add(clean(_joined(page, hyphened)), page=number)
            return composer.loaded(media_type, pages=len(document))
        finally:
            document.close()
    except pdfium.PdfiumError as error:
        raise _refusal(error) from error


def _joined(page: str, hyphened: set[str]) -> str:
    """Joins divided words; the hyphen stays in those that the document writes with one elsewhere."""

    def join(word: re.Match[str]) -> str:
        with_hyphen = f"{word[1]}-{word[2]}"
        return with_hyphen if with_hyphen.lower() in hyphened else word[1] + word[2]

    return _DIVIDED.sub(join, page)


def _page(document: pdfium.PdfDocument, number: int) -> str:
    page = document[number]
    words = page.get_textpage()
    text: str = words.get_text_range()
    words.close()
    page.close()
    return text


def _refusal(error: pdfium.PdfiumError) -> DocumentError:
    if getattr(error, "err_code", None) in (FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY):
        return DocumentError("DOCUMENT_ENCRYPTED", "The PDF has a password; save it without one.")
    return DocumentError("DOCUMENT_CORRUPT", "The PDF is damaged or cut off; save or download it again.")
