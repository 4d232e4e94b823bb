"""What models and tools give, as it can be stored, sent and put into a prompt: clean text, numbers of bounded size.

Half characters are stored as "?" or refused, NUL is refused by PostgreSQL, and an integer that a double cannot hold
loses digits in a Struct and ends a checkpoint. So they are replaced where they come in.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Plain: TypeAlias = "dict[str, Plain] | list[Plain] | str | int | float | bool | None"

EXACT = 2**53  # integers up to here are the same as doubles
DEEPEST = 32  # levels of nesting
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
_HALF = re.compile(r"[\ud800-\udbff]\Z")


def clean(text: str) -> str:
    """Without NUL; halves of a character are joined, and one without its other half becomes U+FFFD."""
    if _UNSTORABLE.search(text) is None:
        return text
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def plain(value: Any, depth: int = 0) -> Plain:
    """`value` as JSON can say it: clean text, integers beyond ±2**53 and numbers that are none as text.

    Raises ValueError for what is nested more than DEEPEST levels deep.
    """
    if depth > DEEPEST:
        raise ValueError(f"nested more than {DEEPEST} levels deep")
    match value:
        case None | bool():
            return value
        case int():
            return int(value) if abs(value) <= EXACT else _digits(value)
        case float():
            return float(value) if math.isfinite(value) else str(value)
        case Mapping():
            return {clean(str(name)): plain(one, depth + 1) for name, one in value.items()}
        case Sequence() if not isinstance(value, (str, bytes, bytearray)):
            return [plain(one, depth + 1) for one in value]
        case _:
            return clean(str(value))


def _digits(number: int) -> str:
    try:
        return str(number)
    except ValueError:  # Python refuses thousands of digits, whose conversion takes time
        return hex(number)


class Joining:
    """Text in pieces, each cleaned; half a character at a piece's end waits for the other half."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        """What may leave now."""
        text = self._half + text
        found = _HALF.search(text)
        self._half = found[0] if found else ""
        return clean(text[: len(text) - len(self._half)])

    def end(self) -> str:
        """What is left."""
        half, self._half = self._half, ""
        return clean(half)
