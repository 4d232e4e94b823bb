"""Which sentences of the retrieved passages answer a question, and whether any does.

A sentence's score is its cosine with the question plus the coverage of the question's terms, weighed by
idf: .7 by the sentence itself and .3 by its passage with the headings above, which stand for what a
sentence only refers to ("it", "the company"). Coverage counts as if the question had five more terms
that nothing covers: to match both words of a two-word question is little evidence, to match nine of
ten is much. Without that, a threshold fitted on long questions lets short ones through.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ragents_server.index.terms import terms
from ragents_server.models.embeddings import Vectors

THRESHOLD = 0.61
"""The least score of an answer; `scripts/fit_extractive` prints it. It belongs to all-MiniLM-L6-v2's scale."""

_OWN_SHARE = 0.7  # of coverage; the rest is its passage's
_UNCOVERED_TERMS = 5
_FURTHER_SHARE = 0.7  # of the best score, which a further sentence needs: no hit is lost and a third of the words


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Stems of words that ask and say nothing of what about; they are no stop words of the index.
_ASKING = _words(
    "what who whom whose when where which whi how do doe did has have had can could would should were been "
    "me my you your we our us tell describ explain give list find show pleas about ani some mani much more"
)
_DIGIT = re.compile(r"\d")
# A question for yes or no, which a sentence that only repeats it does answer.
_POLAR = re.compile(
    r"\W*(?:is|are|was|were|am|do|does|did|can|could|may|might|must|shall|should|will|would|has|have|had)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A retrieved passage: `sentences` are half-open character spans of `text`, `vectors` one unit vector each.

    `heading` is the path of headings above the passage, joined by " > ".
    """

    passage: int
    text: str
    sentences: Sequence[tuple[int, int]]
    vectors: Vectors
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Selected:
    """A sentence: characters `start` to `end` (half open) of the text of the candidate numbered `passage`."""

    passage: int
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Extraction:
    """The sentences that answer, in reading order; none where the best one, `closest`, is below the threshold."""

    selected: tuple[Selected, ...]
    score: float
    answered: bool
    closest: Selected | None


def extract(
    question: str,
    vector: Vectors,
    candidates: Sequence[Candidate],
    idf: Mapping[str, float],
    *,
    threshold: float = THRESHOLD,
    max_sentences: int = 2,
    max_words: int = 60,
) -> Extraction:
    """Chooses from `candidates`, the best passage first; `vector` is the question's, of unit length.

    `idf` is of the question's terms over the whole index; terms without one count as never seen (the
    greatest idf given). `max_words` bounds what is added to the best sentence, which is never cut.
    """
    asked = _Asked.of(question, idf)
    found = [scored for candidate in candidates for scored in _score(asked, vector, candidate)]
    found.sort(key=lambda scored: -scored.sentence.score)
    if not found:
        return Extraction((), 0.0, False, None)
    closest = found[0].sentence
    answered = closest.score >= threshold
    chosen = _choose(found, max_sentences, max_words) if answered else []
    return Extraction(_in_reading_order(chosen), closest.score, answered, closest)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The question's distinct terms, the weights of those that tell what it is about, and whether yes answers it."""

    terms: frozenset[str]
    weights: Mapping[str, float]
    polar: bool

    @classmethod
    def of(cls, question: str, idf: Mapping[str, float]) -> "_Asked":
        found = frozenset(terms(question))
        unseen = max(idf.values(), default=1.0)
        weights = {term: idf.get(term, unseen) for term in (found - _ASKING) or found}
        return cls(found, weights, _POLAR.match(question) is not None)

    def coverage(self, covering: frozenset[str]) -> float:
        total = sum(self.weights.values())
        covered = sum(weight for term, weight in self.weights.items() if term in covering)
        return covered / total if total > 0 else 0.0

    @property
    def trust(self) -> float:
        """How much coverage counts: more the more terms there are to cover."""
        return len(self.weights) / (len(self.weights) + _UNCOVERED_TERMS)


@dataclass(frozen=True, slots=True)
class _Scored:
    sentence: Selected
    terms: frozenset[str]
    words: int


def _score(asked: _Asked, vector: Vectors, candidate: Candidate) -> Iterator[_Scored]:
    """The candidate's sentences that tell anything, each with its score."""
    context = (1 - _OWN_SHARE) * asked.coverage(frozenset(terms(f"{candidate.heading}\n{candidate.text}")))
    titles = {title.casefold() for title in candidate.heading.split(" > ")}
    for (start, end), cosine in zip(candidate.sentences, candidate.vectors @ vector, strict=True):
        text = candidate.text[start:end].strip()
        found = frozenset(terms(text))
        if _tells(text, found if asked.polar else found - asked.terms, titles):
            coverage = _OWN_SHARE * asked.coverage(found) + context
            sentence = Selected(candidate.passage, start, end, float(cosine) + asked.trust * coverage)
            yield _Scored(sentence, found, len(text.split()))


def _tells(text: str, new: frozenset[str], titles: set[str]) -> bool:
    """Whether a sentence can answer: it is no heading, no question, and says more than the question does."""
    if text.endswith("?") or text.startswith("#") or text.casefold() in titles:
        return False
    return bool(new) or _DIGIT.search(text) is not None  # a single digit is an answer, but no term


def _choose(found: list[_Scored], max_sentences: int, max_words: int) -> list[_Scored]:
    """The best, and those near it that say something else; overlapping passages hold the same sentence twice."""
    chosen = [found[0]]
    words = found[0].words
    for scored in found[1:]:
        if len(chosen) == max_sentences or scored.sentence.score < _FURTHER_SHARE * found[0].sentence.score:
            break
        repeated = any(scored.terms <= other.terms for other in chosen)
        if not repeated and words + scored.words <= max_words:
            chosen.append(scored)
            words += scored.words
    return chosen


def _in_reading_order(chosen: list[_Scored]) -> tuple[Selected, ...]:
    """Sentences of one passage stand together as they are read, the passage of the best one first."""
    passages = list(dict.fromkeys(scored.sentence.passage for scored in chosen))
    in_order = sorted(chosen, key=lambda scored: (passages.index(scored.sentence.passage), scored.sentence.start))
    return tuple(scored.sentence for scored in in_order)
