"""A follow-up becomes a question of its own: rules for English, no model.

Two things are told apart. Whether a question leans on what was said before: by a pronoun that nothing in it explains, a
demonstrative, or words left out. And what was said: the names and nouns of the exchange before, which are added in
parentheses. No pronoun is replaced, since without a grammar its noun would often be guessed wrong, and a search needs
the words, not the sentence. A question that does not lean is not touched.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice, takewhile

from ragents_client.v1.answer_pb2 import Exchange
from ragents_server.index.terms import terms

PHRASES = 8  # at most so many are added
PHRASE = 80  # characters of each
EXCHANGES = 4  # looked back over, while each question leans on the one before
_NAMES = 2  # of an answer: a long one names much that nobody asked about
_ANSWER = 600  # characters of an answer that are read
_QUESTION = 1000  # characters of a question that are read


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ASKING = _words("what which who whom whose when where why how")
_AUXILIARY = _words(
    "is are was were am be been being do does did has have had can could may might must shall should will would "
    "isn't aren't wasn't weren't don't doesn't didn't can't won't"
)
_PREPOSITIONS = _words(
    "about above according after against among around as at before behind below between by despite down during for "
    "from in inside into like near of off on onto out outside over per since than through to toward towards under "
    "until up upon via with within without"
)
_SMALL = _words(
    "a an the and or but not no nor so then too also very more most much many some any all both each every other "
    "others another such same own only just even still again once here there now ago yes i you we us me my your our "
    "it its they them their he him his she her hers theirs this that these those one ones if because while although "
    "though whereas else first well please tell say says said means mean there's it's what's who's let's mostly "
    "mainly usually often never always perhaps something anything nothing someone nobody everything"
)
_FUNCTION = _ASKING | _AUXILIARY | _PREPOSITIONS | _SMALL | {""}

# What a pronoun of the next clause may stand for has been named before these.
_CLAUSES = _words(
    "and or but when while before after because if since although though until whereas where who which "
    "say says said claim claimed announce announced think thought believe believed"
)
_HUMAN = _words("he him his she her")
_PERSONAL = _HUMAN | _words("it they them")
_POSSESSIVE = _words("its their his her")
_OBJECTS = _words("him them")
_ARTICLES = _words("a an the each every")
_HAVING = _words("has have had")  # "which school has its" own, but "which school did its" founder lead
_DEMONSTRATIVE = _words("this these those such")
# "This year", "those who" and "such a" point at nothing that was said.
_AFTER_DEMONSTRATIVE = _words("year week month century decade morning evening time day who as that a an")
_BEFORE_ONE = _words(
    "the that this which another other first second third fourth next last previous same only older newer"
)

_WORD = re.compile(r"[^\W_](?:[\w.'’/&-]*[^\W_])?")
_BREAK = re.compile(r"[,;:?!()\"“”]|(?<=\w{3})\.(?=\s|$)")
_MARKER = re.compile(r"\s*\[\d+\]")
_OPENING = re.compile(r"\W*(?:and|but|or|so|then|ok|okay|well)\b[\s,]*", re.IGNORECASE)
_WHAT_ABOUT = re.compile(r"\W*(?:(?:and|but|so)\s+)?(?:what|how)\s+(?:about|of)\b", re.IGNORECASE)
# "It" that stands for nothing said before: "is it true that", "how long does it take to".
_EXPLETIVE = re.compile(
    r"\b(?:(?:is|was|be)\s+it|it\s+(?:is|was|be))\s+(?:\w+\s+)?(?:\w+\s+(?:that|whether|if)|called\s+when|"
    r"(?:possible|impossible|legal|illegal|allowed|forbidden|permitted|necessary|required|important|useful|safe|"
    r"dangerous|hard|easy|difficult|better|best|worth|common|normal|usual|likely|time|good|bad|right|wrong)"
    r"\s+(?:to|for))\b"
    r"|\bit\s+(?:takes?|took|costs?|comes?|came|means?|happens?|seems?|seemed)\b.{1,100}\b(?:to|that|for)\b"
    r"|\bit\s+(?:rain|snow)",
    re.IGNORECASE,
)


def contextual(text: str, history: Sequence[Exchange]) -> str:
    """`text` as it is where it stands alone, else with what the history says it is about."""
    if not history or not leans(text):
        return text
    known, added = set(terms(text)), list[str]()
    for phrase in _topics(history):
        found = set(terms(phrase))
        if not found <= known:
            known |= found
            added.append(phrase[:PHRASE])
    return f"{text} ({', '.join(added[:PHRASES])})" if added else text


def leans(text: str) -> bool:
    """Whether a question needs what was said before to be understood."""
    text = text[:_QUESTION]
    opening = _OPENING.match(text)
    rest = text[opening.end() :] if opening else text
    if _WHAT_ABOUT.match(text) or _Asked.of(rest).is_cut(opened=opening is not None):
        return True
    asked = _Asked.of(_EXPLETIVE.sub(" ", text))
    return any(asked.refers(at) for at in range(len(asked.words)))


@dataclass(frozen=True, slots=True)
class _Asked:
    """The words of a question, as they are written and in small letters; "IT" and "US" stay, they are no pronouns."""

    words: tuple[str, ...]
    lowered: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "_Asked":
        words = tuple(_WORD.findall(text))
        shouted = text.isupper()
        return cls(
            words, tuple(word if len(word) > 1 and word.isupper() and not shouted else word.lower() for word in words)
        )

    def is_cut(self, *, opened: bool) -> bool:
        """Whether half of it was said before: "And in 1990?", "Why?", "Until when?"; `opened` with a word as "and"."""
        content = [word for word in self.lowered if word not in _FUNCTION]
        if not content:
            return True
        if self.lowered[0] in _AUXILIARY or any(word in _ASKING for word in self.lowered):
            return len(content) < 2 and not any(word in _AUXILIARY for word in self.lowered)
        return opened or (self.lowered[0] in _PREPOSITIONS and len(content) < 3)

    def refers(self, at: int) -> bool:
        """Whether the word there stands for something that the question itself does not name."""
        word, before, after = self.lowered[at], self._at(at - 1), self._at(at + 1)
        if word in _POSSESSIVE and after not in _FUNCTION:
            return not self._explains(word, at)
        if word in _PERSONAL:
            return not self._explains(word, self._clause(at))
        if word in _DEMONSTRATIVE:
            return after not in _AFTER_DEMONSTRATIVE
        if word == "that":
            return before in _PREPOSITIONS | _AUXILIARY | {"", "and"} or at + 2 >= len(self.words)
        if word == "there":
            return not {before, after} & _AUXILIARY or (not after and not self._explains(word, at))
        if word in {"one", "ones"}:
            return not after or (before in _BEFORE_ONE and after in _FUNCTION)
        return word == "else" or (word in {"former", "latter"} and after in _FUNCTION)

    def _at(self, at: int) -> str:
        """The word there; the one behind the last is "", which is a small word as well."""
        return self.lowered[at] if 0 <= at < len(self.lowered) else ""

    def _clause(self, at: int) -> int:
        """Where the clause of the pronoun at `at` begins, 0 for the first; "before him" begins none."""
        last = at - 1 if self.lowered[at] in _OBJECTS or at + 1 == len(self.words) else at
        return next((i for i in range(last - 1, 0, -1) if self.lowered[i] in _CLAUSES), 0)

    def _explains(self, pronoun: str, end: int) -> bool:
        """Whether the words before `end` name what the pronoun may stand for: a name, "the king", several nouns."""
        content = [at for at in range(end) if self.lowered[at] not in _FUNCTION]
        if any(self.words[at][0].isupper() for at in content if at):
            return True
        if pronoun in _HUMAN:
            return any(self.lowered[at - 1] in _ARTICLES for at in content if at)
        return len(content) > 1 or (len(content) == 1 and self._at(end - 1) in _HAVING)


def _topics(history: Sequence[Exchange]) -> Iterator[str]:
    """What the last exchange is about, and those before it as long as each leans on the one before or names nothing."""
    for exchange in reversed(history[-EXCHANGES:]):
        asked = list(_phrases(exchange.question[:_QUESTION]))
        yield from asked
        yield from islice(_names(exchange.answer), _NAMES)
        if any(_is_name(word) for phrase in asked for word in phrase.split()) and not leans(exchange.question):
            return


def _names(answer: str) -> Iterator[str]:
    """The names in an answer, each without the words behind it."""
    for phrase in _phrases(_MARKER.sub("", answer[:_ANSWER])):
        if name := " ".join(takewhile(_is_name, phrase.split())):
            yield name


def _is_name(word: str) -> bool:
    return word[0].isupper()


def _phrases(text: str) -> Iterator[str]:
    """Runs of words that are neither small nor apart: "the Summer Theatre in Oslo" has two."""
    for part in _BREAK.split(text):
        for small, run in groupby(_WORD.findall(part), lambda word: word.lower() in _FUNCTION):
            if not small:
                yield " ".join(run)
