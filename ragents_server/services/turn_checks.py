"""Every field of a turn is checked here, once; what is wrong is told field by field."""

import re

from google.protobuf.struct_pb2 import Value

from ragents_client.v1.agent_pb2 import Limits, Turn
from ragents_server.caller import Caller
from ragents_server.services.checks import MAX_TEXT, Violations, check_question

MAX_ID = 128  # bytes
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,255}")
REPLIES = {"string_value", "number_value", "bool_value"}


def check_turn(turn: Turn, caller: Caller) -> Turn:
    """The turn with its question's collections filled in; InvalidRequest or PermissionDenied otherwise."""
    found = Violations()
    _text(turn.request_id, "turn.request_id", found)
    found.require(bool(turn.request_id), "turn.request_id", "must not be empty")
    _text(turn.thread_id, "turn.thread_id", found)
    found.require(not turn.agent or bool(NAME.fullmatch(turn.agent)), "turn.agent", "is no name of an agent")
    kind = turn.WhichOneof("input")
    found.require(kind is not None, "turn.input", "must be set: a question or a reply")
    found.require(not turn.question.history, "turn.question.history", "must be empty: the thread remembers")
    if kind == "reply":
        _text(turn.reply.interrupt_id, "turn.reply.interrupt_id", found)
        found.require(bool(turn.reply.interrupt_id), "turn.reply.interrupt_id", "must not be empty")
        found.require(bool(turn.thread_id), "turn.thread_id", "must name the thread that waits on the reply")
        _value(turn.reply.value, found)
    _limits(turn.limits, found)
    found.check()
    checked = Turn()
    checked.CopyFrom(turn)
    if kind == "question":
        checked.question.CopyFrom(check_question(turn.question, caller, "turn.question"))
    return checked


def check_name(value: str, field: str) -> str:
    """The id of a thread, a run or a request; what is malformed beyond that is simply unknown."""
    found = Violations()
    found.require(bool(value), field, "must not be empty")
    _text(value, field, found)
    found.check()
    return value


def _text(value: str, field: str, found: Violations) -> None:
    found.require(len(value.encode()) <= MAX_ID, field, f"has more than {MAX_ID} bytes")
    found.require("\0" not in value, field, "must not contain NUL")


def _value(value: Value, found: Violations) -> None:
    where = "turn.reply.value"
    found.require(value.WhichOneof("kind") in REPLIES, where, "must be a string, a number or a bool")
    found.require(len(value.string_value.encode()) <= MAX_TEXT, where, f"has more than {MAX_TEXT:,} bytes")
    found.require("\0" not in value.string_value, where, "must not contain NUL")
    found.require(abs(value.number_value) < float("inf"), where, "must be a finite number")


def _limits(limits: Limits, found: Violations) -> None:
    found.require(limits.max_steps >= 0, "turn.limits.max_steps", "must not be negative")
    found.require(limits.max_tokens >= 0, "turn.limits.max_tokens", "must not be negative")
    if limits.HasField("max_time"):
        time = limits.max_time
        found.require(time.seconds >= 0 and time.nanos >= 0, "turn.limits.max_time", "must not be negative")
        found.require(time.seconds > 0 or time.nanos > 0, "turn.limits.max_time", "must not be zero")
        found.require(time.seconds <= 315_576_000_000 and time.nanos < 10**9, "turn.limits.max_time", "is no duration")
