"""What is asked about an order: who is first, whether one is beyond another, all of them in a line."""

import re

from ragents_server.solving.adjectives import PLACE, is_comparative, is_superlative, side, stem
from ragents_server.solving.orderings import Order, Said, read
from ragents_server.solving.sentences import Puzzle, bare, listed
from ragents_server.solving.solution import CANNOT_BE_TOLD, CONTRADICTION, OutsideError, Solution
from ragents_server.solving.vocabulary import closed_class

_PLACES = {"second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5}
_WHO = (
    r"(?:who|which|what)(?:'s)?(?: (?:one|person|of (?:them|these|those|the (?:two|three|four|five|six|people|"
    r"group))|among them|"
    r"of (?:the )?[a-z]+(?:, [a-z]+)*,? and [a-z]+|[a-z]+))?"
)
_SMALL = closed_class(
    "who who's which what what's one ones person people of them these those the two three four five six group "
    "among is was were are has have came comes come finished "
    "ended up arrived must be would in to at all across over line finish race goal end place us then so here far "
    "out by lives stands sits placed got crossed "
    "left right that can had name took takes place did do does most least fewest it and or first last between "
    "everyone everybody if"
)
_ENDS = {
    "first": 1,
    "won": 1,
    "wins": 1,
    "winner": 1,
    "fastest": 1,
    "earliest": 1,
    "leftmost": 1,
    "front": 1,
    "top": 1,
    "highest": 1,
}
_ENDS |= {
    "last": -1,
    "lost": -1,
    "loses": -1,
    "loser": -1,
    "slowest": -1,
    "latest": -1,
    "rightmost": -1,
    "bottom": -1,
    "lowest": -1,
}
_EITHER = re.compile(
    rf"{_WHO}(?: is| was| has| came| finished| arrived| are)?(?: the)? (?P<adj>[a-z]+)(?: one)?[,:]? "
    rf"(?P<a>.+?),? or (?P<b>.+)",
    re.IGNORECASE,
)
_POLAR = re.compile(r"(?:then )?(?:is|are|was|were|did|does|has|do|can|must) (.+)", re.IGNORECASE)
_LINE = re.compile(
    r"(?:(?:order|rank|sort|list|arrange|put|name|line up|give|what is|what's|which is|in what|in which|tell me|"
    r"place|show|how)\b.*?"
    r"(?:them|all|order|everyone|everybody|ranking|sequence|people|names|list|each|line|three|four|five|friends|"
    r"by)\b.*)",
    re.IGNORECASE,
)
_LINE_WORDS = closed_class(
    "order rank sort list arrange put name line up give what is what's which in tell me place show how them all "
    "everyone everybody ranking sequence people "
    "names each the three four five friends from to by age height weight size speed wealth price first last and "
    "with correct right then of ordered "
    "sorted ranked starting beginning at begin start rank descending ascending order, a as they do did finish "
    "finished rank? row it are were, would"
)


def solve_ordering(text: Puzzle) -> Solution:
    """The answer to a puzzle of order; OutsideError."""
    shown: dict[str, str] = {}
    relations = [one for premise in text.premises for one in read(_assumed(premise), shown)]
    order = Order.of(relations, shown)
    answer = _answer(text, order)
    if order.contradicts:
        name = shown[order.contradicts]
        steps = (*_given(relations), f"together they put {name} beyond {name}")
        return Solution("puzzle", CONTRADICTION, "The premises contradict each other.", steps)
    return Solution("puzzle", answer.value, answer.text, (*_given(relations), *answer.steps))


def _assumed(premise: str) -> str:
    return re.sub(
        r"^(?:if|given that|suppose that|when|since|as|here is a riddle:?) ", "", premise, flags=re.IGNORECASE
    )


def _given(relations: list[Said]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"Given: {one.words[0].upper()}{one.words[1:]}" for one in relations))


def _answer(text: Puzzle, order: Order) -> Solution:
    if (found := _EITHER.fullmatch(text.question)) and (turn := _turn(found["adj"].lower(), order)):
        return _either(found, order.turned(turn))
    try:
        return _asked_relation(text, order)
    except OutsideError:
        pass
    words = re.findall(r"[a-z'0-9]+", re.sub(r"^(?:tell me|say|name) (?=who|which)", "", text.question.lower()))
    if (
        words
        and words[0] in {"who", "who's", "which", "what", "what's", "name"}
        and not {"order", "ranking", "sequence"} & set(words)
    ):
        return _extreme(words, order)
    if _LINE.fullmatch(text.question):
        return _line(text.question.lower(), order)
    raise OutsideError


def _turn(word: str, order: Order) -> int:
    """1 or -1 for a comparative or superlative of the order's axis; 0 for another word."""
    if order.axis == PLACE:
        return _ENDS.get(
            word, {"ahead": 1, "earlier": 1, "faster": 1, "behind": -1, "later": -1, "slower": -1}.get(word, 0)
        )
    if word in {"first", "won", "wins", "winner", "last", "lost", "loser"}:
        return _ENDS[word] * side(order.axis, PLACE)  # who is faster comes first
    if not (is_superlative(word) or is_comparative(word)):
        return 0
    axis = order.axis.partition("#")[2] or order.axis
    return side(stem(word), axis)


def _asked_relation(text: Puzzle, order: Order) -> Solution:
    """Whether one is beyond another."""
    known: dict[str, str] = {}
    if text.concluded:
        relations = read(text.question, known)
    else:
        found = _POLAR.fullmatch(text.question)
        if found is None:
            raise OutsideError
        relations = _inverted(found.group(1), order, known)
    if len(relations) != 1 or not set(known) <= set(order.names):
        raise OutsideError
    (asked,) = relations
    turn = side(asked.axis, order.axis)
    if turn == 0:
        raise OutsideError
    x, y = (asked.a, asked.b) if turn > 0 else (asked.b, asked.a)
    return _relation(order, x, y, asked)


def _inverted(body: str, order: Order, known: dict[str, str]) -> list[Said]:
    """ "Ann older than Bob" with its verb where a statement has it."""
    for name in sorted(order.names, key=len, reverse=True):
        found = re.match(rf"(?:(?:the|a|an) )?{re.escape(name)}\b ?", body, re.IGNORECASE)
        if found:
            rest = re.sub(r"^be ", "", body[found.end() :])
            for verb in ("is ", "has ", "", "is not "):
                try:
                    return read(f"{body[: found.end()].strip()} {verb}{_third(rest) if not verb else rest}", known)
                except OutsideError:
                    known.clear()
    raise OutsideError


def _third(rest: str) -> str:
    """ "finish before" as a statement says it: "finished before", "run faster" as "runs faster"."""
    verb, _, tail = rest.partition(" ")
    return (
        f"{ {'come': 'came', 'finish': 'finished', 'arrive': 'arrived', 'beat': 'beat'}.get(verb, verb + 's') } {tail}"
    )


def _relation(order: Order, x: str, y: str, asked: Said) -> Solution:
    if asked.sign == "=":
        both, apart = order.least[x][y] and order.least[y][x], 2 in (order.least[x][y], order.least[y][x])
        value = "yes" if both else "no" if apart else CANNOT_BE_TOLD
    elif asked.sign == ">=":
        value = "yes" if order.least[x][y] else "no" if order.least[y][x] == 2 else CANNOT_BE_TOLD
    else:
        value = order.above(x, y)
    statement = asked.words
    told = {"yes": f"Yes, {statement}.", "no": f"No, it is not so that {statement}."}
    text = told.get(value, f"It cannot be told whether {statement}.")
    return Solution("puzzle", value, text, (f"So: {_known(order, x, y)}",))


def _known(order: Order, x: str, y: str) -> str:
    a, b = order.shown[x], order.shown[y]
    if order.least[x][y] and order.least[y][x]:
        return f"{a} = {b}"
    if order.least[x][y] or order.least[y][x]:
        first, second, strict = (a, b, order.least[x][y]) if order.least[x][y] else (b, a, order.least[y][x])
        return f"{first} {'>' if strict == 2 else '≥'} {second}"
    return f"nothing orders {a} and {b}"


def _either(found: re.Match[str], order: Order) -> Solution:
    x, y = bare(found["a"]).lower(), bare(found["b"]).lower()
    if not {x, y} <= set(order.names):
        raise OutsideError
    a, b = order.shown[x], order.shown[y]
    if order.least[x][y] == 2:
        value, text = a, f"{a} is {found['adj']}."
    elif order.least[y][x] == 2:
        value, text = b, f"{b} is {found['adj']}."
    elif order.least[x][y] and order.least[y][x]:
        value, text = f"{a} and {b}", f"Neither: {a} and {b} are equal."
    else:
        value, text = CANNOT_BE_TOLD, f"It cannot be told whether {a} or {b} is {found['adj']}."
    return Solution("puzzle", value, text, (f"So: {_known(order, x, y)}",))


def _extreme(words: list[str], order: Order) -> Solution:
    """Who is first, last, or at a place; one word may be any: "which runner", "who weighs the most"."""
    place = next((_PLACES[word] for word in words if word in _PLACES), 1)
    what, turn = _superlative(words, order)
    unknown = [word for word in words if word not in _SMALL and word not in _PLACES and word not in what.split()]
    names = {part for name in order.names for part in name.split()}
    if len([word for word in unknown if word not in names]) > 1:
        raise OutsideError
    turn = turn or int(place > 1 and order.axis == PLACE)
    if not turn:
        raise OutsideError
    order = order.turned(turn)
    if place > 1:
        return _placed(order, place, f"{next(word for word in words if word in _PLACES)} {what}".strip())
    must, may = order.first()
    named = listed([order.shown[name] for name in must])
    line = order.line()
    steps = (
        (f"So: {_shown_line(order, line)}",)
        if line
        else (f"nobody is beyond {listed([order.shown[name] for name in may], 'or')}",)
    )
    if len(must) == len(may) and must:
        verb = "are" if len(must) > 1 else "is"
        return Solution(
            "puzzle", named, f"{named} {verb} the {what}." if what not in {"won", "wins"} else f"{named} won.", steps
        )
    text = f"It cannot be told: {listed([order.shown[name] for name in may], 'or')} may be the {what}."
    return Solution("puzzle", CANNOT_BE_TOLD, text, steps)


def _superlative(words: list[str], order: Order) -> tuple[str, int]:
    """The words that name an end of the order, and which; "" and 0 where there are none."""
    for at, word in enumerate(words):
        if word in {"most", "least", "fewest"}:
            following = words[at + 1] if at + 1 < len(words) else ""
            if (turn := _most(word, following, order)) != 0:
                return f"{word} {following}".strip(), turn
        elif (turn := _turn(word, order)) != 0 and (not is_comparative(word) or word in _ENDS):
            return word, turn
    if order.axis == PLACE and {"left", "right"} & set(words):
        return ("left", 1) if "left" in words else ("right", -1)
    return "", 0


def _most(most: str, word: str, order: Order) -> int:
    """The side of "most expensive", "the fewest coins"."""
    turn = 1 if most == "most" else -1
    if order.axis.endswith("#much"):
        return turn if word.removesuffix("s") == order.axis.partition("#")[0] else 0
    if order.axis == "much":
        return turn if not word or word in _SMALL else 0
    return turn * side(stem(word), order.axis) if word else 0


def _placed(order: Order, place: int, what: str) -> Solution:
    name = order.at(place)
    if name is None:
        return Solution("puzzle", CANNOT_BE_TOLD, f"It cannot be told who is {what}.", ())
    return Solution("puzzle", order.shown[name], f"{order.shown[name]} is {what}.", ())


def _line(question: str, order: Order) -> Solution:
    """All of them in order."""
    words = re.findall(r"[a-z']+", question)
    sided = [one for one in words if _turn(one, order) and one != "last"]
    if any(one not in _LINE_WORDS and not _turn(one, order) and one not in order.names for one in words):
        raise OutsideError
    order = order.turned(_turn(sided[0], order) if sided else 1)
    line = order.line()
    if line is None:
        return Solution("puzzle", CANNOT_BE_TOLD, "The premises leave the order open.", ())
    value = ", ".join(" = ".join(order.shown[name] for name in group) for group in line)
    return Solution("puzzle", value, f"The order is {value}.", (f"So: {_shown_line(order, line)}",))


def _shown_line(order: Order, line: list[list[str]]) -> str:
    return " > ".join(" = ".join(order.shown[name] for name in group) for group in line)
