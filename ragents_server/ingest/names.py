"""Which names a document may have: relative POSIX paths, because people read them and tools join them to folders."""

import unicodedata

from ragents_server.ingest.failures import DocumentError

_MOST_BYTES = 1024


def check_name(name: str) -> None:
    """Raises DOCUMENT_NAME unless `name` is a relative path of ordinary characters that stays below its folder."""
    problem = _problem(name)
    if problem:
        raise DocumentError(
            "DOCUMENT_NAME", f"The document's name {problem}; send a relative path such as papers/a.pdf."
        )


def _problem(name: str) -> str:
    if not name.strip():
        return "is empty"
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        return "has control characters"
    if len(name.encode()) > _MOST_BYTES:
        return f"is longer than {_MOST_BYTES} bytes"
    if "\\" in name:
        return "has a backslash"
    if name.startswith("/"):
        return "is an absolute path"
    if any(part in ("", ".", "..") for part in name.split("/")):
        return "has an empty, '.' or '..' part"
    return ""
