"""Any message of a type: strategies made from its descriptor, of values at and beyond the edges of what is allowed."""

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

DEEPEST = 4
MOST = 4  # entries of a repeated field
EDGES_32 = st.sampled_from([0, 1, -1, 100, 101, 1_000, 1_001, 2**31 - 1, -(2**31)])
EDGES_64 = EDGES_32 | st.sampled_from([2**63 - 1, -(2**63), 315_576_000_000, 315_576_000_001])
WORDS = st.sampled_from(
    ["", "\0", "default", "simple", "langgraph", "a" * 129, "a" * 8_193, "../..", "ü\u202e\U0010ffff"]
)
TEXTS = WORDS | st.text(max_size=20)
FLOATS = st.floats(width=32) | st.sampled_from([float("nan"), float("inf"), 1e308, -0.0])
KINDS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: EDGES_32,
    FieldDescriptor.CPPTYPE_INT64: EDGES_64,
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: FLOATS,
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_ENUM: st.sampled_from([0, 1, 2, 3, 99, -1]),
}


def messages(descriptor: Descriptor, depth: int = 0) -> st.SearchStrategy[Message]:
    """Messages of the type, each field set or not."""
    if depth >= DEEPEST:
        return st.just(GetMessageClass(descriptor)())
    fields = {field.name: _values(field, depth) for field in descriptor.fields}
    return st.fixed_dictionaries({}, optional=fields).map(lambda chosen: _made(descriptor, chosen))


def _made(descriptor: Descriptor, chosen: dict[str, Any]) -> Message:
    message = GetMessageClass(descriptor)()
    for name, value in chosen.items():
        field = descriptor.fields_by_name[name]
        if field.is_repeated and field.message_type is not None and field.message_type.GetOptions().map_entry:
            for key, one in value.items():
                _put(getattr(message, name), key, one)
        elif field.is_repeated:
            getattr(message, name).extend(value)
        elif field.message_type is not None:
            getattr(message, name).CopyFrom(value)
        else:
            setattr(message, name, value)
    return message


def _put(entries: Any, key: Any, value: Any) -> None:
    if isinstance(value, Message):
        entries[key].CopyFrom(value)
    else:
        entries[key] = value


def _values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        return st.dictionaries(TEXTS, _single(kind.fields_by_name["value"], depth), max_size=MOST)
    one = _single(field, depth)
    return st.lists(one, max_size=MOST) if field.is_repeated else one


def _single(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return st.deferred(lambda: messages(field.message_type, depth + 1))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=64)
    return KINDS.get(field.cpp_type, TEXTS)
