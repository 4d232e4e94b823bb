"""One call, described: the request, what to take out of the response, and how long to wait."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import uuid4

from google.protobuf.message import Message

Response = TypeVar("Response")
Noun = TypeVar("Noun")

# Seconds; every RPC that is not named only looks something up.
LOOK_UP = 15.0
TIMEOUTS = {
    "Query": 60.0,
    "StreamQuery": 60.0,
    "Retrieve": 30.0,
    "BatchQuery": 300.0,
    "SubmitBatch": 60.0,
    "PutDocuments": 600.0,
    "DeleteCollection": 120.0,
    "Run": 300.0,
    "StreamRun": 300.0,
    "AttachRun": 300.0,
    "ClearCache": 60.0,
}


@dataclass(frozen=True, slots=True)
class Call(Generic[Response, Noun]):
    """A request and the noun its response carries. `timeout` in seconds; None: the client's own, or the RPC's."""

    request: Message
    unpack: Callable[[Response], Noun]
    timeout: float | None = None


def fresh_id() -> str:
    """A request_id that nobody used before."""
    return uuid4().hex
