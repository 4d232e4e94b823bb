"""A parsing child: reads documents from its standard input, writes their chunks, and confines itself.

Started by the sandbox only, as `python -m ragents_server.ingest.worker PARENT_PID`.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, cast

from ragents_server.ingest import frames
from ragents_server.ingest.chunks import CountTokens, Cut, chunks
from ragents_server.ingest.failures import DocumentError, Reason
from ragents_server.ingest.loaders import load

_PR_SET_PDEATHSIG = 1
_MOST_FILES = 64
_PAGE = resource.getpagesize()


def main() -> None:
    """Serves one document after the other until the parent closes the pipe, asks for no more, or is gone."""
    _die_with(int(sys.argv[1]))
    requests, replies = _pipes()
    _confine()
    while (request := frames.read(requests)) is not None:
        header, content = request
        replies.write(frames.ACCEPTED)
        replies.flush()
        reply, body, fresh = _answer(header, content)
        del content, request
        frames.write(replies, {**reply, "resident": _memory_pages()[1] * _PAGE, "fresh": fresh}, body)


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        sys.exit(1)


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes under descriptors of their own, so that a library that prints cannot break a frame."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return requests, replies


def _confine() -> None:
    """No core files (they hold documents), no files written, few opened; Ctrl-C is the parent's to handle."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MOST_FILES, _MOST_FILES))
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _answer(header: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes, bool]:
    """The reply's header and body, and whether this process is still as good as new."""
    try:
        return *_parse(header, content), True
    except DocumentError as error:
        return _refusal(error.reason, error.message), b"", True
    except MemoryError:
        return _refusal("DOCUMENT_MEMORY", "The document needs more memory than one may take; split it up."), b"", False
    except RecursionError:
        return _refusal("DOCUMENT_CORRUPT", "The document is nested too deeply; flatten it."), b"", False
    except Exception as error:  # noqa: BLE001 - whatever a parser raises is this document's failure, not the child's
        message = "The document could not be read; open it in its program and save it again."
        return _refusal("DOCUMENT_PARSER_CRASHED", message) | {"detail": repr(error)[:500]}, b"", False


def _refusal(reason: Reason, message: str) -> dict[str, Any]:
    return {"reason": reason, "message": message}


def _parse(header: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    cut = Cut(**header["cut"])
    count_tokens = _imported(cut.count_tokens)
    count_tokens("")  # its tables are no document's memory
    with _limited(header["memory_bytes"], header["cpu_seconds"]):
        loaded = load(content, header["name"], header["media_type"], header["max_unzipped"], header["loaders"])
        body = loaded.text.encode()
        if len(body) > header["max_text_bytes"]:
            raise DocumentError(
                "DOCUMENT_TOO_LARGE", f"The document has {len(body) / 1e6:.0f} MB of text; split it up."
            )
        found = [
            (
                piece.start,
                piece.end,
                piece.first_page,
                piece.last_page,
                piece.first_line,
                piece.heading,
                piece.sentences,
            )
            for piece in chunks(loaded, cut, count_tokens)
        ]
    return {"media_type": loaded.media_type, "pages": loaded.pages, "chunks": found}, body


def _imported(path: str) -> CountTokens:
    module, _, function = path.partition(":")
    return cast("Callable[[str], int]", getattr(import_module(module), function))


@contextlib.contextmanager
def _limited(memory_bytes: int, cpu_seconds: int) -> Any:
    """Bounds what one document may take on top of what the process has by now."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime) + 1
    _soften(resource.RLIMIT_CPU, used + cpu_seconds)
    _soften(resource.RLIMIT_AS, _memory_pages()[0] * _PAGE + memory_bytes)
    try:
        yield
    finally:
        _soften(resource.RLIMIT_AS, resource.RLIM_INFINITY)
        _soften(resource.RLIMIT_CPU, resource.RLIM_INFINITY)


def _soften(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _memory_pages() -> tuple[int, int]:
    """Pages mapped and resident."""
    mapped, resident = Path("/proc/self/statm").read_text("ascii").split()[:2]
    return int(mapped), int(resident)


if __name__ == "__main__":
    main()
