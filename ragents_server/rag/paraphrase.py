"""Whether two questions ask the same in other words: rules for English, no model.

Vectors of questions are close where most of their words are the same: "before" and "after", two numbers or two names
hardly part them. These rules are narrow instead. The same question may differ in words that carry nothing, in
inflection, in synonyms that are known, and in an order that gives no word another role; every other word must stand in
both. So what turns a meaning round (a negation, an antonym, a number, a unit, a date, a name) needs no list of its own.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ragents_server.rag.wording import (
    ASKING,
    BE,
    DETERMINERS,
    DIRECTED,
    FIRST,
    FUTURE,
    GET,
    HAVE,
    LIGHT,
    PAST,
    PERFECT,
    PHRASES,
    PREPOSITIONS,
    PRESENT,
    SECOND,
    SHORT,
    UNITS,
    is_inflected,
    is_past,
    plain,
)

LONGEST = 400  # characters; longer questions are hardly ever asked again in other words

_WORD = re.compile(
    r"[^\w\s.,;:!?'\"()\[\]{}&/…-]|-(?=\d)"  # a sign
    r"|\d+(?:[.,:/-]\d+)*(?:[^\W\d_]+)?"  # a number, with its unit
    r"|[^\W_]+(?:[.'&/-][^\W_]+)*(?:'(?!\w))?"
)
_MEASURED = re.compile(r"(\d[\d.,:]*)([a-z]+)")
_NAME = re.compile(r"(?<=[\w,] )[A-Z][A-Za-z]*\b")
_PRICE = re.compile(r"([$€£¥₹])\s?(\d[\d.,]*)")
_THOUSANDS = re.compile(r",(?=\d{3}(?!\d))")
_ZEROS = re.compile(r"\.0+$")
_HELPED = 3  # words between "have" or "get" and its participle, and one


def same_meaning(a: str, b: str) -> bool:
    """Whether `b` asks what `a` asks, as far as their words tell; False where in doubt."""
    return max(len(a), len(b)) <= LONGEST and Reading.of(a).means(Reading.of(b))


@dataclass(frozen=True, slots=True)
class Reading:
    """What a question's words say: all that carry something, what is asked for, when it is, and who does what."""

    content: list[str]  # sorted
    asks: frozenset[str]
    times: frozenset[str]
    order: list[str]  # of those outside phrases with a preposition
    roles: dict[str, str]  # each word's preposition, "" outside such phrases
    is_passive: bool

    @classmethod
    def of(cls, text: str) -> "Reading":
        """Of a question that is not too long."""
        words = _phrased(_words(text))
        carrying = list(_cast(words))
        return cls(
            content=sorted(word for word, _ in carrying),
            asks=frozenset(ASKING[word] for word in words if word in ASKING),
            times=_times(frozenset(words)),
            order=[word for word, role in carrying if not role],
            roles=dict(carrying),
            is_passive=_is_passive(words),
        )

    def means(self, other: "Reading") -> bool:
        """Whether the other question asks the same."""
        return (
            bool(self.content)
            and self.content == other.content
            and self.asks == other.asks
            and not self.times.isdisjoint(other.times)
            and self._casts_as(other)
        )

    def _casts_as(self, other: "Reading") -> bool:
        """Whether the same words play the same roles: by their prepositions, and by their order or its reverse."""
        changes = {(role, other.roles[word]) for word, role in self.roles.items() if role != other.roles[word]}
        if len(changes) > 1 or any(_recast(*change) for change in changes):
            return False
        shared = frozenset(self.order) & frozenset(other.order)
        one = [word for word in self.order if word in shared]
        two = [word for word in other.order if word in shared]
        if self.is_passive == other.is_passive:
            return one == two
        return one != two


def _recast(role: str, other: str) -> bool:
    """Whether the two prepositions, "" for none, say different things: the harbour "of" and "in" Visby do not."""
    roles = {role, other}
    return not roles.isdisjoint(DIRECTED) or ("" not in roles and roles != {"of", "in"})


def _words(text: str) -> list[str]:
    """In small letters, what is shortened written out, what is measured apart from its unit."""
    text = unicodedata.normalize("NFKC", text).replace("’", "'")
    if not text.isupper():
        text = _NAME.sub(_kept, text)
    text = _PRICE.sub(r"\2 \1 ", text)  # the sign stands where its word would
    return [part for word in _WORD.findall(text.lower()) for part in _parts(word)]


def _kept(found: re.Match[str]) -> str:
    """A name that reads like a small word ("US", "May") or like an inflection ("Jones") is neither."""
    word = found[0].lower()
    return f"{word}0" if word != "i" and (word in LIGHT or is_inflected(word)) else word


def _parts(word: str) -> Sequence[str]:
    if word.isalpha():
        return SHORT.get(word, (word,))
    if word in SHORT:
        return SHORT[word]
    if not word[0].isdigit():
        return (word,) if any(letter.isdigit() for letter in word) else re.split("[-/&]", word.replace(".", ""))
    measured = _MEASURED.fullmatch(word)
    if measured and measured[2] in UNITS:
        return _number(measured[1]), measured[2]
    return (_number(word),)


def _number(word: str) -> str:
    return _ZEROS.sub("", _THOUSANDS.sub("", word))


def _phrased(words: Sequence[str]) -> list[str]:
    """With one word for each phrase that is known."""
    found, at = list[str](), 0
    while at < len(words):
        for phrase, meaning in PHRASES.get(words[at], ()):
            if list(words[at : at + len(phrase)]) == phrase:
                found += [meaning] if meaning else []
                at += len(phrase)
                break
        else:
            found.append(words[at])
            at += 1
    return found


def _times(words: frozenset[str]) -> frozenset[str]:
    """When it is; a perfect is of the past as well as of the present, and what does not say is of the present."""
    found = set[str]()
    if words & PERFECT:
        found |= {"past", "present"}
    if words & PAST or (not words & (BE | HAVE) and any(map(is_past, words))):
        found.add("past")
    if words & PRESENT:
        found.add("present")
    if words & FUTURE:
        found.add("future")
    return frozenset(found or {"present"})


def _is_passive(words: Sequence[str]) -> bool:
    being = next((at for at, word in enumerate(words) if word in BE or word in GET), len(words))
    return any(map(is_past, words[being + 1 :]))


def _cast(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each word that carries something, in its plain form, with the preposition of its phrase, "" outside of one."""
    both = not (FIRST.isdisjoint(words) or SECOND.isdisjoint(words))  # then it tells who does it to whom
    role, is_filled = "", False
    for at, word in enumerate(words):
        if word in PREPOSITIONS:
            role, is_filled = PREPOSITIONS[word], False
        elif word in FIRST or word in SECOND:
            if both:
                yield ("i" if word in FIRST else word), role
            role = ""
        elif word in HAVE or word in GET:
            role = ""
            if not any(map(is_past, words[at + 1 : at + 1 + _HELPED])) and "been" not in words[at + 1 :]:
                yield plain(word), role
        elif word.endswith(("'s", "'")):
            yield plain(word.rstrip("s'")), "of"
        elif word not in LIGHT:
            role = "" if is_filled and is_past(word) else role  # "of Visby dredged": a verb ends the phrase
            yield plain(word), role
            is_filled = True
        elif word not in DETERMINERS:
            role = ""
    if words and PREPOSITIONS.get(words[-1]) in DIRECTED:
        yield words[-1], ""  # of what is asked for: where from, where to
