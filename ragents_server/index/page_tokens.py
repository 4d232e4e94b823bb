"""Page tokens: where a listing goes on, opaque to the caller and good only for the listing it came from."""

import base64
import binascii
import hashlib

from ragents_server.errors import InvalidRequest

_SEAL = 8


def page_token(after: str, *listing: str) -> str:
    """The token for what comes after the name `after`."""
    return base64.urlsafe_b64encode(_seal(after, listing) + after.encode()).decode().rstrip("=")


def after_token(token: str, *listing: str) -> str:
    """The name to go on after, empty for an empty token; raises InvalidRequest for a token of another listing."""
    if not token:
        return ""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        after = raw[_SEAL:].decode()
    except (binascii.Error, ValueError) as error:
        raise _foreign() from error
    if raw[:_SEAL] != _seal(after, listing):
        raise _foreign()
    return after


def _foreign() -> InvalidRequest:
    message = "page_token is not one that this listing gave out"
    return InvalidRequest(message, violations={"page_token": message})


def _seal(after: str, listing: tuple[str, ...]) -> bytes:
    """Not a secret: the listing is filtered by tenant whatever the token says."""
    digest = hashlib.blake2b(digest_size=_SEAL)
    for part in (*listing, after):
        digest.update(f"{len(part)}:{part}".encode())
    return digest.digest()
