"""What the command shows: rich on a terminal, plain in a pipe, protobuf's JSON where asked."""

import json
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.text import Text

from ragents_client.errors import RagentsError

SILENCE = 1.0  # seconds without a sign of life before the command says what it waits for


def clean(text: str) -> str:
    """The text without control characters: a document must not steer its reader's terminal."""
    return "".join(one for one in text if one in "\n\t" or unicodedata.category(one) != "Cc")


def out() -> Console:
    """Standard output; the terminal itself breaks long lines, so that they can be copied whole."""
    return Console(highlight=False, soft_wrap=True)


def err() -> Console:
    """Standard error, for what is no result."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def is_terminal() -> bool:
    """Whether somebody looks at the output."""
    return sys.stdout.isatty()


def say(text: str = "", style: str = "", end: str = "\n") -> None:
    """Prints text that may come from a document or a server."""
    if is_terminal():
        out().print(Text(clean(text), style=style), end=end)
    else:
        sys.stdout.write(clean(text) + end)


def complain(text: str) -> None:
    """Prints what went wrong to standard error."""
    if sys.stderr.isatty():
        err().print(Text(clean(text), style="red"))
    else:
        sys.stderr.write(f"{clean(text)}\n")


def tell_error(error: RagentsError) -> None:
    """A failed call in words: what, what to do, and the ids to ask about it."""
    complain(f"{type(error).__name__}: {error}")
    for violation in error.violations:
        complain(f"  {violation.field}: {violation.description}")
    if error.request_id:
        complain(f"  request {error.request_id}")


def as_json(value: Any) -> Any:
    """Messages, and lists and dicts of them, as protobuf's own JSON: lowerCamelCase, enums by name."""
    match value:
        case Message():
            return MessageToDict(value)
        case dict():
            return {key: as_json(one) for key, one in value.items()}
        case list() | tuple():
            return [as_json(one) for one in value]
        case _:
            return value


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(as_json(value), indent=2, ensure_ascii=False) + "\n")


@contextmanager
def patience(waiting_for: str) -> Iterator[Callable[[], None]]:
    """Says what is waited for after a second of silence. Gives the function that calls it off."""

    def speak() -> None:
        sys.stderr.write(f"waiting for {waiting_for} …\n")
        sys.stderr.flush()

    timer = threading.Timer(SILENCE, speak)
    timer.daemon = True
    timer.start()
    try:
        yield timer.cancel
    finally:
        timer.cancel()
