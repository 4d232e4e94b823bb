"""Requests and replies as bytes, for a handler that can often answer without reading the one or making the other."""

from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from ragents_server.errors import InvalidRequest

T = TypeVar("T")
Handle = TypeVar("Handle", bound=Callable[..., Any])


def takes_bytes(handle: Handle) -> Handle:
    """Marks a unary handler that gets its request as it came."""
    handle.takes_bytes = True  # type: ignore[attr-defined]
    return handle


def decoded(decode: Callable[[bytes], T], message: bytes) -> T:
    """The message; InvalidRequest where the bytes are none: grpc by itself tells UNKNOWN and the parser's words."""
    try:
        return decode(message)
    except (DecodeError, UnicodeDecodeError):
        raise InvalidRequest("the request's bytes are not a message of its type") from None
