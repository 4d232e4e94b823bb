"""A puzzle's text in sentences: what it says, and what it asks."""

import re
from dataclasses import dataclass

from ragents_server.solving.solution import OutsideError

MOST_SENTENCES = 40
NAME = (
    r"(?:(?:the|a|an|my|our) )?[^\W\d_][\w'-]*(?: (?!(?:is|are|was|were|has|does|did|and|or|than|but|"
    r"nor)\b)[^\W\d_][\w'-]*){0,2}"
)

_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-"})
_END = re.compile(r"(?<=[.!?;])\s+|\n+|(?<=[.!?])\"\s+")
_KNOWN = re.compile(
    r"^(?:(?:we|you|i) (?:also |all )?know|it is (?:also )?(?:known|a fact|given|true|certain|clear)|suppose|"
    r"assume|given|imagine|say|"
    r"let's say|the (?:fact|facts) (?:is|are)|we are told|you are told|i know|also|moreover|furthermore|besides|"
    r"and|but|now|then|"
    r"it is so|as a fact|in fact|it turns out|it happens|today|in addition|further)(?: also)?(?: that| is that)?:?,? ",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"^(?:so|then|therefore|thus|hence|now|and|well|question|q)?[,:]? ?(?:"
    r"(?:does|would|must|may|can|could|should|do|will) (?:it|that|this|we|i|you|one) (?:then |therefore |"
    r"necessarily |logically |now |safely )?"
    r"(?:follow|conclude|say|infer|deduce|be concluded|be said|be true|be certain|know|tell|derive|mean|be|be "
    r"inferred)(?: from this| from that| then)?(?: whether| if)?"
    r"|is it (?:then |therefore |also |necessarily |really )?(?:true|certain|sure|so|the case|right|correct|"
    r"known|clear|safe to say|possible to say|a fact)"
    r"|are we (?:sure|certain)|is the (?:following|conclusion|statement|claim|sentence)(?: statement| sentence)? "
    r"(?:right|true|correct|so)|true or false|(?:do|can) we (?:know|say|be sure)|what about whether"
    r")(?: (?:to say )?that|:| whether| if)? ",
    re.IGNORECASE,
)
_THEN = re.compile(r"^(?:so|then|therefore|thus|hence|now|and|in that case|but|well|question:|q:)[,:]? ", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Puzzle:
    """Premises, and the question; `concluded` is what the question says where it is "does it follow that …"."""

    premises: tuple[str, ...]
    question: str
    concluded: bool


def puzzle(text: str) -> Puzzle:
    """The text in sentences; OutsideError where it does not end, or begin, in one question."""
    text = re.sub(r"\s+", " ", text.translate(_QUOTES)).strip()
    sentences = [one.strip(" \"'") for one in _END.split(text) if one.strip(" \"'.")]
    if not 1 <= len(sentences) <= MOST_SENTENCES:
        raise OutsideError
    *before, last = sentences
    if len(sentences) == 1:
        before, last = _parted(last)
    if not is_question(last) and before and is_question(before[0]):
        last, before = before[0], [*before[1:], last]
    if not before or any(one.endswith("?") for one in before):
        raise OutsideError
    last = last.rstrip(" ?.!")
    asked = _ASKED.sub("", last)
    if asked == last:
        asked = _THEN.sub("", last)
        return Puzzle(tuple(map(said, before)), asked, asked != last and not is_question(asked))
    return Puzzle(tuple(map(said, before)), asked, True)


def said(sentence: str) -> str:
    """A premise without what introduces it and without its full stop."""
    sentence = sentence.strip(" .!;,:")
    for _ in range(3):
        shorter = _KNOWN.sub("", sentence)
        if shorter == sentence:
            break
        sentence = shorter
    return sentence.strip(" .!;,:")


def is_question(sentence: str) -> bool:
    """Whether it ends as one or begins as one."""
    begins = re.match(
        r"(?:so |then |and |now |therefore,? )*(?:who|whose|which|what|is|are|does|do|did|can|could|must|will|"
        r"true or false|order|list|sort|rank|arrange|put|"
        r"name|tell|place|how)\b",
        sentence,
        re.IGNORECASE,
    )
    return sentence.endswith("?") or begins is not None


def _parted(sentence: str) -> tuple[list[str], str]:
    """One sentence that has premises in it: "if A and B, who is …?"."""
    found = re.match(
        r"(?:if|given that|suppose(?: that)?|when|since|as|assuming(?: that)?) (.+), (?:then |and )?((?:who|"
        r"which|what|is|are|does|did|whose|can) .+)",
        sentence,
        re.IGNORECASE,
    )
    if found is None:
        found = re.match(
            r"(.+)[,:;-] (?:so |then |and )?((?:who|which|what|is|are|does|did|whose)\b.+)", sentence, re.IGNORECASE
        )
    if found is None:
        swapped = re.match(
            r"((?:who|which|what|is|are|does|did)\b.+?),? (?:if|given that|when|assuming that) (.+)",
            sentence,
            re.IGNORECASE,
        )
        if swapped is None:
            raise OutsideError
        return [swapped.group(2).rstrip("?")], swapped.group(1) + "?"
    return [found.group(1)], found.group(2)


def bare(name: str) -> str:
    """A name without its article."""
    return re.sub(r"^(?:the|a|an) ", "", name.strip(" ,\"'"), flags=re.IGNORECASE)


def listed(names: list[str], word: str = "and") -> str:
    """ "A, B and C"."""
    *before, last = names or [""]
    return f"{', '.join(before)} {word} {last}" if before else last


def members(text: str) -> list[str]:
    """The members of a list "A, B and C"."""
    return [bare(one) for one in re.split(r",\s*(?:and |or )?|\s+(?:and|or)\s+", text) if one.strip(" ,")]
