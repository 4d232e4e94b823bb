"""English comparison: comparatives and superlatives, their stems, and which adjectives are opposites."""

import re

from ragents_server.solving.vocabulary import closed_class

_IRREGULAR = {"better": "good", "best": "good", "worse": "bad", "worst": "bad", "further": "far", "farther": "far"}
_IRREGULAR |= {"furthest": "far", "farthest": "far", "elder": "old", "eldest": "old", "more": "much", "most": "much"}
_IRREGULAR |= {"less": "little", "least": "little", "fewer": "little", "fewest": "little"}
_NO_COMPARATIVES = closed_class(
    "other another after under over never ever either neither rather whether together mother father brother sister "
    "number paper river water order matter letter member winter summer player water her per"
)
_OPPOSITES = (
    "old young, old new, tall short, big small, large small, big little, large little, great small, heavy light, "
    "fast slow, "
    "quick slow, rich poor, wealthy poor, long short, high low, near far, close far, strong weak, warm cold, hot "
    "cold, hot cool, "
    "warm cool, early late, light dark, bright dark, bright dim, good bad, wide narrow, broad narrow, thick "
    "thin, fat thin, "
    "deep shallow, cheap expensive, cheap dear, hard soft, hard easy, difficult easy, loud quiet, clever stupid, "
    "smart dumb, "
    "happy sad, clean dirty, full empty, wet dry, sharp blunt, brave cowardly, sweet sour, calm nervous, busy "
    "idle, much little"
)
_SAME = (
    {"big", "large", "great"},
    {"fast", "quick", "swift"},
    {"rich", "wealthy"},
    {"smart", "clever"},
    {"near", "close"},
)


def stem(word: str) -> str:
    """What a positive, its comparative and its superlative have in common."""
    word = _IRREGULAR.get(word, word)
    if word.endswith("iest") or word.endswith("ier"):
        word = re.sub(r"i(?:est|er)$", "y", word)
    elif len(word) > 4 and word.endswith("est"):
        word = word[:-3]
    elif len(word) > 3 and word.endswith("er") and word not in _NO_COMPARATIVES:
        word = word[:-2]
    word = word.removesuffix("e")
    if len(word) > 2 and word[-1] == word[-2]:
        word = word[:-1]
    return word[:-1] + "i" if word.endswith("y") else word


_PAIRS = {frozenset(map(stem, pair.split())) for pair in _OPPOSITES.split(", ")}
_GROUPS = [frozenset(map(stem, group)) for group in _SAME]


PLACE = "#place"  # the axis of a race or a row
_IN_PLACE = {"fast": 1, "quick": 1, "swift": 1, "earli": 1, "ahead": 1, "slow": -1, "lat": -1, "behind": -1}


def side(word: str, axis: str) -> int:
    """1 where a stem says the same as the axis's stem, -1 where the opposite, 0 where neither."""
    if axis in {PLACE, word}:
        return 1 if word == axis else _IN_PLACE.get(word, 0)
    alike = next((group for group in _GROUPS if axis in group), frozenset({axis}))
    if word in alike:
        return 1
    return -1 if any(frozenset({word, one}) in _PAIRS for one in alike) else 0


def is_comparative(word: str) -> bool:
    """Whether the word's form is a comparative's."""
    return (word in _IRREGULAR and not word.endswith("st")) or (
        len(word) > 3 and word.endswith("er") and word not in _NO_COMPARATIVES
    )


def is_superlative(word: str) -> bool:
    """Whether the word's form is a superlative's."""
    return (word in _IRREGULAR and word.endswith("st")) or (len(word) > 4 and word.endswith("est"))
