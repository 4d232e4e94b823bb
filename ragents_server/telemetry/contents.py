"""What went in and came out of a call and of its parts, as plain JSON that people read; long texts are cut."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from ragents_client.v1.answer_pb2 import Answer, Passage, Question

LONGEST = 4000  # characters of one text
BEYOND = 1000  # characters behind the cut that are read too, so that it leaves no half of a secret
MOST = 20  # entries of one list
LARGEST = 64 * 1024  # bytes of a message that is shown at all

Redact = Callable[[str], str]


def plain(value: object, redact: Redact) -> Any:
    """The value as JSON has it."""
    if isinstance(value, str):
        return _told(value, redact)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Passage):
        return _passage(value, redact)
    if isinstance(value, Question):
        return _told(value.text, redact)
    if isinstance(value, Answer):
        return _answer(value, redact)
    if isinstance(value, Message):
        return _message(value, redact)
    if isinstance(value, Mapping):
        return {str(name): plain(one, redact) for name, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(one, redact) for one in value[:MOST]]
    return str(type(value).__name__)


def contents(value: object, redact: Redact) -> dict[str, Any]:
    """The same as an object, which is what the field of a trace must be."""
    made = plain(value, redact)
    return made if isinstance(made, dict) else {"value": made}


def decoded(method: str, message: object, *, reply: bool) -> object:
    """A call's request or reply as a message; None where it is none, or larger than is shown."""
    if not isinstance(message, bytes):
        fits = isinstance(message, Message) and message.ByteSize() <= LARGEST
        return message if fits else None
    service, _, name = method.lstrip("/").rpartition("/")
    if len(message) > LARGEST:
        return None
    try:
        found = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
        kind = GetMessageClass(found.output_type if reply else found.input_type)
        return kind.FromString(message)
    except (KeyError, DecodeError):
        return None


def _message(message: Message, redact: Redact) -> Any:
    """An envelope: the nouns in it as they are shown, whatever else is set as it is."""
    shown: dict[str, Any] = {}
    for field, value in message.ListFields():
        repeated = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        if field.name in {"metadata", "arguments"} or field.message_type is None or repeated:
            nouns = repeated and field.message_type is not None
            shown[field.name] = (
                plain(list(value[:MOST]), redact) if nouns else _scalar(message, field.json_name, value, redact)
            )
        else:
            shown[field.name] = plain(value, redact)
    return shown


def _scalar(message: Message, name: str, value: Any, redact: Redact) -> Any:
    if isinstance(value, str | bool | int | float):
        return plain(value, redact)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return plain(MessageToDict(message).get(name), redact)


def _passage(passage: Passage, redact: Redact) -> dict[str, Any]:
    return {
        "document": redact(passage.document.name),
        "collection": passage.document.collection,
        "score": round(passage.score.fused, 4),
        "text": _told(passage.text, redact),
    }


def _answer(answer: Answer, redact: Redact) -> dict[str, Any]:
    shown: dict[str, Any] = {"text": _told(answer.text, redact), "citations": len(answer.citations)}
    if answer.HasField("refusal"):
        shown["refusal"] = plain(answer.refusal, redact)
    return shown


def _told(text: str, redact: Redact) -> str:
    told = redact(text[: LONGEST + BEYOND])
    return told if len(told) <= LONGEST else f"{told[:LONGEST]}…"
