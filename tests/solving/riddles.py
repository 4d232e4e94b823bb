"""Puzzles, whose answers are found here by trying every world."""

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise, permutations, product
from random import Random

from tests.solving.problems import Problem

Words = Mapping[str, tuple[str, ...]]

PEOPLE = ["Ann", "Bob", "Cid", "Dora", "Emil", "Fay", "Gus", "Hana", "Ivo", "Jana", "Karl", "Lena"]
ADJECTIVES = (
    ("old", "older", "oldest", "younger", "youngest"),
    ("tall", "taller", "tallest", "shorter", "shortest"),
    ("heavy", "heavier", "heaviest", "lighter", "lightest"),
    ("fast", "faster", "fastest", "slower", "slowest"),
    ("rich", "richer", "richest", "poorer", "poorest"),
    ("big", "bigger", "biggest", "smaller", "smallest"),
)
CLAUSES = (  # as said, denied, asked
    ("it rains", "it does not rain", "does it rain"),
    ("the street is wet", "the street is not wet", "is the street wet"),
    ("the alarm rings", "the alarm doesn't ring", "does the alarm ring"),
    ("Dora stays at home", "Dora does not stay at home", "does Dora stay at home"),
    ("the shop is closed", "the shop isn't closed", "is the shop closed"),
    ("the lamp is on", "the lamp is not on", "is the lamp on"),
)
CLASSES = (("cat", "cats"), ("painter", "painters"), ("robot", "robots"), ("swimmer", "swimmers"), ("clerk", "clerks"))
THINGS = ["cat", "dog", "fish", "parrot", "horse"]
UNKNOWN, CONTRADICTION = "cannot be told", "contradiction"


def verdict(worlds: Iterable[bool]) -> str:
    """What is so in all worlds, in none, or in some."""
    found = set(worlds)
    return {(True,): "yes", (False,): "no", (): CONTRADICTION}.get(tuple(found), UNKNOWN)


def joined(names: Iterable[str]) -> str:
    *before, last = names
    return f"{', '.join(before)} and {last}"


def sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _ordering(
    dice: Random, words: Words, *, chain: bool
) -> tuple[list[str], str, dict[str, str], list[dict[str, int]]]:
    """Names, premises, the adjective's forms, and every world that fits."""
    names = dice.sample(PEOPLE, dice.randint(3, 4))
    rank = {name: len(names) - at for at, name in enumerate(names)}
    pairs = list(pairwise(names))
    if not chain and dice.random() < 0.5:
        pairs = [pair for pair in permutations(names, 2) if rank[pair[0]] > rank[pair[1]]]
        pairs = dice.sample(pairs, len(names) - 1)
    said = [(x, y, ">") for x, y in pairs]
    if not chain and dice.random() < 0.3:
        x, y, _ = said.pop()
        said.append((x, y, "="))
    if not chain and dice.random() < 0.1:
        x, y = pairs[0]
        said.append((y, x, ">"))
    dice.shuffle(said)
    forms = dict(
        zip(("positive", "comparative", "superlative", "converse", "opposite"), dice.choice(ADJECTIVES), strict=True)
    )
    texts = []
    for x, y, sign in said:
        kind = "same" if sign == "=" else dice.choice(["more", "more", "less"])
        texts.append(sentence(dice.choice(words[kind]).format(x=x, y=y, **forms)))
    worlds = [dict(zip(names, ranks, strict=True)) for ranks in product(range(len(names)), repeat=len(names))]
    holds = {">": lambda a, b: a > b, "=": lambda a, b: a == b}
    worlds = [one for one in worlds if all(holds[sign](one[x], one[y]) for x, y, sign in said)]
    named = sorted({name for x, y, _ in said for name in (x, y)})
    return named, " ".join(texts), forms, worlds


def extreme(dice: Random, words: Words) -> Problem:
    names, premises, forms, worlds = _ordering(dice, words, chain=False)
    best = {tuple(name for name in names if one[name] == max(one[n] for n in names)) for one in worlds}
    expected = (
        CONTRADICTION
        if not best
        else UNKNOWN
        if len(best) > 1
        else joined(found)
        if len(found := best.pop()) > 1
        else found[0]
    )
    return Problem({"premises": premises, **forms}, expected)


def pair(dice: Random, words: Words) -> Problem:
    names, premises, forms, worlds = _ordering(dice, words, chain=False)
    x, y = dice.sample(names, 2)
    return Problem({"premises": premises, "x": x, "y": y, **forms}, verdict(one[x] > one[y] for one in worlds))


def order(dice: Random, words: Words) -> Problem:
    names, premises, forms, worlds = _ordering(dice, words, chain=True)
    return Problem({"premises": premises, **forms}, ", ".join(sorted(names, key=lambda name: -worlds[0][name])))


def race(dice: Random, words: Words) -> Problem:
    names = dice.sample(PEOPLE, dice.randint(3, 4))
    said = [dice.choice(words["ahead"]).format(x=x, y=y) for x, y in pairwise(names)]
    dice.shuffle(said)
    return Problem({"premises": " ".join(said)}, names[0], (names[-1],))


def implication(dice: Random, words: Words) -> Problem:
    """If-then, or, and facts about up to four clauses."""
    clauses = dice.sample(CLAUSES, 4)
    texts, tests = [], []
    for _ in range(dice.randint(2, 3)):
        (p, sp), (q, sq) = ((at, dice.random() < 0.8) for at in dice.sample(range(4), 2))
        said = {"p": clauses[p][0 if sp else 1], "q": clauses[q][0 if sq else 1]}
        kind = dice.choice(["if", "if", "or"])
        template = dice.choice(words[kind])
        texts.append(sentence(template.format(**said)))
        exclusive = None if kind == "if" else "both" in template
        tests.append((kind, p, sp, q, sq, exclusive))
    fact, true = tests[0][dice.choice([1, 3])], dice.random() < 0.7
    texts.append(sentence(dice.choice(words["fact"]).format(p=clauses[fact][0 if true else 1])))

    def holds(one: tuple[bool, ...]) -> bool:
        def each(test: tuple[str, int, bool, int, bool, bool | None]) -> bool:
            kind, p, sp, q, sq, _ = test
            left, right = one[p] == sp, one[q] == sq
            return (not left or right) if kind == "if" else left or right

        return one[fact] == true and all(map(each, tests))

    asked = dice.choice([t[i] for t in tests for i in (1, 3)])
    worlds = [one for one in product([True, False], repeat=4) if holds(one)]
    slots = {"premises": " ".join(texts), "statement": clauses[asked][0], "polar": clauses[asked][2]}
    return Problem(slots, verdict(one[asked] for one in worlds))


def syllogism(dice: Random, words: Words) -> Problem:
    """Two sentences about three kinds, of each of which there is one at least."""
    kinds = dice.sample(CLASSES, 3)
    said, texts = (
        [(dice.choice(["all", "no", "some", "some_not"]), 0, 1), (dice.choice(["all", "all", "no"]), 1, 2)],
        [],
    )

    def fill(a: int, b: int) -> dict[str, str]:
        return {"a": kinds[a][1], "b": kinds[b][1], "a1": kinds[a][0], "b1": kinds[b][0], "A": kinds[a][1].capitalize()}

    for quantity, a, b in said:
        texts.append(dice.choice(words[quantity]).format(**fill(a, b)))
    quantity = dice.choice(["all", "no", "some"])
    named = fill(0, 2)
    conclusion = {"all": "all {a} are {b}", "no": "no {a} are {b}", "some": "some {a} are {b}"}[quantity].format(
        **named
    )
    asked = {"all": "are all {a} {b}", "no": "are no {a} {b}", "some": "are some {a} {b}"}[quantity].format(**named)
    regions = list(product([True, False], repeat=3))

    def holds(world: tuple[bool, ...], quantity: str, a: int, b: int) -> bool:
        inside = [region for region, there in zip(regions, world, strict=True) if there and region[a]]
        return {
            "all": all(region[b] for region in inside),
            "no": not any(region[b] for region in inside),
            "some": any(region[b] for region in inside),
            "some_not": any(not region[b] for region in inside),
        }[quantity]

    def inhabited(world: tuple[bool, ...]) -> bool:
        return all(any(t and region[k] for region, t in zip(regions, world, strict=True)) for k in range(3))

    worlds = [w for w in product([True, False], repeat=8) if inhabited(w) and all(holds(w, *one) for one in said)]
    slots = {"premises": " ".join(texts), "conclusion": conclusion, "asked": asked}
    return Problem(slots, verdict(holds(world, quantity, 0, 2) for world in worlds))


def assignment(dice: Random, words: Words) -> Problem:
    """Each person has one thing; facts until one world is left, or one fact too few."""
    size = dice.randint(3, 4)
    names, things = dice.sample(PEOPLE, size), dice.sample(THINGS, size)
    truth = dict(zip(names, dice.sample(things, size), strict=True))
    worlds = [dict(zip(names, each, strict=True)) for each in permutations(things)]
    texts: list[str] = []
    while len(worlds) > 1 and len(texts) < 6:
        x, t = dice.choice(names), dice.choice(things)
        others = [one for one in things if one not in {truth[x], t}]
        if truth[x] == t:
            text, worlds = dice.choice(words["has"]).format(x=x, t=t), [w for w in worlds if w[x] == t]
        elif dice.random() < 0.3 and others:
            u = dice.choice(others)
            text = dice.choice(words["neither"]).format(x=x, t=t, u=u)
            worlds = [w for w in worlds if w[x] not in {t, u}]
        else:
            text, worlds = dice.choice(words["has_not"]).format(x=x, t=t), [w for w in worlds if w[x] != t]
        texts.append(sentence(text))
    thing, person = dice.choice(things), dice.choice(names)
    owners = {next(name for name in names if w[name] == thing) for w in worlds}
    owned = {w[person] for w in worlds}
    setting = dice.choice(words["setting"]).format(people=joined(names), things=joined(f"a {t}" for t in things))
    slots = {"setting": setting, "facts": " ".join(texts), "thing": thing, "person": person}
    return Problem(slots, owners.pop() if len(owners) == 1 else UNKNOWN, (owned.pop() if len(owned) == 1 else UNKNOWN,))


def knights(dice: Random, words: Words) -> Problem:
    names = dice.sample(PEOPLE, 2)
    claims: list[tuple[int, str, Callable[[tuple[bool, ...]], bool]]] = []
    for at in dice.sample([0, 1], dice.randint(1, 2)):
        other = 1 - at
        text, test = dice.choice(
            [
                (f"{names[other]} is a knave", lambda w, o=other: not w[o]),
                (f"{names[other]} is a knight", lambda w, o=other: w[o]),
                ("we are both knaves", lambda w: not any(w)),
                ("at least one of us is a knave", lambda w: not all(w)),
            ]
        )
        claims.append((at, text, test))
    worlds = [w for w in product([True, False], repeat=2) if all(w[at] == test(w) for at, _, test in claims)]
    said = " ".join(dice.choice(words["says"]).format(x=names[at], claim=text) for at, text, _ in claims)
    found = verdict(world[0] for world in worlds)
    kind = {"yes": "a knight", "no": "a knave"}.get(found, found)
    return Problem({"sayings": said, "person": names[0]}, found, (kind,))


PUZZLE: dict[str, Callable[[Random, Words], Problem]] = {
    "extreme": extreme,
    "pair": pair,
    "order": order,
    "race": race,
    "implication": implication,
    "syllogism": syllogism,
    "assignment": assignment,
    "knights": knights,
}
