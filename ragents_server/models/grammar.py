"""What a request asks for, by its form: its parts, and documents that are to be opened. English, by rules.

    request   = part { separator part }
    separator = "?" | "!" | ";" | "." before a capital | [","] ("and" | "then" | "and then" | "also") before a beginning
    beginning = a word that asks ("who", "when", "is", …) or orders ("open", "compute", "list", …)
    opening   = { small word } ("open" | "show" | "read" | "view" | "see" | "get" | …) { small word } document
    document  = [noun] name [noun] ["part" number] | name "from the beginning"
    name      = text in quotes | words with a file's ending | 32 hexadecimal digits | up to 8 words beside a noun
    noun      = "document" | "file" | "text" | "page" | "contents of" …

A name without quotes, ending or noun is none: "show me the price of bread" asks what documents say of bread.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

PARTS = 3
LONGEST = 2_000  # characters of a request that are taken apart; a longer one is one part

_ASKING = "who whom whose what when where why which how"
_AUXILIARY = "is are was were do does did can could should would will has have had"
_ORDERING = (
    "open show read display print view find list tell give explain describe name compute calculate solve convert "
    "evaluate summarize summarise define look search"
)
_BEGINNING = "|".join(f"{_ASKING} {_AUXILIARY} {_ORDERING}".split())
_LATER = "|".join(f"{_ASKING} {_ORDERING}".split())  # "in which year", "please list"
_SEPARATOR = re.compile(
    rf"(?<=[?!;])\s+|;\s*|(?<=[^\W\d_]{{2}}\.)\s+(?=[A-Z])"
    rf"|,?\s+(?:and\s+then|and\s+also|and|then|also)\s+(?=(?:{_BEGINNING})\b)",
    re.IGNORECASE,
)
_REQUEST = re.compile(rf"\W*(?:{_BEGINNING})\b|(?:\W*[\w'’-]+\W+){{1,2}}(?:{_LATER})\b|.*\?\W*\Z", re.IGNORECASE)
# What compares needs both of what "and" joins.
_JOINED = re.compile(r"\b(?:between|both|compare[ds]?|comparing|differ\w*|versus|vs)\b", re.IGNORECASE)
_POINTING = re.compile(r"\b(?:it|its|they|them|their|he|him|his|she|her|this|that|these|those|there)\b", re.IGNORECASE)
_SMALL = (
    r"(?:please|kindly|can|could|would|will|may|you|i|we|me|us|let|mind|go|ahead|and|now|then|just|want|need|like|d|to|have"
    r"|so|ok|okay|the|my|our|a|up|out|at|into|through|for|once)[\s:,'’]+"
)
_NOUN = r"(?:document|file|text|page|doc|whole\s+document|full\s+text|contents?\s+of|text\s+of|beginning\s+of)"
_OPEN = r"(?:open|show|read|display|print|view|see|fetch|get|give|pull|bring|look)(?:ing)?"
_OPENING = re.compile(
    rf"\W*(?:{_SMALL})*{_OPEN}[\s:,]+(?:{_SMALL})*(?P<noun>(?:{_NOUN}\s+)*(?:(?:called|named|titled|of)\s+)?)(?:the\s+)?"
    r"(?P<rest>.+?)[\s.?!]*\Z",
    re.IGNORECASE | re.DOTALL,
)
_PART = re.compile(r",?\s+(?:at\s+|from\s+|its\s+)?(?:part|section\s+number)\s+(?P<part>\d{1,4})\W*\Z", re.IGNORECASE)
_TAIL = re.compile(
    r"(?:,?\s+(?:please|(?:for|to)\s+(?:me|us)|again|from\s+the\s+(?:beginning|start|top)|(?:document|file)))+\W*\Z",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“”'‘’«`](?P<name>[^\"“”«»`]{1,300}?)[\"“”'‘’»`]\Z")
_FILE = re.compile(r"[\w()+@~/][\w .()+@~/-]{0,250}\.[A-Za-z][A-Za-z0-9]{0,7}")
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Opening:
    """A document that is to be opened."""

    document: str
    part: int = 1


def parts(text: str) -> tuple[str, ...]:
    """The parts of a request, at most PARTS; what points back to the first one is told it."""
    text = " ".join(text.split())
    if len(text) > LONGEST or _JOINED.search(text):
        return (text,)
    found = [part.strip(" ,;") for part in _SEPARATOR.split(text) if re.search(r"\w", part)]
    if not (1 < len(found) <= PARTS and all(map(_REQUEST.match, found))):  # a statement belongs to what follows it
        return (text,)
    return (found[0], *_standing_alone(found))


def _standing_alone(found: list[str]) -> Iterator[str]:
    for part in found[1:]:
        lone = len(re.findall(r"\w{2,}", part)) < 2  # "and why?"
        yield f"{part} ({found[0].rstrip('?!. ')})" if lone or _POINTING.search(part) else part


def opening(part: str) -> Opening | None:
    """The document that a part of a request orders to open; None where it orders nothing of the kind."""
    found = _OPENING.match(part[:LONGEST])
    if found is None:
        return None
    rest, number = found["rest"].strip(), 1
    if numbered := _PART.search(rest):
        rest, number = rest[: numbered.start()], max(1, int(numbered["part"]))
    named = bool(found["noun"].strip())
    if tail := _TAIL.search(rest):
        named = named or re.search(r"document|file", tail[0], re.IGNORECASE) is not None
        rest = rest[: tail.start()]
    rest = rest.strip()
    if quoted := _QUOTED.match(rest):
        return Opening(quoted["name"].strip(), number)
    if _ID.fullmatch(rest) or _FILE.fullmatch(rest):
        return Opening(rest, number)
    return Opening(rest, number) if named and 0 < len(rest.split()) <= 8 and not _about(rest) else None


def _about(rest: str) -> bool:
    """Whether the words say what a document is about rather than what it is called."""
    return re.match(r"(?:that|which|about|on|where|with|who|for|says?|in)\b", rest, re.IGNORECASE) is not None
