"""Puzzles of all, some and none: kinds of things, what belongs to them, and what follows.

Premises: "all A are B", "every A is a B", "A are always B", "no A is a B", "none of the A are B", "some A are B",
"there are A that are B", "some A are not B", "not every A is a B", "Tom is an A". Questions: "are all A C", "is any A a
C", "is Tom a C", "does it follow that no A are C". Of each kind that is named there is one at least, as people take it.
"""

import re
from dataclasses import dataclass, field
from itertools import product

from ragents_server.solving.formulas import And, Atom, Backend, Formula, Not, Or, implies, verdict
from ragents_server.solving.sentences import Puzzle
from ragents_server.solving.solution import CANNOT_BE_TOLD, CONTRADICTION, OutsideError, Solution

MOST_KINDS = 5

_N = (
    r"(?!(?:and|every|each|all|no|some|none|not|or|if|then|when|the)\b)[a-z][\w'-]*(?: (?!(?:is|are|am|that|which|"
    r"who|can|not|be)\b)[\w'-]+){0,2}"
)
_BE = r"(?:is|are|was|were|can be|must be|will be)"
_A = r"(?:an? |the |one of the |also |indeed |always )*"
_FORMS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern.replace("NOUN", _N).replace("BE", _BE).replace("ART", _A)), kind)
    for pattern, kind in (
        (r"not (?:all|every|each)(?: of the| the)? (?P<a>NOUN) BE ART(?P<b>NOUN)", "some_not"),
        (
            (
                r"(?:some|certain|many|most|a few|several|at least one|one)(?: of the| the)? (?P<a>NOUN) (?:BE not|"
                r"aren't|isn't) ART(?P<b>NOUN)"
            ),
            "some_not",
        ),
        (
            (
                r"there (?:are|is|exist|exists) (?:some |an? |at least one )?(?P<a>NOUN) (?:that|which|who) (?:BE "
                r"not|aren't|isn't) ART(?P<b>NOUN)"
            ),
            "some_not",
        ),
        (
            (
                r"(?:all|every|each|any)(?: single| of the| the| one of the)? (?P<a>NOUN) (?:BE not|aren't|isn't) "
                r"ART(?P<b>NOUN)"
            ),
            "no",
        ),
        (
            (
                r"(?:no|none of the|not a single|not one|not any|there is no|there are no|there isn't an?)(?: "
                r"single)? (?P<a>NOUN) (?:BE|that is|which is|who is|that are|which are|who are|can ever be|is ever) "
                r"(?:ever )?ART(?P<b>NOUN)"
            ),
            "no",
        ),
        (
            (
                r"(?:all|every|each|each and every|any|anything that is an?|everyone who is an?|everybody who is "
                r"an?|whoever is an?|"
                r"everything that is an?|whatever is an?)(?: single| of the| the| one of the)? (?P<a>NOUN) BE "
                r"ART(?P<b>NOUN)"
            ),
            "all",
        ),
        (r"only (?P<b>NOUN) BE ART(?P<a>NOUN)", "all"),
        (
            (
                r"(?:some|certain|many|most|a few|several|at least one|at least some)(?: of the| the)? (?P<a>NOUN) "
                r"BE ART(?P<b>NOUN)"
            ),
            "some",
        ),
        (
            (
                r"there (?:are|is|exist|exists) (?:some |an? |at least one |any )?(?P<a>NOUN) (?:that|which|who) BE "
                r"ART(?P<b>NOUN)"
            ),
            "some",
        ),
    )
)
_BARE_FORMS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern.replace("NOUN", _N).replace("BE", _BE).replace("ART", _A)), kind)
    for pattern, kind in (
        (r"(?P<a>NOUN) (?:are|is) (?:never|not ever) ART(?P<b>NOUN)", "no"),
        (r"(?P<a>NOUN) (?:are|is) always ART(?P<b>NOUN)", "all"),
        (r"(?P<a>NOUN) (?:are not|aren't) ART(?P<b>NOUN)", "no"),
        (r"(?P<a>NOUN) are ART(?P<b>NOUN)", "all"),
    )
)
_MEMBER = re.compile(
    rf"(?P<a>[A-Z][\w'-]*|[Tt]his [a-z]+) (?:is|was)(?P<not> not|n't)? (?:an? |the |one of the |also an? )?(?P<b>{_N})"
)
_ASKED: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern.replace("NOUN", _N).replace("ART", _A)), kind)
    for pattern, kind in (
        (r"are (?:all|any and all)(?: of the| the)? (?P<rest>.+)", "all"),
        (r"is (?:every|each)(?: single)? (?P<rest>.+)", "all"),
        (r"(?:are|is|can) (?:some|any|an|a|at least one|at least some)(?: of the| the)? (?P<rest>.+)", "some"),
        (r"(?:are|is) (?:no|none of the|not a single) (?P<rest>.+)", "no"),
        (
            (
                r"(?:are|is) there (?:some |any |an? |at least one )?(?P<a>NOUN) (?:that|which|who) (?:are|is) "
                r"ART(?P<b>NOUN)"
            ),
            "some",
        ),
    )
)
_MEMBER_ASKED = re.compile(
    rf"(?:is|was) (?P<a>[A-Z][\w'-]*|this [a-z]+) (?:also |then |necessarily )?(?:an? |the |one of the )?(?P<b>{_N})"
)
_IRREGULAR = {
    "men": "man",
    "women": "woman",
    "people": "person",
    "children": "child",
    "mice": "mouse",
    "feet": "foot",
    "teeth": "tooth",
}
_IRREGULAR |= {
    "geese": "goose",
    "wolves": "wolf",
    "wives": "wife",
    "knives": "knife",
    "lives": "life",
    "leaves": "leaf",
    "thieves": "thief",
}


@dataclass(slots=True)
class _Kinds:
    """Kinds and individuals by name."""

    kinds: dict[str, int] = field(default_factory=dict)
    members: dict[str, int] = field(default_factory=dict)
    nouns: set[str] = field(default_factory=set)  # kinds that were named in the plural

    def kind(self, noun: str) -> int:
        name = singular(noun)
        if name != noun.lower():
            self.nouns.add(name)
        return self.kinds.setdefault(name, len(self.kinds))

    def told(self, kind: int) -> str:
        """As it stands behind "is": "a cat", "mortal"."""
        name = list(self.kinds)[kind]
        return f"{'an' if name[0] in 'aeiou' else 'a'} {name}" if name in self.nouns else name

    def member(self, name: str) -> int:
        return self.members.setdefault(name.lower(), len(self.members))


_Statement = tuple[str, int, int]  # a quantity, or "is" and "is_not" of a member; then the kinds


def singular(noun: str) -> str:
    """A kind's name in the singular."""
    *before, last = noun.lower().strip(" ,").split()
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif last.endswith("ies") and len(last) > 4:
        last = last[:-3] + "y"
    elif last.endswith(("ches", "shes", "sses", "xes")):
        last = last[:-2]
    elif last.endswith("s") and not last.endswith(("ss", "us", "is")):
        last = last[:-1]
    elif last.endswith("men"):
        last = last[:-3] + "man"
    return " ".join([*before, last])


def solve_syllogisms(text: Puzzle, backend: Backend = "auto") -> Solution:
    """Whether a sentence about kinds follows; OutsideError, UnsolvedError."""
    kinds = _Kinds()
    statements = [_statement(one, kinds) for one in text.premises]
    if not any(kind not in {"is", "is_not"} for kind, _, _ in statements):
        raise OutsideError
    known = len(kinds.kinds), len(kinds.members)
    asked = _statement(text.question, kinds) if text.concluded else _question(text.question, kinds)
    if (len(kinds.kinds), len(kinds.members)) != known or not 2 <= known[0] <= MOST_KINDS:
        raise OutsideError
    premises = [_formula(one, kinds) for one in statements] + _existing(kinds)
    found = verdict(premises, _formula(asked, kinds), backend)
    steps = (
        *(f"Given: {one}" for one in text.premises),
        f"Tried: all ways in which {', '.join(kinds.kinds)} can overlap, each with one member at least",
    )
    claim = _told(asked, kinds)
    told = {
        "yes": f"Yes, it follows that {claim}.",
        "no": f"No, it cannot be that {claim}.",
        CANNOT_BE_TOLD: f"It cannot be told whether {claim}: the premises allow both.",
        CONTRADICTION: "The premises contradict each other.",
    }
    return Solution("puzzle", found, told[found], steps)


def _told(statement: _Statement, kinds: _Kinds) -> str:
    quantity, a, b = statement
    names = list(kinds.kinds)
    if quantity in {"is", "is_not"}:
        return f"{list(kinds.members)[a].capitalize()} is {'not ' if quantity == 'is_not' else ''}{kinds.told(b)}"
    start = {"all": "every", "no": "no", "some": "some", "some_not": "some"}[quantity]
    return f"{start} {names[a]} is {'not ' if quantity == 'some_not' else ''}{kinds.told(b)}"


def _statement(sentence: str, kinds: _Kinds) -> _Statement:
    sentence = sentence.strip(" ,.")
    sentence = re.sub(r",? (?:without (?:any )?exception|one and all)$", "", sentence)
    lowered = sentence[0].lower() + sentence[1:] if sentence else ""
    for pattern, kind in _FORMS:
        if found := pattern.fullmatch(lowered):
            return kind, kinds.kind(found["a"]), kinds.kind(found["b"])
    member = _MEMBER.fullmatch(sentence)
    if member and not re.match(r"(?:All|Every|Some|No|Each|Any|The)\b", sentence):
        return ("is_not" if member["not"] else "is"), kinds.member(member["a"]), kinds.kind(member["b"])
    for pattern, kind in _BARE_FORMS:
        if (found := pattern.fullmatch(lowered)) and lowered.partition(" ")[0] not in {
            "the",
            "if",
            "it",
            "there",
            "they",
            "we",
            "these",
        }:
            return kind, kinds.kind(found["a"]), kinds.kind(found["b"])
    raise OutsideError


def _question(text: str, kinds: _Kinds) -> _Statement:
    text = text[0].lower() + text[1:] if text else ""
    for pattern, kind in _ASKED:
        if found := pattern.fullmatch(text):
            if "rest" not in found.groupdict() or found["rest"] is None:
                return kind, kinds.kind(found["a"]), kinds.kind(found["b"])
            return kind, *_two(found["rest"], kinds)
    if found := _MEMBER_ASKED.fullmatch(text):
        return "is", kinds.member(found["a"]), kinds.kind(found["b"])
    raise OutsideError


def _two(rest: str, kinds: _Kinds) -> tuple[int, int]:
    """Two known kinds, one behind the other: "cats animals", "cat be an animal"."""
    words = rest.split(" ")
    for at in range(1, len(words)):
        left = singular(" ".join(words[:at]))
        right = singular(re.sub(r"^(?:be |also |an? |the |necessarily )+", "", " ".join(words[at:])) or "?")
        if left in kinds.kinds and right in kinds.kinds:
            return kinds.kinds[left], kinds.kinds[right]
    raise OutsideError


def _regions(kinds: _Kinds) -> list[tuple[bool, ...]]:
    """Every way to be in some kinds and not in others."""
    return list(product((True, False), repeat=len(kinds.kinds)))


def _there(region: tuple[bool, ...]) -> Formula:
    """That something of this region exists."""
    return Atom("r" + "".join("1" if one else "0" for one in region))


def _formula(statement: _Statement, kinds: _Kinds) -> Formula:
    quantity, a, b = statement
    if quantity in {"is", "is_not"}:
        member = Atom(f"m{a}:{b}")
        return member if quantity == "is" else Not(member)
    inside = [region for region in _regions(kinds) if region[a] and region[b] == (quantity in {"some", "no"})]
    if quantity in {"some", "some_not"}:
        return Or(tuple(map(_there, inside)))
    return And(tuple(Not(_there(region)) for region in inside))


def _existing(kinds: _Kinds) -> list[Formula]:
    """Each kind has a member, and each individual is one of its own region."""
    regions = _regions(kinds)
    found: list[Formula] = [
        Or(tuple(_there(region) for region in regions if region[kind])) for kind in kinds.kinds.values()
    ]
    for member in kinds.members.values():
        for region in regions:
            inside = And(
                tuple(Atom(f"m{member}:{k}") if one else Not(Atom(f"m{member}:{k}")) for k, one in enumerate(region))
            )
            found.append(implies(inside, _there(region)))
    return found
