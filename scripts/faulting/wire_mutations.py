"""Messages as a stranger might send them: the bytes of a valid one, damaged, or well formed and absurd."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

VARINT, FIXED64, LENGTH, GROUP, GROUP_END, FIXED32 = range(6)
WIDTHS = {FIXED64: 8, FIXED32: 4}
DEEPEST = 10_000
REFRAMED = 0.65  # share of changes that leave the message well formed, so that it gets further
LONG = (129, 257, 1_025, 8_193, 32_769, 70_000, 300_000)  # bytes: one more than the contract allows, and far more
MANY = (17, 33, 101, 1_001)
NUMBERS = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
TEXTS = (
    b"",
    b"\0",
    b"a\0b",
    b"\xff\xfe",
    b"\xed\xa0\x80",  # a surrogate
    b"\xc0\x80",
    b"\xf4\x90\x80\x80",
    "\u202e\u0000\ufffe\U0010ffff".encode(),
    b"../../etc/passwd",
    b"'; DROP TABLE documents; --",
    b"%s%n{0}{{}}",
    b"\r\nx-injected: 1",
    b"nan",
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message as it stands on the wire; `content` is what follows tag and length."""

    number: int
    kind: int  # the wire type
    content: bytes

    @property
    def wire(self) -> bytes:
        """Tag, length where it has one, and content."""
        length = varint(len(self.content)) if self.kind == LENGTH else b""
        return varint(self.number << 3 | self.kind) + length + self.content


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


def fields_of(message: bytes) -> list[Field] | None:
    """The fields of a message; None where the bytes are none."""
    found, at = [], 0
    while at < len(message):
        tag, at = _number(message, at)
        kind = tag & 7
        if kind == VARINT:
            _, end = _number(message, at)
        elif kind == LENGTH:
            length, at = _number(message, at)
            end = at + length
        elif kind in WIDTHS:
            end = at + WIDTHS[kind]
        else:
            return None
        if not tag >> 3 or end > len(message) or at > end:
            return None
        found.append(Field(tag >> 3, kind, message[at:end]))
        at = end
    return found


def _number(message: bytes, at: int) -> tuple[int, int]:
    """A varint and where it ends; beyond the message where it does not end."""
    for end in range(at, min(at + 10, len(message))):
        if message[end] < 128:
            return sum((byte & 127) << 7 * place for place, byte in enumerate(message[at : end + 1])), end + 1
    return 0, len(message) + 1


class Mutations:
    """Draws what becomes of each message; the same seed draws the same."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._framed: Sequence[Callable[[list[Field]], bytes]] = (
            self._other_text,
            self._longer,
            self._other_number,
            self._repeated,
            self._swapped,
            self._left_out,
            self._wrong_kind,
        )
        self._raw: Sequence[Callable[[bytes], bytes]] = (
            self._flipped,
            self._truncated,
            self._doubled,
            self._inserted,
            self._deep,
            self._huge_length,
            self._noise,
            lambda _: b"",
        )

    def mutated(self, message: bytes) -> bytes:
        """One message, damaged or well formed and absurd, once or a few times; now and then as it was."""
        for _ in range(self._draw.choice((0, 1, 1, 1, 2, 3))):
            change = self._reframed if self._draw.random() < REFRAMED else self._draw.choice(self._raw)
            message = change(message)
        return message

    def _reframed(self, message: bytes) -> bytes:
        """Changes one field somewhere; all lengths around it are right."""
        fields = fields_of(message)
        if not fields:
            return self._draw.choice(self._raw)(message)
        inner = [at for at, field in enumerate(fields) if field.kind == LENGTH and fields_of(field.content)]
        if inner and self._draw.random() < 0.7:
            at = self._draw.choice(inner)
            fields[at] = Field(fields[at].number, LENGTH, self._reframed(fields[at].content))
            return _joined(fields)
        return self._draw.choice(self._framed)(fields)

    def _at(self, fields: list[Field]) -> int:
        return self._draw.randrange(len(fields))

    def _other_text(self, fields: list[Field]) -> bytes:
        at = self._at(fields)
        fields[at] = Field(fields[at].number, LENGTH, self._draw.choice(TEXTS))
        return _joined(fields)

    def _longer(self, fields: list[Field]) -> bytes:
        at = self._at(fields)
        pattern = fields[at].content or b"a"
        times = self._draw.choice(LONG) // len(pattern) + 1
        fields[at] = Field(fields[at].number, LENGTH, pattern * times)
        return _joined(fields)

    def _other_number(self, fields: list[Field]) -> bytes:
        at = self._at(fields)
        number = fields[at].number if fields[at].kind == VARINT else self._draw.randint(1, 10)
        fields.insert(at, Field(number, VARINT, varint(self._draw.choice(NUMBERS))))
        return _joined(fields)

    def _repeated(self, fields: list[Field]) -> bytes:
        field = fields[self._at(fields)]
        return _joined(fields) + field.wire * min(self._draw.choice(MANY), 400_000 // len(field.wire))

    def _swapped(self, fields: list[Field]) -> bytes:
        """One field's content under another's number."""
        one, other = self._draw.choice(fields), self._draw.choice(fields)
        return _joined([*fields, Field(one.number, other.kind, other.content)])

    def _left_out(self, fields: list[Field]) -> bytes:
        del fields[self._at(fields)]
        return _joined(fields)

    def _wrong_kind(self, fields: list[Field]) -> bytes:
        at = self._at(fields)
        kind = self._draw.choice((VARINT, FIXED64, LENGTH, GROUP, GROUP_END, FIXED32, 6, 7))
        fields[at] = Field(fields[at].number, kind, fields[at].content)
        return _joined(fields)

    def _flipped(self, message: bytes) -> bytes:
        changed = bytearray(message)
        for _ in range(self._draw.randint(1, 8) if changed else 0):
            changed[self._draw.randrange(len(changed))] ^= 1 << self._draw.randrange(8)
        return bytes(changed)

    def _span(self, message: bytes) -> tuple[int, int]:
        start = self._draw.randint(0, len(message))
        return start, self._draw.randint(start, len(message))

    def _truncated(self, message: bytes) -> bytes:
        return message[: self._draw.randint(0, len(message))]

    def _doubled(self, message: bytes) -> bytes:
        start, end = self._span(message)
        return message[:end] + message[start:]

    def _inserted(self, message: bytes) -> bytes:
        at, _ = self._span(message)
        return message[:at] + self._draw.randbytes(self._draw.randint(1, 64)) + message[at:]

    def _deep(self, message: bytes) -> bytes:
        """A message in a message in a message, or groups that are begun and never ended."""
        number, depth = self._draw.randint(1, 8), self._draw.choice((50, 99, 101, 1_000, DEEPEST))
        if self._draw.random() < 0.5:
            return message + varint(number << 3 | GROUP) * depth
        for _ in range(min(depth, 1_000)):
            message = Field(number, LENGTH, message).wire
        return message

    def _huge_length(self, message: bytes) -> bytes:
        tag = varint(self._draw.randint(1, 2**29 - 1) << 3 | LENGTH)
        return message + tag + self._draw.choice((varint(2**31 - 1), varint(2**63), b"\xff" * 12)) + message

    def _noise(self, _: bytes) -> bytes:
        return self._draw.randbytes(self._draw.choice((1, 7, 64, 1_000, 20_000)))


def _joined(fields: Sequence[Field]) -> bytes:
    return b"".join(field.wire for field in fields)
