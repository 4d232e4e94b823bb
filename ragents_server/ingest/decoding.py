"""Bytes to text that a database accepts: the right encoding, no NUL, no lone surrogate, one kind of line end."""

import codecs
import re

from charset_normalizer import from_bytes

from ragents_server.ingest.failures import DocumentError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 64 * 1024
_UNWANTED = {0: "\ufffd"} | dict.fromkeys((*range(1, 9), *range(0x0E, 0x20), 0x7F), " ")
_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\x0b\x0c\r\x1b")
_DECLARED = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_BINARY = DocumentError(
    "DOCUMENT_UNSUPPORTED",
    "The file is binary and of no supported format; send the text or document that it was made from.",
)


def decode(content: bytes, declared: str = "") -> str:
    """The text of a file; `declared` is the encoding it names itself, tried after a byte order mark and UTF-8."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return clean(content[len(mark) :].decode(encoding, "replace"))
    # Encodings of seven bits that switch by escape are valid UTF-8 too: there the file's own word comes first.
    order = (declared, "utf-8") if b"\x1b" in content else (_wide(content) or "utf-8", declared)
    for encoding in order:
        try:
            return clean(content.decode(encoding or "ascii"))
        except (UnicodeError, LookupError):
            continue
    return clean(content.decode(_guess(content), "replace"))


def declared_charset(content: bytes) -> str:
    """The encoding that an HTML file's head names, or nothing."""
    found = _DECLARED.search(content[:4096])
    return found.group(1).decode("ascii", "replace") if found else ""


def clean(text: str) -> str:
    """The same text, character for character, with what a database refuses replaced and line ends made alike."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_UNWANTED)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def refuse_binary(content: bytes) -> None:
    """Raises DOCUMENT_UNSUPPORTED where the bytes are not text in any encoding."""
    sample = content[:_SAMPLE]
    if any(sample.startswith(mark) for mark, _ in _MARKS) or _wide(sample):
        return
    controls = len(sample) - len(sample.translate(None, _CONTROL))
    if controls > len(sample) // 100:
        raise _BINARY


def _wide(content: bytes) -> str:
    """UTF-16 without a mark: every other byte of western text is NUL."""
    sample = content[:4096]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if half < 2 or len(content) % 2:
        return ""
    if odd > half * 0.7 and even < half * 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > half * 0.7 and odd < half * 0.05 else ""


def _guess(content: bytes) -> str:
    best = from_bytes(content[:_SAMPLE]).best()
    return best.encoding if best else "cp1252"
