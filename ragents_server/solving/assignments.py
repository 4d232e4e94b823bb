"""Puzzles of who has what: each of some people has one of as many things.

The setting names both: "Ann, Bob and Cid each have one of a cat, a dog and a fish". Facts: "Ann has the dog", "the dog
is not Bob's", "Cid has neither the cat nor the dog", "Ann or Bob has the fish". Questions: "who has the fish", "whose
is the fish", "what does Ann have", "who has what".
"""

import re
from dataclasses import dataclass

from ragents_server.solving.formulas import Atom, Backend, Formula, Not, Or, exactly_one, is_satisfiable, verdicts
from ragents_server.solving.sentences import Puzzle, listed, members
from ragents_server.solving.solution import CANNOT_BE_TOLD, CONTRADICTION, OutsideError, Solution
from ragents_server.solving.vocabulary import closed_class

FEWEST, MOST = 2, 8

_ITEM = r"(?:(?:an?|the|one) )?[^\W\d_][\w-]*(?: [a-z][\w-]*)?"
_NAMES = re.compile(r"[A-Z][\w-]*(?:, (?:and )?[A-Z][\w-]*)*,? and [A-Z][\w-]*")
_THINGS = re.compile(
    rf"(?:(?:one|any) of(?: these| the following| the)?|:|\b(?:have|own|has|owns|are|is|likes?|drinks?|plays?|"
    rf"between|a|either)\b)[:,]? (?P<list>{_ITEM}(?:, (?:and |or )?{_ITEM})*,? (?:and|or) {_ITEM})$"
)
_EACH = re.compile(r"\b(?:each|every|everyone|everybody|apiece|one|different|respectively)\b", re.IGNORECASE)
_NOTHING = closed_class(
    "the a an has have had got own owns owned belongs belong to is are was does do did not isn't doesn't hasn't "
    "didn't don't s with and or nor neither "
    "either but both his her it one of gets get keeps keep holds takes picked chose prefers of also definitely "
    "certainly being been by nobody"
)
_DENIED = re.compile(r"\b(?:not|neither|nor|never|cannot|no)\b|n't\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Setting:
    people: tuple[str, ...]
    things: tuple[str, ...]

    def found(self, sentence: str) -> tuple[list[str], list[str], list[str]]:
        """The people and the things that a sentence names, and the words that are left."""
        lowered = re.sub(r"'s\b", " s", sentence.lower().replace("’", "'"))
        people = [one for one in self.people if re.search(rf"\b{re.escape(one.lower())}\b", lowered)]
        things = [one for one in self.things if re.search(rf"\b{re.escape(one)}s?\b", lowered)]
        for one in (*people, *things):
            lowered = re.sub(rf"\b{re.escape(one.lower())}s?\b", " ", lowered)
        return people, things, [word for word in re.findall(r"[\w']+", lowered) if word not in _NOTHING]


def solve_assignments(text: Puzzle, backend: Backend = "auto") -> Solution:
    """Who has what; OutsideError, UnsolvedError."""
    setting, facts = _setting(text.premises)
    verbs: set[str] = set()
    formulas = [formula for fact in facts for formula in _fact(fact, setting, verbs)]
    asked = _question(text.question, setting, verbs)
    world = [*_bijection(setting), *formulas]
    steps = tuple(f"Given: {one}" for one in text.premises)
    if not is_satisfiable(world, backend):
        return Solution("puzzle", CONTRADICTION, "The premises contradict each other.", steps)
    known = verdicts(world, [_has(x, t).name for x in setting.people for t in setting.things], backend)
    pairs = {(x, t): known[_has(x, t).name] for x in setting.people for t in setting.things}
    sure = [f"{x}: {t}" for (x, t), one in pairs.items() if one == "yes"]
    steps += (f"Follows: {', '.join(sure) if sure else 'nothing for sure'}",)
    return _told(asked, setting, pairs, steps)


def _told(
    asked: tuple[str, str], setting: _Setting, pairs: dict[tuple[str, str], str], steps: tuple[str, ...]
) -> Solution:
    person, thing = asked
    if person and thing:
        found = pairs[person, thing]
        text = {"yes": f"Yes, {person} has the {thing}.", "no": f"No, {person} does not have the {thing}."}
        return Solution("puzzle", found, text.get(found, f"It cannot be told whether {person} has the {thing}."), steps)
    if not person and not thing:
        sure = {x: t for (x, t), one in pairs.items() if one == "yes"}
        if len(sure) < len(setting.people):
            return Solution("puzzle", CANNOT_BE_TOLD, "The premises leave open who has what.", steps)
        value = ", ".join(f"{x}: {t}" for x, t in sure.items())
        return Solution("puzzle", value, f"{listed([f'{x} has the {t}' for x, t in sure.items()])}.", steps)
    kept = {pair: one for pair, one in pairs.items() if (person or pair[0], thing or pair[1]) == pair}
    for (x, t), one in kept.items():
        if one == "yes":
            return Solution("puzzle", x if thing else t, f"{x} has the {t}.", steps)
    may = [(x if thing else t) for (x, t), one in kept.items() if one == CANNOT_BE_TOLD]
    what = f"who has the {thing}" if thing else f"what {person} has"
    return Solution("puzzle", CANNOT_BE_TOLD, f"It cannot be told {what}: {listed(may, 'or')} is possible.", steps)


def _setting(premises: tuple[str, ...]) -> tuple[_Setting, list[str]]:
    """The setting, of the first sentence or the first two, and the other sentences."""
    for taken in (1, 2):
        text = " ".join(premises[:taken])
        names, things = _NAMES.search(text), _THINGS.search(text)
        if names and things and _EACH.search(text):
            people = tuple(members(names.group()))
            kinds = tuple(re.sub(r"^one ", "", one.lower()) for one in members(things["list"]))
            if (
                len(people) == len(kinds)
                and FEWEST <= len(people) <= MOST
                and len({*people, *kinds}) == 2 * len(people)
            ):
                return _Setting(people, kinds), list(premises[taken:])
    raise OutsideError


def _has(person: str, thing: str) -> Atom:
    return Atom(f"{person} {thing}")


def _bijection(setting: _Setting) -> list[Formula]:
    rows: list[Formula] = [exactly_one([_has(x, t) for t in setting.things]) for x in setting.people]
    return rows + [exactly_one([_has(x, t) for x in setting.people]) for t in setting.things]


def _fact(sentence: str, setting: _Setting, verbs: set[str]) -> list[Formula]:
    """What a sentence says about one person or one thing; a verb of its own is noted."""
    parts = re.split(r",? (?:and|but|while) (?=[A-Z]|the |neither )", sentence)
    if len(parts) > 1 and not re.search(r"\bneither\b|\bboth\b", sentence, re.IGNORECASE):
        return [formula for part in parts for formula in _fact(part, setting, verbs)]
    people, things, rest = setting.found(sentence)
    if len(rest) > 2 or not people or not things or (len(people) > 1 and len(things) > 1):
        raise OutsideError
    verbs.update(rest)
    pairs: list[Formula] = [_has(x, t) for x in people for t in things]
    if _DENIED.search(sentence):
        return [Not(one) for one in pairs]
    if len(pairs) > 1 and not re.search(r"\bor\b", sentence):
        raise OutsideError
    return [Or(tuple(pairs))]


def _question(text: str, setting: _Setting, verbs: set[str]) -> tuple[str, str]:
    """The person and the thing that are asked about, "" for the one that is wanted."""
    people, things, rest = setting.found(text)
    plain = {
        "who",
        "whose",
        "which",
        "what",
        "them",
        "of",
        "person",
        "friend",
        "one",
        "so",
        "then",
        "that",
        "each",
        "does",
        "everyone",
        "all",
        "can",
        "must",
        "people",
    }
    if any(
        word not in plain and word not in verbs and word.rstrip("s") not in {one.rstrip("s") for one in verbs}
        for word in rest
    ):
        raise OutsideError
    asks = set(re.findall(r"[a-z]+", text.lower())) & {"who", "whose", "which", "what"}
    if len(things) == 1 and not people and asks:
        return "", things[0]
    if len(people) == 1 and not things and asks & {"what", "which"}:
        return people[0], ""
    if len(people) == 1 and len(things) == 1 and not asks:
        return people[0], things[0]
    if not people and not things and re.search(r"who .*what|what .*each|which .*each", text, re.IGNORECASE):
        return "", ""
    raise OutsideError
