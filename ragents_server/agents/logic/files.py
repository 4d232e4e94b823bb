"""Constraints on the documents themselves: their names and what kind of file they are.

"in plan.pdf"   "according to Lease 7.pdf"   "what does notes.md say"   "in a.txt or b.txt"
"PDF files only"   "in the Word documents"   "from the spreadsheets"
"""

import re
from collections.abc import Iterator, Sequence

from google.protobuf.struct_pb2 import Value

from ragents_client.v1.answer_pb2 import AnyOf, Condition
from ragents_server.agents.logic.constraint import THE, Constraint, UnclearError, without
from ragents_server.solving import Ambiguous

MOST_WORDS = 6  # of a name with spaces

_EXTENSION = r"(?:pdf|docx?|pptx?|xlsx?|txt|text|md|markdown|html?|csv|tsv|json|jsonl|ndjson|eml|rst|log|xhtml)"
_FILE = re.compile(rf"(?:[\w'’()&+,-]+[ /])*[\w'’()&+.-]+\.{_EXTENSION}\b(?![/.]\w)", re.IGNORECASE)
_LEAD = re.compile(
    r"(?P<lead>\b(?:according to|as per|based on|looking (?:only )?at|only in|only from|in|from|of|within|inside|"
    r"per|using|"
    r"does|do|did|says|and|or|,)|^)[\s:]*(?:only |just )?(?:the |my |our )?(?:document |file |report |paper )?[\"'“]?$",
    re.IGNORECASE,
)
_EXCLUDED = re.compile(
    r"\b(?:not in|except(?: for| in)?|but not in|without|excluding|other than|outside(?: of)?)\s+(?:the )?$",
    re.IGNORECASE,
)
_SURE = frozenset(
    {"according to", "as per", "based on", "in", "from", "within", "inside", "per", "using", "only in", "only from"}
)
_OFFICE = "application/vnd.openxmlformats-officedocument."
_WORD, _SLIDES, _SHEET = (
    f"{_OFFICE}{kind}" for kind in ("wordprocessingml.document", "presentationml.presentation", "spreadsheetml.sheet")
)
_NOUN = r"(?:files?|documents?|docs?)"
_KINDS: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    # what it is called alone, what with "files" behind it, the media types, what it is told as
    (r"pdfs", r"pdf", ("application/pdf",), "PDF files"),
    (r"word[- ]documents", r"(?:ms |microsoft )?word|docx", (_WORD,), "Word files"),
    (r"spreadsheets|excel sheets", r"excel|xlsx|spreadsheet", (_SHEET, "text/csv"), "spreadsheets"),
    (r"slides|slide decks|presentations", r"power ?point|pptx|slide|presentation", (_SLIDES,), "presentations"),
    (r"web ?pages", r"html", ("text/html",), "HTML files"),
    (r"(?!)", r"markdown|md", ("text/markdown",), "Markdown files"),
    (r"(?!)", r"csv", ("text/csv",), "CSV files"),
    (r"(?!)", r"json", ("application/json", "application/x-ndjson"), "JSON files"),
    (r"e-?mails", r"e-?mail|eml|mail", ("message/rfc822",), "mails"),
    (r"(?!)", r"(?:plain )?text|txt", ("text/plain",), "text files"),
)
_FROM = (
    r"(?:only (?:in|from|at|using)|in|from|among|within|inside|across|looking (?:only )?at|using|searching|search|"
    r"consider(?:ing)?|read(?:ing)?|do|does)"
)


def candidates(text: str) -> list[str]:
    """What may be the names of documents in the text: each file's last words, from one to several."""
    return list(dict.fromkeys(name for found in _FILE.finditer(text) for _, name in _endings(found)))


def _endings(found: re.Match[str]) -> Iterator[tuple[int, str]]:
    """The places and names that end where the match ends, the longest first."""
    words = list(re.finditer(r"[^ ]+", found.group()))
    for word in words[-MOST_WORDS:]:
        yield found.start() + word.start(), found.group()[word.start() :]


def named(text: str, documents: Sequence[str]) -> Iterator[Constraint]:
    """The document that the text names, or the documents; `documents` are those of `candidates` that there are."""
    found = [one for match in _FILE.finditer(text) if (one := _file(text, match, documents)) is not None]
    if not found:
        return
    names = [name for _, _, several in found for name in several]
    told = f"name = {' or '.join(names)}"
    yield Constraint(found[0][0], found[0][1], (any_of("name", names),), told)
    for start, end, _ in found[1:]:
        yield Constraint(start, end, (), "")


def _file(text: str, match: re.Match[str], documents: Sequence[str]) -> tuple[int, int, list[str]] | None:
    """Where one is named with its lead, and what it is called in full."""
    for place, ending in _endings(match):
        start, name = place, ending
        known = [one for one in documents if name.lower() in {one.lower(), one.lower().rpartition("/")[2]}]
        if known:
            break
    else:
        start, name, known = match.start() + match.group().rfind(" ") + 1, match.group().rpartition(" ")[2], []
    end = match.end() + (text[match.end() : match.end() + 1] in {'"', "”", "'"})
    if excluded := _EXCLUDED.search(text[:start]):
        rest = without(text, [Constraint(excluded.start(), end, (), "")])
        options = ("All documents", f"Only {name}")
        question = f"No condition can leave {name} out. Shall all documents be asked, or only this one?"
        raise UnclearError(Ambiguous(question, options, (rest, f"In {name}: {rest}")))
    lead = _LEAD.search(text[:start])
    if lead is None or (not known and lead["lead"].lower() not in _SURE):
        return None
    keeps = lead["lead"].lower() in {"does", "do", "did", "says"}
    return (start if keeps else lead.start()), end, known or [name]


def media_types(text: str) -> Iterator[Constraint]:
    """The kinds of files that the text asks."""
    for alone, before_noun, types, told in _KINDS:
        kind = rf"(?:(?:{before_noun})[- ]{_NOUN}|{alone})"
        pattern = (
            rf"\b{_FROM} (?:only |just )?{THE}{kind}(?: only| alone)?\b|\b(?:only|just) {THE}{kind}\b|\b{THE}{kind} "
            rf"only\b"
        )
        if found := re.search(pattern, text, re.IGNORECASE):
            start = found.start()
            if helper := re.match(r"(?:do|does) ", found.group(), re.IGNORECASE):
                start += helper.end()
            yield Constraint(start, found.end(), (any_of("media_type", types),), told)


def any_of(field: str, values: Sequence[str]) -> Condition:
    """The field is one of these strings."""
    if len(values) == 1:
        return Condition(field=field, equals=Value(string_value=values[0]))
    return Condition(field=field, any_of=AnyOf(values=[Value(string_value=one) for one in values]))
