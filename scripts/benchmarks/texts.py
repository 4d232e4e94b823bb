"""Made texts for speed runs: English words by Zipf's law in sentences and paragraphs, the same for the same seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from ragents_server.models import minilm_tokens

SEED = 20
WORDS = 80_000  # different words, as some tens of megabytes of English have
MANDELBROT = 2.7  # flattens the law for the commonest words, as in natural text
PASSAGE = 950  # characters that a passage has at least, less what its last sentence would be over 1,000
SENTENCE = (8, 26)  # words
TOPIC, TOPICAL = 8, 0.25  # words that a passage returns to, and their share: natural text repeats itself
ASKED = (5, 9)  # words of a question


@dataclass(frozen=True, slots=True)
class Made:
    """A text with its sentences as half-open spans of characters."""

    text: str
    sentences: tuple[tuple[int, int], ...]


class Author:
    """Writes passages and questions; what two authors of one seed write in one order is equal."""

    def __init__(self, seed: int = SEED) -> None:
        self._random = Random(seed)
        self._numbers = np.random.default_rng(seed)
        self._words = self._drawn()
        self._asked: set[str] = set()

    def passage(self, characters: int = PASSAGE) -> Made:
        """Sentences of so many characters together, and at most a short one more."""
        topic = list(islice(self._words, TOPIC))
        text, spans = "", list[tuple[int, int]]()
        while len(text) < characters:
            sentence = self._sentence(topic, characters + 50 - len(text))
            start = len(text) + bool(text)
            spans.append((start, start + len(sentence)))
            text = f"{text} {sentence}" if text else sentence
        return Made(text, tuple(spans))

    def question(self, passages: Sequence[Made]) -> str:
        """A question in words that follow each other in one of the passages; never the same twice."""
        while True:
            passage = self._random.choice(passages)
            start, end = self._random.choice(passage.sentences)
            words = passage.text[start : end - 1].lower().split()
            number = self._random.randint(*ASKED)
            first = self._random.randrange(max(1, len(words) - number + 1))
            question = f"What of {' '.join(words[first : first + number])}?"
            if question not in self._asked:
                self._asked.add(question)
                return question

    def vectors(self, number: int, dimension: int) -> NDArray[np.float32]:
        """Unit vectors of random directions, as rows: nothing like a model's, and harder to walk an index of."""
        rows = self._numbers.standard_normal((number, dimension), np.float32)
        unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit

    def _sentence(self, topic: Sequence[str], most: int) -> str:
        """Of at most so many characters where that leaves a word."""
        found = list(islice(self._words, self._random.randint(*SENTENCE)))
        found = [self._random.choice(topic) if self._random.random() < TOPICAL else word for word in found]
        while len(found) > 1 and sum(map(len, found)) + len(found) > most:
            found.pop()
        return f"{' '.join(found).capitalize()}."

    def _drawn(self) -> Iterator[str]:
        words, chances = vocabulary()
        while True:
            yield from (words[place] for place in np.searchsorted(chances, self._numbers.random(4096)))


@cache
def vocabulary() -> tuple[list[str], NDArray[np.float64]]:
    """Words, the commonest first, and the chance that a word is that one or a commoner one.

    The model's own vocabulary stands in the order of frequency; rarer words are two of its words in one.
    """
    lines = Path(minilm_tokens.__file__).with_name("minilm_vocab.txt").read_text(encoding="utf-8").splitlines()
    words = [word for word in lines if len(word) > 1 and word.isascii() and word.isalpha()]
    pairs = np.random.default_rng(SEED).integers(len(words), size=(WORDS, 2))
    compounds = (words[first] + words[second] for first, second in pairs)
    words = list(dict.fromkeys([*words, *compounds]))[:WORDS]
    chances = np.cumsum(1 / (np.arange(len(words)) + 1 + MANDELBROT))
    return words, chances / chances[-1]
