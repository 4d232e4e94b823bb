"""Puzzles of if and then: rules and facts about clauses, and whether a clause follows.

Premises: "if P, then Q", "Q if P", "P only if Q", "whenever P, Q", "Q unless P", "P if and only if Q", "either P or Q",
"P or Q, but not both", "P and Q", "neither P nor Q", "not P", "P". Questions: "does it follow that P", or the clause
turned round: "is the street wet". A clause is known again by its words, whatever the tense or the verb's ending.

One rule at least must be given, and what is asked must be among its clauses.
"""

import re
from dataclasses import dataclass, field

from ragents_server.solving.formulas import (
    And,
    Atom,
    Backend,
    Formula,
    Not,
    Or,
    atoms,
    implies,
    same,
    verdict,
    verdicts,
)
from ragents_server.solving.sentences import Puzzle
from ragents_server.solving.solution import CANNOT_BE_TOLD, CONTRADICTION, OutsideError, Solution
from ragents_server.solving.vocabulary import closed_class

MOST_WORDS = 9  # of a clause

_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"(?P<p>.+?),? if,? and only if,? (?P<q>.+)", "iff"),
        (r"(?P<p>.+?) (?:iff|exactly when|just in case) (?P<q>.+)", "iff"),
        (
            (
                r"(?:if|whenever|when|in case|provided(?: that)?|every time|each time|as soon as|as long as)(?: "
                r"that)? (?P<p>.+?),? then,? (?P<q>.+)"
            ),
            "if",
        ),
        (
            (
                r"(?:if|whenever|when|in case|provided(?: that)?|every time|each time|as soon as|as long as) "
                r"(?P<p>.+?), (?P<q>.+)"
            ),
            "if",
        ),
        (r"unless (?P<p>.+?), (?P<q>.+)", "unless"),
        (r"only (?:if|when) (?P<q>.+?)(?:,| does| do| is| are| will) (?P<p>.+)", "if"),
        (r"(?P<p>.+?),? (?:only if|only when|implies(?: that)?|means(?: that)?|entails(?: that)?) (?P<q>.+)", "if"),
        (r"(?P<q>.+?),? (?:if|whenever|when|provided that|in case|every time|as long as|as soon as) (?P<p>.+)", "if"),
        (r"(?P<q>.+?),? unless (?P<p>.+)", "unless"),
        (r"(?:either )?(?P<p>.+?),? or (?:else )?(?P<q>.+?),? but (?:not both|never both|not both of them)", "xor"),
        (r"exactly one of these (?:is true|holds): (?P<p>.+?)(?:,| or| and) (?P<q>.+)", "xor"),
        (r"(?:either )?(?P<p>.+?),? or (?:else )?(?P<q>.+?)(?:,? or both(?: of them)?)?", "or"),
        (r"(?:at least one of these (?:is true|holds): )(?P<p>.+?)(?:,| or| and) (?P<q>.+)", "or"),
    )
)
_TRUE = re.compile(r"^(?:it is (?:true|the case|so|a fact|certain|known) that|it holds that|that) ", re.IGNORECASE)
_FALSE = re.compile(
    r"^(?:it is not (?:true|the case|so) that|it is false that|it isn't (?:true|the case) that|not) ", re.IGNORECASE
)
_AUXILIARY = closed_class(
    "is are was were am be been being do does did will would shall has have had can could may might must should"
)
_ARTICLES = closed_class("the a an then also always still certainly definitely now really necessarily therefore")
_NEGATIONS = closed_class("not never")
_PRONOUNS = closed_class("he she they")


@dataclass(slots=True)
class _Clauses:
    """The one name that pronouns stand for, and each clause as it was said first."""

    subject: str = ""
    shown: dict[str, str] = field(default_factory=dict)

    def told(self, formula: Formula) -> str:
        """In words."""
        match formula:
            case Atom(name):
                text = self.shown.get(name, name)
                return text[0].lower() + text[1:] if text[:3] in {"The", "It ", "A "} else text
            case Not(one):
                return f"not: {self.told(one)}"
            case _:
                return "all of it"


def solve_propositions(text: Puzzle, backend: Backend = "auto") -> Solution:
    """Whether a clause follows; OutsideError, UnsolvedError."""
    clauses = _Clauses(_only_name(" ".join(text.premises)))
    rules: list[tuple[Formula, bool, str]] = [(*_premise(one, clauses), one) for one in text.premises]
    if not any(is_rule for _, is_rule, _ in rules):
        raise OutsideError
    premises = [formula for formula, _, _ in rules]
    asked = _clause(text.question, clauses) if text.concluded else _question(text.question, clauses)
    known = atoms(premises)
    if not set(atoms([asked])) <= set(known):
        raise OutsideError
    found = verdict(premises, asked, backend)
    steps = (
        *(f"Given: {one}" for _, _, one in rules),
        f"Asked: {clauses.told(asked)}",
        *_worlds(premises, known, clauses, backend),
    )
    told = {
        "yes": f"Yes, it follows that {clauses.told(asked)}.",
        "no": f"No, it follows that this is not so: {clauses.told(asked)}.",
        CANNOT_BE_TOLD: f"It cannot be told whether this is so: {clauses.told(asked)}.",
        CONTRADICTION: "The premises contradict each other.",
    }
    return Solution("puzzle", found, told[found], steps)


def _worlds(premises: list[Formula], known: list[str], clauses: _Clauses, backend: Backend) -> tuple[str, ...]:
    """What follows about each clause."""
    found = verdicts(premises, known[:8], backend).items()
    sure = [f"{clauses.told(Atom(name))}: {one}" for name, one in found if one in {"yes", "no"}]
    return (f"What follows: {'; '.join(sure)}",) if sure else ()


def _premise(sentence: str, clauses: _Clauses) -> tuple[Formula, bool]:
    """The formula, and whether it is a rule."""
    for pattern, kind in _RULES:
        if found := pattern.fullmatch(sentence):
            try:
                p, q = _compound(found["p"], clauses), _compound(found["q"], clauses)
            except OutsideError:
                continue
            return _rule(kind, p, q), True
    return _compound(sentence, clauses), False


def _rule(kind: str, p: Formula, q: Formula) -> Formula:
    match kind:
        case "if":
            return implies(p, q)
        case "iff":
            return same(p, q)
        case "unless":
            return implies(Not(p), q)
        case "xor":
            return And((Or((p, q)), Not(And((p, q)))))
        case _:
            return Or((p, q))


def _compound(text: str, clauses: _Clauses) -> Formula:
    """Clauses with "and", "neither … nor", or one alone."""
    text = _TRUE.sub("", text.strip(" ,"))
    if found := re.fullmatch(r"(?:both )?(.+?),? (?:and|but) (.+)", text, re.IGNORECASE):
        return And((_compound(found.group(1), clauses), _compound(found.group(2), clauses)))
    if re.search(r"\b(?:or|if|unless|nor|when)\b", text, re.IGNORECASE):
        if found := re.fullmatch(r"(?:either )?(.+?),? or (.+)", text, re.IGNORECASE):
            return Or((_compound(found.group(1), clauses), _compound(found.group(2), clauses)))
        raise OutsideError
    return _clause(text, clauses)


def _clause(text: str, clauses: _Clauses) -> Formula:
    """A clause by its words, denied where it is."""
    text = _TRUE.sub("", text.strip(" ,.?"))
    if found := _FALSE.match(text):
        return Not(_clause(text[found.end() :], clauses))
    words = re.findall(r"[\w'-]+", text.lower())
    words = [
        part
        for word in words
        for part in (
            (word[:-3].replace("ca", "can") if word == "can't" else word[:-3], "not")
            if word.endswith("n't")
            else (word,)
        )
    ]
    denied = sum(word in _NEGATIONS for word in words) % 2 == 1
    if (words and words[0] in _AUXILIARY) or ":" in text or re.search(r"\b(?:tell me|you know)\b", text):
        raise OutsideError
    kept = [word for word in words if word not in _NEGATIONS | _ARTICLES | _AUXILIARY]
    if (
        not 1 <= len(kept) <= MOST_WORDS
        or len(words) < 2
        or kept[0] in {"who", "what", "which", "where", "how", "why", "whose"}
    ):
        raise OutsideError
    kept = [clauses.subject if word in _PRONOUNS and clauses.subject else word for word in kept]
    atom = Atom(" ".join(_stemmed(word) for word in kept))
    clauses.shown.setdefault(atom.name, _affirmed(text) if denied else text)
    return Not(atom) if denied else atom


def _affirmed(text: str) -> str:
    """A denied clause without its denial, for people."""
    return re.sub(r"\b(?:do|does|did) not |\b(?:don't|doesn't|didn't) |\bnot |n't\b", "", text)


def _question(text: str, clauses: _Clauses) -> Formula:
    """A clause that is turned round: its auxiliary comes first."""
    first, _, rest = text.partition(" ")
    if first.lower().removesuffix("n't") not in _AUXILIARY or not rest:
        raise OutsideError
    return _clause(f"{rest} {first}", _Clauses(clauses.subject))


def _stemmed(word: str) -> str:
    """The word without its ending: "rains", "raining" and "rain" are one."""
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


def _only_name(text: str) -> str:
    """The one name that a pronoun can stand for, as a clause has it, or ""."""
    found = set(re.findall(r"(?<=[a-z,] )[A-Z][a-z]+\b", f"x {text}")) - {"I", "If"}
    return _stemmed(found.pop().lower()) if len(found) == 1 else ""
