"""Puzzles of order: who is older, taller, ahead; with ties, contradictions, and what the premises leave open.

Premises: "A is older than B", "B is not as old as A", "A is as old as B", "compared with A, B is younger", "A is less
expensive than B", "A has more coins than B", "A finished before B", "A beat B", "A is to the left of B"; also "A is
older than B but younger than C" and "A and B are older than C". Adjectives are read by their form, whichever they are.

Questions: "who is the oldest", "who is second oldest", "who came last", "is A older than C", "who is older, A or C",
"order them from oldest to youngest".
"""

import re
from dataclasses import dataclass, field

from ragents_server.solving.adjectives import PLACE, is_comparative, side, stem
from ragents_server.solving.sentences import NAME, bare, members
from ragents_server.solving.solution import CANNOT_BE_TOLD, OutsideError

MOST_NAMES = 12

_BE = r"(?:is|are|was|were|seems|looks|happens to be|turned out to be|must be|can only be)"
_NOT = r"(?P<not> not|n't)?"
_MUCH = (
    r"(?: (?:much|far|way|slightly|even|a (?:bit|little|lot)|somewhat|clearly|still|also|always|two|\d+ (?:years?|cm|"
    r"kg|metres?|points?)|just|definitely|certainly|both))*"
)
_NAMES = rf"{NAME}(?:(?:,| and|, and) {NAME})*"
_COMPARED = re.compile(
    rf"(?P<a>{_NAMES}) {_BE}{_NOT}{_MUCH} (?P<how>more |less )?(?P<adj>[a-z-]+) than (?:both )?(?P<b>{_NAMES})",
    re.IGNORECASE,
)
_AS = re.compile(
    rf"(?P<a>{_NAMES}) {_BE}{_NOT}(?: exactly| just| quite| nearly| nowhere near| not nearly)? (?:as|so) "
    rf"(?P<adj>[a-z-]+) as (?P<b>{_NAMES})",
    re.IGNORECASE,
)
_OF_TWO = re.compile(rf"(?P<a>{NAME}) {_BE} the (?P<adj>[a-z-]+) of (?P<x>{NAME}) and (?P<y>{NAME})", re.IGNORECASE)
_EQUALLY = re.compile(
    rf"(?P<a>{NAME}) and (?P<b>{NAME}) are (?:equally|just as|exactly as) (?P<adj>[a-z-]+)", re.IGNORECASE
)
_WITH = re.compile(
    rf"(?:compared (?:with|to)|unlike|next to|in comparison (?:with|to)) (?P<b>{NAME}), (?P<a>{NAME}) "
    rf"{_BE}{_MUCH} (?P<how>more |less )?(?P<adj>[a-z-]+)",
    re.IGNORECASE,
)
_VERB = re.compile(
    rf"(?P<a>{NAME}?) (?P<verb>[a-z]+s|[a-z]+ed|has|have|had|ran|got|won|swam|drank|ate|sold|owns|made|earn|run|"
    rf"cost|weigh){_MUCH} (?:the )?"
    rf"(?P<adj>[a-z-]+)(?: (?P<noun>[a-z]+))? than (?P<b>{_NAMES})",
    re.IGNORECASE,
)
_AHEAD = r"ahead of|before|in front of|earlier than|sooner than|above|to the left of|left of|on the left of|faster than"
_BEHIND = r"behind|after|later than|below|to the right of|right of|on the right of|slower than"
_PLACED = re.compile(
    rf"(?P<a>{NAME}?)(?: (?:is|was|came|comes|finished|finishes|arrived|arrives|ended up|stands|sits|lives|ran|"
    rf"placed|left|crossed the line|got|ranks|reached the (?:finish|goal)|stood|sat))(?: in| home| there| placed|"
    rf" sitting| standing| ranked)?"
    rf"(?P<not> not|n't)?(?: somewhere| somewhat| just| right| well| far)? (?P<rel>{_AHEAD}|{_BEHIND}) (?P<b>{_NAMES})",
    re.IGNORECASE,
)
_BEAT = re.compile(
    rf"(?P<a>{NAME}?) (?P<lost>lost (?:to|against)|was beaten by|was overtaken by)?(?P<beat>beats?|defeated|"
    rf"defeats|outran|outruns|overtook|outpaced)? ?(?P<b>{_NAMES})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Said:
    """`a` is beyond `b` on an axis: ">" strictly, "=" equal, ">=" at least."""

    a: str
    b: str
    sign: str
    axis: str  # a stem
    words: str


@dataclass(slots=True)
class Order:
    """What follows from the premises: `least[x][y]` 2 where x > y, 1 where x >= y, 0 where nothing is known."""

    names: list[str]
    axis: str
    shown: dict[str, str]
    least: dict[str, dict[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, relations: list[Said], shown: dict[str, str]) -> "Order":
        """The closure of the relations; all must be on one axis or its opposite."""
        axis = next((one.axis for one in relations if one.axis == PLACE), relations[0].axis)
        names = list(dict.fromkeys(name for one in relations for name in (one.a, one.b)))
        if not 2 <= len(names) <= MOST_NAMES:
            raise OutsideError
        order = cls(names, axis, shown, {x: {y: int(x == y) for y in names} for x in names})
        for one in relations:
            turn = side(one.axis, axis)
            if turn == 0:
                raise OutsideError
            order._add(*((one.a, one.b) if turn > 0 else (one.b, one.a)), one.sign)
        return order._close()

    def _add(self, a: str, b: str, sign: str) -> None:
        self.least[a][b] = max(self.least[a][b], 2 if sign == ">" else 1)
        if sign == "=":
            self.least[b][a] = max(self.least[b][a], 1)

    def _close(self) -> "Order":
        for middle in self.names:
            for x in self.names:
                for y in self.names:
                    if self.least[x][middle] and self.least[middle][y]:
                        self.least[x][y] = max(self.least[x][y], self.least[x][middle], self.least[middle][y])
        return self

    @property
    def contradicts(self) -> str:
        """A name that would be beyond itself, or ""."""
        return next((name for name in self.names if self.least[name][name] == 2), "")

    def above(self, x: str, y: str) -> str:
        """Whether x is beyond y: "yes", "no" or that it cannot be told."""
        if self.least[x][y] == 2:
            return "yes"
        return "no" if self.least[y][x] else CANNOT_BE_TOLD

    def turned(self, turn: int) -> "Order":
        """The same, from the other side with `turn` -1."""
        if turn > 0:
            return self
        return Order(
            self.names, self.axis, self.shown, {x: {y: self.least[y][x] for y in self.names} for x in self.names}
        )

    def first(self) -> tuple[list[str], list[str]]:
        """Those that are first in every case, and those that may be."""
        may = [x for x in self.names if all(self.least[y][x] < 2 for y in self.names)]
        must = [x for x in may if all(self.least[x][y] for y in self.names)]
        return must, may

    def at(self, place: int) -> str | None:
        """The one with exactly `place` - 1 before it."""
        for x in self.names:
            before = [y for y in self.names if self.least[y][x] == 2]
            behind = [y for y in self.names if self.least[x][y] == 2]
            if len(before) == place - 1 and len(before) + len(behind) + 1 == len(self.names):
                return x
        return None

    def line(self) -> list[list[str]] | None:
        """All of them, equal ones together; None where the order is not known."""
        ranked = sorted(self.names, key=lambda x: -sum(self.least[x][y] == 2 for y in self.names))
        groups: list[list[str]] = []
        for name in ranked:
            if groups and self.least[groups[-1][0]][name] == 1 and self.least[name][groups[-1][0]] == 1:
                groups[-1].append(name)
            elif groups and self.least[groups[-1][0]][name] != 2:
                return None
            else:
                groups.append([name])
        return groups


def read(sentence: str, shown: dict[str, str]) -> list[Said]:
    """The relations that a premise states; OutsideError."""
    whole = _relations(sentence, shown)
    if whole is not None:
        return whole
    for found in re.finditer(r",? (?:but|and|while|whereas|yet) |, |; ", sentence):
        left, right = sentence[: found.start()], sentence[found.end() :]
        first = _relations(left, shown)
        if first is None:
            continue
        subject = left[: re.search(rf" {_BE}\b|$", left).start()]  # type: ignore[union-attr]
        for again in (right, f"{subject} is {right}", f"{subject} {right}"):
            try:
                return first + read(again, shown)
            except OutsideError:
                continue
    raise OutsideError


def _relations(sentence: str, shown: dict[str, str]) -> list[Said] | None:
    """Those of one clause."""
    sentence = re.sub(r"\b(is|are|was|were)n't\b", r"\1 not", sentence.strip(" ,."))
    if (found := _EQUALLY.fullmatch(sentence)) and not is_comparative(found["adj"].lower()):
        return _pairs(found, "=", stem(found["adj"].lower()), shown)
    sentence = re.sub(r" (?:nowhere near|not nearly|far from|by no means|not at all) (?=as |so )", " not ", sentence)
    if found := _OF_TWO.fullmatch(sentence):
        return _of_two(found, shown)
    if found := _AS.fullmatch(sentence):
        adjective = stem(found["adj"].lower())
        return (
            [Said(one.b, one.a, ">", one.axis, one.words) for one in _pairs(found, ">", adjective, shown)]
            if found["not"]
            else _pairs(found, "=", adjective, shown)
        )
    for pattern in (_COMPARED, _WITH, _VERB):
        if (found := pattern.fullmatch(sentence)) and (axis := compared_axis(found)) is not None:
            return _signed(found, *axis, shown)
    if found := _PLACED.fullmatch(sentence):
        ahead = re.fullmatch(_AHEAD, found["rel"], re.IGNORECASE) is not None
        return _signed(found, PLACE, 1 if ahead else -1, shown)
    if (found := _BEAT.fullmatch(sentence)) and (found["beat"] or found["lost"]):
        return _signed(found, PLACE, -1 if found["lost"] else 1, shown)
    return None


def _of_two(found: re.Match[str], shown: dict[str, str]) -> list[Said] | None:
    """ "Ann is the older of Ann and Bob"."""
    a, x, y = (bare(found[group]) for group in "axy")
    other = y if a.lower() == x.lower() else x
    if not is_comparative(found["adj"].lower()) or a.lower() not in {x.lower(), y.lower()}:
        return None
    for name in (a, other):
        shown.setdefault(name.lower(), name)
    return [Said(a.lower(), other.lower(), ">", stem(found["adj"].lower()), found.group())]


def compared_axis(found: re.Match[str]) -> tuple[str, int] | None:
    """The axis of a comparison and its side; None where its word is no comparative."""
    groups = found.groupdict()
    word, how, noun = groups["adj"].lower(), (groups.get("how") or "").strip().lower(), groups.get("noun")
    if how:
        return stem(word), -1 if how == "less" else 1
    if not is_comparative(word):
        return None
    if noun:
        return (
            (f"{noun.removesuffix('s')}#much", -1 if word in {"less", "fewer"} else 1)
            if word in {"more", "less", "fewer"}
            else None
        )
    return ("much", -1 if word in {"less", "fewer"} else 1) if word in {"more", "less", "fewer"} else (stem(word), 1)


def _signed(found: re.Match[str], axis: str, turn: int, shown: dict[str, str]) -> list[Said]:
    is_denied = bool(found.groupdict().get("not"))
    pairs = _pairs(found, ">", axis, shown)
    if (turn < 0) != is_denied:
        pairs = [Said(one.b, one.a, one.sign, one.axis, one.words) for one in pairs]
    return [Said(one.a, one.b, ">=" if is_denied else ">", one.axis, one.words) for one in pairs]


def _pairs(found: re.Match[str], sign: str, axis: str, shown: dict[str, str]) -> list[Said]:
    """Each left name with each right one."""
    sides = []
    for group in (found["a"], found["b"]):
        names = members(re.sub(r"^both ", "", group, flags=re.IGNORECASE))
        for name in names:
            shown.setdefault(name.lower(), name)
        sides.append([name.lower() for name in names])
    return [Said(a, b, sign, axis, found.group()) for a in sides[0] for b in sides[1]]
