"""Comparisons of numbers, prices and dates.

    "is 3/4 larger than 0.7"   "are 1/2 and 0.5 equal"   "2^10 > 1000?"
    "which is larger: A, B or C"   "what is the smallest of A, B and C"   "between A and B, which is more"
    "which is cheaper: A at 12.50 for 5 or B at 20 for 9"   "is it cheaper to buy 6 cans for 4.50 or 10 for 7"
    "is D before D"   "which came first, D or D"

Numbers are expressions of `expressions`, dates those of `calendars`; beside them only words of the question may stand.
"""

import re
from collections.abc import Sequence
from datetime import date

from ragents_server.solving.calendars import AmbiguousDateError, masked, written
from ragents_server.solving.expressions import parse, parse_list
from ragents_server.solving.solution import Ambiguous, OutsideError, Solution
from ragents_server.solving.symbols import Exact
from ragents_server.solving.trees import Tree, operations, unit_of, variables
from ragents_server.solving.trees import written as expression
from ragents_server.solving.vocabulary import closed_class

LONGEST = 400

_MORE = closed_class("more larger bigger greater higher above over exceeding")
_LESS = closed_class("less smaller lower fewer below under littler")
_MOST = closed_class("largest biggest greatest highest maximum max most")
_LEAST = closed_class("smallest lowest least minimum min littlest")
_SIDES = dict.fromkeys(_MORE | _MOST, 1) | dict.fromkeys(_LESS | _LEAST, -1)
_THAN = re.compile(
    r"(?:is|are|was|be|does|do|would|will|can|could)(?: it)?(?: really| actually)?(?: true| the case| correct| "
    r"right)?(?: that)? ?"
    r"(?P<a>.{1,150}?) (?:(?:is|are|be|was)? ?(?:strictly |actually |really )?"
    rf"(?P<word>{'|'.join(sorted(_MORE | _LESS))}) than|(?P<over>exceeds?|surpass(?:es)?|over|above)|"
    rf"(?P<under>below|under|beneath)|"
    r"(?P<equal>(?:is |are |be )?(?:equal to|the same as|equals?|exactly|identical to|as (?:much|large|big) "
    r"as))) (?P<b>.{1,150})"
)
_SIGNED = re.compile(
    r"(?:is |are )?(?:it true that )?(?P<a>[^<>=!]{1,150}?) ?(?P<sign><=|>=|<|>|!=|==) ?(?P<b>[^<>=!]{1,150})"
)
_EITHER = re.compile(
    rf"(?:is|are) (?P<a>[^,]{{1,100}}?) or (?P<b>.{{1,100}}?) (?:the "
    rf")?(?P<word>{'|'.join(sorted(_MORE | _LESS | _MOST | _LEAST))})"
    r"(?: one| number)?"
)
_BOTH = re.compile(
    r"(?:is|are) (?P<a>.{1,150}?) (?:and|or) (?P<b>.{1,150}?) (?:equal|the same|identical|the same number|"
    r"equally (?:large|big|much))"
)
_ASKING = closed_class(
    "which what who whats is are was were the one ones of these those them numbers number value values following among "
    "amongst between out from tell me name pick choose find give select a an larger bigger greater higher "
    "smaller lower "
    "less more fewer largest biggest greatest highest maximum max smallest lowest least minimum min two three "
    "four list "
    "is: in all has does do i d be would have and or , : ; ? . ! - it here given set compare big large littlest "
    "most far"
)
_NUMERIC = re.compile(r"[\d.$€£(√-]")
_DATED = closed_class(
    "which what is was are were does do did will be the date day days one of these two first earlier sooner "
    "before comes "
    "come came later last after between and or happens happen fall falls latest earliest recent most more lies on than "
    "in time true it that , : ; ? . ! did lie follow precede precedes follows - following prior to"
)


def solve_comparisons(text: str, today: date) -> Solution | Ambiguous:
    """The plain text's yes or no, or the one that wins; OutsideError, UnsolvedError."""
    if len(text) > LONGEST:
        raise OutsideError
    text = text.rstrip(" ?.!")
    if re.search(r"\d|\btoday\b", text) and (dated := _dates(text, today)) is not None:
        return dated
    if either := _EITHER.fullmatch(text):
        return _chosen(f"which is {either['word']}, {either['a']} or {either['b']}")
    for pattern in (_SIGNED, _BOTH, _THAN):
        if found := pattern.fullmatch(text):
            try:
                return _asked(found)
            except OutsideError:
                continue
    return _chosen(text)


def _plain_number(text: str) -> Tree:
    tree = parse(re.sub(r"^(?:the number|a|the|that|it true that) ", "", text.strip(" ,")))
    if variables(tree):
        raise OutsideError
    return tree


def _asked(found: re.Match[str]) -> Solution:
    """Yes or no, of two numbers."""
    left, right = _plain_number(found["a"]), _plain_number(found["b"])
    _compatible((left, right))
    groups = found.groupdict()
    word = groups.get("word") or ("less" if groups.get("under") else None)
    sign = groups.get("sign") or (
        "=" if word is None and not groups.get("over") else ">" if _SIDES.get(word or "more", 1) > 0 else "<"
    )
    a, b, steps = _values((left, right))[0], _values((left, right))[1], ()
    holds = {"=": a == b, "==": a == b, "!=": a != b, ">": a > b, "<": a < b, ">=": a >= b, "<=": a <= b}[sign]
    return _verdict(bool(holds), (left, right), (a, b), steps)


def _verdict(holds: bool, trees: tuple[Tree, Tree], values: tuple[Exact, Exact], steps: tuple[str, ...]) -> Solution:
    from ragents_server.solving.exact import shown

    a, b = values
    how = "equal to" if a == b else "larger than" if a > b else "smaller than"
    text = f"{'Yes' if holds else 'No'}, {expression(trees[0])} is {how} {expression(trees[1])}."
    steps += tuple(
        f"{expression(tree)} = {shown(value, unit_of(tree))}"
        for tree, value in zip(trees, values, strict=True)
        if operations(tree)
    )
    if a != b:
        steps += (f"the difference is {shown(abs(a - b))}",)
    return Solution("comparison", "yes" if holds else "no", text, steps)


def _compatible(trees: Sequence[Tree]) -> None:
    """OutsideError where one is of dollars and the other of days."""
    if len({unit_of(tree) for tree in trees}) > 1:
        raise OutsideError


def _values(trees: Sequence[Tree]) -> list[Exact]:
    from ragents_server.solving.exact import value_of

    return [value_of(tree) for tree in trees]


def _chosen(text: str) -> Solution:
    """The largest or smallest of several."""
    words = text.split(" ")
    bare = [word.strip(",:;?.") for word in words]
    sides = {_SIDES[word] for word in bare if word in _SIDES}
    inner = [at for at, word in enumerate(words) if word.strip(",:;?.") not in _ASKING]
    if len(sides) != 1 or not inner:
        raise OutsideError
    body = " ".join(words[inner[0] : inner[-1] + 1]).strip(" ,:;?.")
    trees = parse_list(body)
    _compatible(trees)
    if len(trees) < 2 or any(variables(tree) for tree in trees):
        raise OutsideError
    if (
        bare[0] not in _SIDES
        and (len(bare) < 2 or bare[1] not in _SIDES)
        and not {
            "which",
            "what",
            "whats",
            "who",
            "tell",
            "name",
            "find",
            "give",
            "pick",
            "max",
            "min",
            "maximum",
            "minimum",
            "choose",
            "select",
        }
        & set(bare)
    ):
        raise OutsideError
    return _best(trees, sides.pop(), comparative=any(word in _MORE or word in _LESS for word in bare))


def _best(trees: Sequence[Tree], side: int, *, comparative: bool) -> Solution:
    from ragents_server.solving.exact import short, shown

    values = _values(trees)
    best = max(values) if side > 0 else min(values)
    winners = [tree for tree, value in zip(trees, values, strict=True) if value == best]
    what = {(1, True): "larger", (-1, True): "smaller", (1, False): "largest", (-1, False): "smallest"}[
        (side, comparative and len(trees) == 2)
    ]
    if len(winners) == len(trees):
        text = f"They are all equal to {shown(best, unit_of(trees[0]))}."
    else:
        text = f"The {what} one is {' = '.join(dict.fromkeys(map(expression, winners)))}."
    ordered = sorted(zip(values, trees, strict=True), key=lambda one: one[0], reverse=side > 0)
    steps = [f"{expression(tree)} = {shown(value, unit_of(tree))}" for value, tree in ordered if operations(tree)]
    steps.append(f" {'>' if side > 0 else '<'} ".join(expression(tree) for _, tree in ordered))
    return Solution("comparison", short(best), text, tuple(steps))


def _dates(text: str, today: date) -> Solution | Ambiguous | None:
    """Which of some dates is first or last, or whether one is before another."""
    try:
        asked = masked(text, today, past=True)
    except AmbiguousDateError as error:
        if (_dates(error.texts[0], today)) is None:
            return None
        day, month = (f"{one.day} {one:%B} {one.year}" for one in error.readings)
        return Ambiguous(f"Which day is {error.written}?", (day, month), error.texts)
    words = re.findall(r"@[ds]|[a-z']+|\d+|[^\s\w]", asked.text)
    if len(asked.dates) < 2 or asked.spans or not set(words) <= _DATED | {"@d"}:
        return None
    is_late = bool({"later", "last", "after", "latest", "recent", "follow", "follows"} & set(words))
    if not is_late and not {"first", "earlier", "sooner", "before", "prior", "earliest", "precede", "precedes"} & set(
        words
    ):
        return None
    if words[0] in {"which", "what", "between", "of"} or re.search(r"@d or @d", asked.text):
        best = max(asked.dates) if is_late else min(asked.dates)
        ordered = " < ".join(one.isoformat() for one in sorted(set(asked.dates)))
        return Solution(
            "comparison",
            best.isoformat(),
            f"The {'later' if is_late else 'earlier'} date is {written(best)}.",
            (ordered,),
        )
    if len(asked.dates) != 2:
        return None
    first, second = asked.dates
    holds = first > second if is_late else first < second
    how = "the same day as" if first == second else "before" if first < second else "after"
    text = f"{'Yes' if holds else 'No'}, {written(first)} is {how} {written(second)}."
    days = f"they are {abs((second - first).days):,} days apart"
    return Solution("comparison", "yes" if holds else "no", text, (days,))
