"""Every field a caller sends is checked here, once; what is wrong is told field by field."""

import re
from collections.abc import Iterable

from google.protobuf.json_format import Error as JsonError
from google.protobuf.json_format import MessageToJson
from google.protobuf.struct_pb2 import Struct, Value

from ragents_client.v1.answer_pb2 import CacheMode, Condition, Question, Rewriting
from ragents_server.caller import Caller
from ragents_server.errors import InvalidRequest, PermissionDenied

DEFAULT_COLLECTION = "default"
COLLECTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
DOCUMENT_ID = re.compile(r"[0-9a-f]{32}")
MAX_TEXT = 8_192
MAX_ANSWER = 32_768
MAX_METADATA = 16_384  # of a document, and so of a string that is compared with it
MAX_MEDIA_TYPE = 255
MAX_PAGE = 1_000
USUAL_PAGE = 100
MOST_TOLD = 16  # violations; a client drops a status of more than 8 KB
NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # U+0000 in JSON; with one more backslash it is text
SCALARS = {"number_value", "string_value", "bool_value"}


class Violations:
    """Collects what is wrong, and raises it all at once."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}

    def require(self, good: bool, field: str, text: str) -> None:
        """Notes `text` against `field` unless `good`."""
        if not good and len(self._found) < MOST_TOLD:
            self._found.setdefault(field, text)

    def check(self) -> None:
        """Raises InvalidRequest when anything was noted."""
        if self._found:
            told = "; ".join(f"{field} {text}" for field, text in self._found.items())
            raise InvalidRequest(told[:1000], violations=self._found)


def check_question(question: Question, caller: Caller, where: str = "question") -> Question:
    """The question with its collections filled in; InvalidRequest or PermissionDenied otherwise."""
    found = Violations()
    size = len(question.text.encode())
    found.require(bool(question.text.strip()), f"{where}.text", "must not be empty")
    found.require(size <= MAX_TEXT, f"{where}.text", f"has {size:,} bytes, more than {MAX_TEXT:,}")
    found.require("\0" not in question.text, f"{where}.text", "must not contain NUL")
    found.require(len(question.collections) <= 32, f"{where}.collections", "has more than 32 entries")
    found.require(len(question.conditions) <= 16, f"{where}.conditions", "has more than 16 entries")
    found.require(len(question.history) <= 32, f"{where}.history", "has more than 32 entries")
    if question.HasField("top_k"):
        found.require(1 <= question.top_k <= 100, f"{where}.top_k", "must be 1 to 100")
    found.require(question.rewriting in Rewriting.values(), f"{where}.rewriting", "is not a known value")
    found.require(question.cache_mode in CacheMode.values(), f"{where}.cache_mode", "is not a known value")
    for i, exchange in enumerate(question.history[:32]):
        said, answered = exchange.question.encode(), exchange.answer.encode()
        place = f"{where}.history[{i}]"
        found.require(len(said) <= MAX_TEXT, f"{place}.question", f"has more than {MAX_TEXT:,} bytes")
        found.require(len(answered) <= MAX_ANSWER, f"{place}.answer", f"has more than {MAX_ANSWER:,} bytes")
    for i, condition in enumerate(question.conditions[:16]):
        _condition(condition, f"{where}.conditions[{i}]", found)
    found.check()
    checked = Question()
    checked.CopyFrom(question)
    del checked.collections[:]
    checked.collections.extend(dict.fromkeys(granted(name, caller) for name in question.collections or [""]))
    return checked


def _condition(condition: Condition, where: str, found: Violations) -> None:
    found.require(0 < len(condition.field.encode()) <= 128, f"{where}.field", "must be 1 to 128 bytes")
    found.require("\0" not in condition.field, f"{where}.field", "must not contain NUL")
    kind = condition.WhichOneof("test")
    found.require(kind is not None, where, "has no test: set equals, any_of, range or exists")
    if kind == "equals":
        _scalars([condition.equals], f"{where}.equals", found)
    if kind == "any_of":
        found.require(1 <= len(condition.any_of.values) <= 100, f"{where}.any_of", "must have 1 to 100 values")
        _scalars(condition.any_of.values, f"{where}.any_of", found)
    if kind == "range":
        bounds = [getattr(condition.range, name) for name in ("at_least", "at_most") if condition.range.HasField(name)]
        found.require(bool(bounds), f"{where}.range", "needs at_least or at_most")
        kinds = {bound.WhichOneof("kind") for bound in bounds}
        same = len(kinds) <= 1 and kinds <= {"number_value", "string_value"}
        found.require(same, f"{where}.range", "needs bounds that are both numbers or both strings")
        _scalars(bounds, f"{where}.range", found)


def _scalars(values: Iterable[Value], where: str, found: Violations) -> None:
    for value in values:
        found.require(value.WhichOneof("kind") in SCALARS, where, "must be a string, a number or a bool")
        size = len(value.string_value.encode())
        found.require(size <= MAX_METADATA, where, f"has {size:,} bytes, more than {MAX_METADATA:,}")
        found.require("\0" not in value.string_value, where, "must not contain NUL")
        finite = abs(value.number_value) < float("inf")  # False for NaN too
        found.require(finite, where, "must be a finite number")


def granted(collection: str, caller: Caller) -> str:
    """The collection's name, `default` for an empty one; it must be well formed and granted to the caller."""
    name = collection or DEFAULT_COLLECTION
    if not COLLECTION.fullmatch(name):
        text = "must be 1 to 128 letters, digits, '.', '_' or '-', beginning with a letter or digit"
        raise InvalidRequest(f"collection {text}", violations={"collection": text})
    if not caller.may_use(name):
        raise PermissionDenied(f"the collection {name} is not granted to this credential")
    return name


def check_page_size(size: int) -> int:
    """The page's size, the usual one for 0."""
    if not 0 <= size <= MAX_PAGE:
        text = f"must be 0 to {MAX_PAGE:,}"
        raise InvalidRequest(f"page_size {text}", violations={"page_size": text})
    return size or USUAL_PAGE


def check_id(value: str, field: str) -> str:
    """An id as it is; an empty one is a mistake, a malformed one is simply unknown."""
    if not value:
        raise InvalidRequest(f"{field} must not be empty", violations={field: "must not be empty"})
    return value if DOCUMENT_ID.fullmatch(value) else ""


def check_prefix(value: str) -> str:
    """A name's beginning."""
    if len(value.encode()) > 1024 or "\0" in value:
        text = "must be at most 1,024 bytes without NUL"
        raise InvalidRequest(f"name_prefix {text}", violations={"name_prefix": text})
    return value


def check_media_type(value: str) -> str:
    """A document's media type; empty: it is told from name and content."""
    if len(value.encode()) > MAX_MEDIA_TYPE or "\0" in value:
        text = f"must be at most {MAX_MEDIA_TYPE} bytes without NUL"
        raise InvalidRequest(f"media_type {text}", violations={"media_type": text})
    return value


def check_metadata(metadata: Struct) -> Struct:
    """A document's metadata: bounded, without NUL, with finite numbers."""
    found = Violations()
    text = ""
    try:
        text = MessageToJson(metadata, indent=None, ensure_ascii=False)
    except (ValueError, JsonError):
        found.require(False, "metadata", "must hold finite numbers only")
    size = len(text.encode())
    found.require(size <= MAX_METADATA, "metadata", f"has {size:,} bytes as JSON, more than {MAX_METADATA:,}")
    found.require(not NUL.search(text), "metadata", "must not contain NUL")
    found.check()
    return metadata
