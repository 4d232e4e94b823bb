"""Page tokens: where a listing goes on, opaque to the caller and good only for the listing it came from."""

import base64
import binascii
import hashlib
from collections.abc import Callable
from typing import TypeVar

from ragents_server.errors import InvalidRequest

T = TypeVar("T")
MOST = 2_048  # bytes; the longest name makes one of 1,376
_SEAL = 8


def page_token(after: str, *listing: str) -> str:
    """The token for what comes after the name `after`."""
    return base64.urlsafe_b64encode(_seal(after, listing) + after.encode()).decode().rstrip("=")


def after_token(token: str, *listing: str) -> str:
    """The name to go on after, empty for an empty token; raises InvalidRequest for a token of another listing."""
    if not token:
        return ""
    if len(token) > MOST:
        raise _foreign()
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        after = raw[_SEAL:].decode()
    except (binascii.Error, ValueError) as error:
        raise _foreign() from error
    if raw[:_SEAL] != _seal(after, listing) or "\0" in after:
        raise _foreign()
    return after


def after_place(token: str, read: Callable[[str], T], *listing: str) -> T | None:
    """The place to go on after, as `read` has it from its name; None for an empty token.

    Anybody can make a token: what `read` raises ValueError or OverflowError for is InvalidRequest too.
    """
    name = after_token(token, *listing)
    if not token:
        return None
    try:
        return read(name)
    except (ValueError, OverflowError) as error:
        raise _foreign() from error


def _foreign() -> InvalidRequest:
    message = "page_token is not one that this listing gave out"
    return InvalidRequest(message, violations={"page_token": message})


def _seal(after: str, listing: tuple[str, ...]) -> bytes:
    """Not a secret: the listing is filtered by tenant whatever the token says, and the place is read with care."""
    digest = hashlib.blake2b(digest_size=_SEAL)
    for part in (*listing, after):
        digest.update(f"{len(part)}:{part}".encode())
    return digest.digest()
