"""The lexical terms of a text, the same for what is indexed and for what is asked.

On text in ASCII these are exactly the tokens of bm25s with its English stop words and PyStemmer's
English stems, so that the lexical leg can be held against it. Beyond ASCII, compatibility forms are
folded first (a PDF's `ﬁ` is `fi`), and scripts written without spaces become pairs of characters.
"""

import re
import threading
import unicodedata
from collections.abc import Iterator

import Stemmer

ANALYZER = "english-1"
"""The version of this analysis; stored with a collection, because other terms would not match its index."""

MAX_TERM_LENGTH = 64


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Lucene's 33 English stop words, which bm25s uses too.
STOP_WORDS = _words(
    "a an and are as at be but by for if in into is it no not of on or such "
    "that the their then there these they this to was will with"
)

_PAIRED = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # kana and Han
_TOKEN = re.compile(rf"[{_PAIRED}]+|[^\W{_PAIRED}]{{2,}}")
_RUN_OF_PAIRED = re.compile(f"[{_PAIRED}]+")


class _Stemmers(threading.local):
    """One stemmer a thread: it keeps state between calls."""

    def __init__(self) -> None:
        self.english = Stemmer.Stemmer("english")


_stemmers = _Stemmers()


def terms(text: str) -> list[str]:
    """The terms of `text` in order, repeated as often as they occur; empty where all are stop words."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    tokens = [token for token in _tokens(text.lower()) if token not in STOP_WORDS]
    stems: list[str] = _stemmers.english.stemWords(tokens)
    return stems


def _tokens(text: str) -> Iterator[str]:
    for token in _TOKEN.findall(text):
        if not token.isascii() and _RUN_OF_PAIRED.match(token):
            yield from (token[i : i + 2] for i in range(max(1, len(token) - 1)))
        else:
            yield token[:MAX_TERM_LENGTH]
