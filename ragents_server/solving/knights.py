"""Puzzles of knights, who tell the truth, and knaves, who lie.

"A says: B is a knave", "A says that we are both knights", "B claims that at least one of us is a knave"; then "is A a
knight", "what is A", "who is a knave", "what are they". Truth-tellers and liars are the same by other names.
"""

import re

from ragents_server.solving.formulas import (
    And,
    Atom,
    Backend,
    Formula,
    Not,
    Or,
    exactly_one,
    is_satisfiable,
    same,
    verdicts,
)
from ragents_server.solving.sentences import Puzzle, listed
from ragents_server.solving.solution import CANNOT_BE_TOLD, CONTRADICTION, OutsideError, Solution

MOST = 8

_KNIGHT = r"(?:knights?|truth[- ]?tellers?)"
_KNAVE = r"(?:knaves?|liars?)"
_KIND = rf"(?P<kind>{_KNIGHT}|{_KNAVE})"
_SAYS = re.compile(
    r"(?P<who>[A-Z][\w-]*) (?:says?|said|claims?|claimed|states?|stated|tells you|told you|declares?|replies|"
    r"replied)(?: that)?[:,]? ?[:,]? ?[\"']?(?P<claim>.+?)[\"'.]*"
)
_SETTING = re.compile(rf"{_KNIGHT}|{_KNAVE}|truth|lies?\b|lying|island|inhabitants?", re.IGNORECASE)
_LIAR = re.compile(_KNAVE, re.IGNORECASE)


def solve_knights(text: Puzzle, backend: Backend = "auto") -> Solution:
    """Who is a knight; OutsideError, UnsolvedError."""
    premises = tuple(re.sub(r"^([A-Z][\w-]*): ", r"\1 says: ", one) for one in text.premises)
    said = [(found["who"], found["claim"]) for one in premises if (found := _SAYS.fullmatch(one))]
    setting = [one for one in premises if not _SAYS.fullmatch(one)]
    if (
        not said
        or not all(_SETTING.search(one) for one in setting)
        or not _SETTING.search(" ".join((*text.premises, text.question)))
    ):
        raise OutsideError
    everything = " ".join(claim for _, claim in said) + " " + text.question
    names = list(dict.fromkeys([who for who, _ in said] + [one for one in _named(everything) if one]))
    if len(names) == 1 and re.search(r"\b(?:we|us)\b", everything, re.IGNORECASE):
        names.append("the other one")
    if not names or len(names) > MOST:
        raise OutsideError
    world: list[Formula] = [same(Atom(who), _claim(claim, who, names)) for who, claim in said]
    asked = _question(text.question, names)
    steps = tuple(f"{who} is a knight exactly if this is true: {claim}" for who, claim in said)
    if not is_satisfiable(world, backend):
        return Solution("puzzle", CONTRADICTION, "Nobody can be a knight or a knave so that all this is said.", steps)
    known = verdicts(world, names, backend)
    steps += tuple(
        f"{name} as a {'knave' if one == 'yes' else 'knight'} contradicts what is said"
        for name, one in known.items()
        if one in {"yes", "no"}
    )
    return _told(asked, known, steps)


def _told(asked: tuple[str, str], found: dict[str, str], steps: tuple[str, ...]) -> Solution:
    kinds = {"yes": "a knight", "no": "a knave", CANNOT_BE_TOLD: CANNOT_BE_TOLD}
    name, kind = asked
    if name and kind:
        one = found[name]
        value = one if kind == "knight" or one == CANNOT_BE_TOLD else {"yes": "no", "no": "yes"}[one]
        text = (
            f"It cannot be told what {name} is."
            if one == CANNOT_BE_TOLD
            else f"{value.capitalize()}, {name} is {kinds[one]}."
        )
        return Solution("puzzle", value, text, steps)
    if name:
        one = kinds[found[name]]
        return Solution(
            "puzzle", one, f"It cannot be told what {name} is." if one == CANNOT_BE_TOLD else f"{name} is {one}.", steps
        )
    if kind:
        wanted = [one for one, is_so in found.items() if is_so == ("yes" if kind == "knight" else "no")]
        if CANNOT_BE_TOLD in found.values():
            return Solution(
                "puzzle", CANNOT_BE_TOLD, f"It cannot be told of everybody whether they are {kind}s.", steps
            )
        value = listed(wanted) if wanted else "nobody"
        return Solution(
            "puzzle",
            value,
            f"{value[0].upper()}{value[1:]} {'are' if len(wanted) > 1 else 'is'} a {kind}."
            if len(wanted) < 2
            else f"{value} are {kind}s.",
            steps,
        )
    text = ", ".join(f"{one}: {kinds[is_so].removeprefix('a ')}" for one, is_so in found.items())
    return Solution("puzzle", text, f"{text}.", steps)


def _named(text: str) -> list[str]:
    """The names in it: capitals that begin no sentence's usual word."""
    usual = {
        "I",
        "We",
        "Both",
        "At",
        "Exactly",
        "All",
        "None",
        "Neither",
        "The",
        "Is",
        "What",
        "Who",
        "Which",
        "He",
        "She",
        "It",
        "One",
        "If",
        "Are",
        "So",
    }
    return [one for one in re.findall(r"\b[A-Z][\w-]*", text) if one not in usual]


def _claim(claim: str, who: str, names: list[str]) -> Formula:
    """What somebody says of themselves and of the others."""
    claim = claim.strip(" .\"'!")
    if found := re.fullmatch(r"(?P<a>.+?),? (?P<op>and|or) (?P<b>(?:I|[A-Z][\w-]*) (?:am|is)\b.+)", claim):
        both = _claim(found["a"], who, names), _claim(found["b"], who, names)
        return And(both) if found["op"] == "and" else Or(both)
    lowered = claim[0].lower() + claim[1:] if claim and not claim.startswith("I ") else claim
    everyone = tuple(Atom(one) for one in names)
    if found := re.fullmatch(
        rf"(?P<few>(?:we|they) are both|both of us are|we both are|all of us are|we are all|we all are|we are|"
        rf"neither of us is|none of us is|no one is|nobody is|at least one of us is|one of us is|exactly one of "
        rf"us is|only one of us is)(?: an?)? {_KIND}",
        lowered,
    ):
        return _together(found["few"], [_kind(one, found["kind"]) for one in everyone])
    if found := re.fullmatch(
        r"(?:(?P<a>[A-Z][\w-]*|I) and (?P<b>[A-Z][\w-]*|I|me)|we) are (?:(?:of )?(?:the )?(?P<same>same)|"
        r"different|(?:of )?(?:a )?different)(?: kinds?| types?| sorts?)?",
        claim if not lowered.startswith("we") else lowered,
    ):
        one, other = (_person(found["a"], who, names), _person(found["b"], who, names)) if found["a"] else _pair(names)
        return same(one, other) if found["same"] else Not(same(one, other))
    found = re.fullmatch(rf"(?P<who>[A-Z][\w-]*|I|he|she) (?:am|is)(?P<not> not|n't)? (?:an? )?{_KIND}", claim)
    if found is None:
        raise OutsideError
    formula = _kind(_person(found["who"], who, names), found["kind"])
    return Not(formula) if found["not"] else formula


def _pair(names: list[str]) -> tuple[Atom, Atom]:
    if len(names) != 2:
        raise OutsideError
    return Atom(names[0]), Atom(names[1])


def _together(few: str, each: list[Formula]) -> Formula:
    if few.startswith(("neither", "none", "no")):
        return And(tuple(Not(one) for one in each))
    if few.startswith("at least one"):
        return Or(tuple(each))
    if few.startswith(("exactly", "only", "one")):
        return exactly_one(each)
    return And(tuple(each))


def _kind(one: Formula, kind: str) -> Formula:
    return Not(one) if _LIAR.fullmatch(kind) else one


def _person(name: str, who: str, names: list[str]) -> Atom:
    if name in {"I", "me"}:
        return Atom(who)
    if name in {"he", "she"} and len(names) == 2:
        return Atom(next(one for one in names if one != who))
    if name not in names:
        raise OutsideError
    return Atom(name)


def _question(text: str, names: list[str]) -> tuple[str, str]:
    """The name and the kind that are asked about, "" for what is wanted."""
    if found := re.fullmatch(
        rf"(?:is )?(?P<name>[A-Z][\w-]*)(?: is)? (?:an? )?{_KIND}", text.removeprefix("Is ").removeprefix("is ")
    ):
        name, kind = found["name"], "knave" if _LIAR.fullmatch(found["kind"]) else "knight"
    elif found := re.fullmatch(
        r"[Ww]hat(?: kind| type| sort)?(?: of (?:person|inhabitant))? (?:is|must be) (?P<name>[A-Z][\w-]*)(?: then)?",
        text,
    ):
        name, kind = found["name"], ""
    elif found := re.fullmatch(
        rf"[Ww]h(?:o|ich(?: one| of them)?) (?:is|are|must be) (?:the |an? )?{_KIND}(?: here)?", text
    ):
        name, kind = "", "knave" if _LIAR.fullmatch(found["kind"]) else "knight"
    elif re.fullmatch(
        r"[Ww]h(?:at|o) (?:are (?:they|the two|both|these people|we)|is (?:who|what|everyone))(?: both| then)?", text
    ):
        return "", ""
    else:
        raise OutsideError
    if name and name not in names:
        raise OutsideError
    return name, kind
