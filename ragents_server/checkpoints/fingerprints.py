"""Digests of values as they are in memory, cheaper than serializing them: equal ones are stored as the same bytes."""

import secrets
from dataclasses import dataclass
from hashlib import sha256
from operator import attrgetter
from typing import Any

import ormsgpack
from langchain_core import messages
from langchain_core.documents import Document

from ragents_server.checkpoints.serde import Serializer
from ragents_server.errors import InvalidRequest

# The fields of these are all that is stored of them. Each has a mark that no data can hold, as it is this process's.
_MARKS: dict[type, bytes] = {
    kind: secrets.token_bytes(16)
    for kind in (
        messages.AIMessage,
        messages.AIMessageChunk,
        messages.ChatMessage,
        messages.ChatMessageChunk,
        messages.FunctionMessage,
        messages.FunctionMessageChunk,
        messages.HumanMessage,
        messages.HumanMessageChunk,
        messages.RemoveMessage,
        messages.SystemMessage,
        messages.SystemMessageChunk,
        messages.ToolMessage,
        messages.ToolMessageChunk,
        Document,
    )
}
_TUPLE, _OTHER, _LIST = (secrets.token_bytes(16) for _ in range(3))
# Nobody outside knows the seed; whoever made two values of one digest would but lose a part of a thread of their own.
_SEED = secrets.randbits(64)
_fields, _extra = attrgetter("__dict__"), attrgetter("__pydantic_extra__")

# Subclasses of str, dict and the like, tuples and dates come to `_Packer.default` rather than being taken for plain;
# a lone surrogate, which no UTF-8 has, is an error rather than a question mark.
_OPTIONS = (
    ormsgpack.OPT_NON_STR_KEYS
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a value is: `digest` of its content, about its size in bytes, and whether nothing else is in it."""

    digest: bytes
    size: int
    whole: bool  # False: it holds objects of which only a part is stored, so that they may differ in the rest


def fingerprint(value: Any, serde: Serializer) -> Fingerprint:
    """Raises InvalidRequest for what cannot be stored as it is."""
    packer = _Packer(serde)
    try:
        packed = ormsgpack.packb(_opened(value), default=packer.default, option=_OPTIONS)
    except TypeError as error:
        reason = error.__cause__ or error
        raise InvalidRequest(f"the state of the graph cannot be stored: {reason}") from error
    return Fingerprint(sha256(packed).digest()[:16], len(packed), packer.whole)


def _opened(value: Any) -> Any:
    """A list of nothing but marked objects by columns, which are packed without a call for each of them."""
    if type(value) is not list or not value or type(value[0]) not in _MARKS:
        return value
    marks = list(map(_MARKS.get, map(type, value)))
    return value if None in marks else [_LIST, marks, list(map(_fields, value)), list(map(_extra, value))]


class _Packer:
    """One walk over one value."""

    __slots__ = ("_serde", "whole")

    def __init__(self, serde: Serializer) -> None:
        self._serde = serde
        self.whole = True

    def default(self, value: Any) -> Any:
        mark = _MARKS.get(type(value))
        if mark is not None:
            extra = value.__pydantic_extra__
            return [mark, value.__dict__, extra] if extra else [mark, value.__dict__]
        self.whole = False
        if type(value) is tuple:
            return [_TUPLE, *value]
        return [_OTHER, *self._serde.plain(value)]
