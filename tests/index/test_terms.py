"""The lexical analysis: the tokens of bm25s on ASCII, and sensible terms beyond it."""

import bm25s
import pytest
import Stemmer
from bm25s.stopwords import STOPWORDS_EN
from hypothesis import given, settings
from hypothesis import strategies as st

from ragents_server.index.terms import ANALYZER, MAX_TERM_LENGTH, STOP_WORDS, terms

TEXTS = (
    "The quick brown foxes were running; they RAN over 12 lazy dogs' backs.",
    "It's a state-of-the-art co-operation: e-mail bob@example.org, see https://example.org/a_b?c=1.5&d=10",
    "def snake_case(x): return camelCase[x] + 0x1F  # TODO(2024)",
    "To be, or not to be: that is the question.",
    "generalization generalizations generally generic generous",
    "a I x 7 -- ... !?",
    "",
)
# bm25s has no limit on a term's length, so none of these may reach ours.
ASCII = st.text(st.characters(min_codepoint=0, max_codepoint=127), max_size=MAX_TERM_LENGTH)


def of_bm25s(text: str) -> list[str]:
    stemmer = Stemmer.Stemmer("english")
    tokens = bm25s.tokenize([text], stopwords="en", stemmer=stemmer, return_ids=False, show_progress=False)
    return [str(token) for token in tokens[0]]


@pytest.mark.parametrize("text", TEXTS)
def test_terms_are_those_of_bm25s(text: str) -> None:
    assert terms(text) == of_bm25s(text)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(ASCII)
def test_any_ascii_text_has_the_terms_of_bm25s(text: str) -> None:
    assert terms(text) == of_bm25s(text)


def test_the_stop_words_are_those_of_bm25s() -> None:

    assert frozenset(STOPWORDS_EN) == STOP_WORDS


def test_a_text_of_stop_words_has_no_terms() -> None:
    assert terms("To be or not to be") == []


def test_a_long_token_is_cut() -> None:
    assert terms("0123456789" * 10) == [("0123456789" * 10)[:MAX_TERM_LENGTH]]


def test_terms_repeat_and_keep_their_order() -> None:
    assert terms("dogs chase cats, cats chase dogs") == ["dog", "chase", "cat", "cat", "chase", "dog"]


def test_compatibility_forms_are_folded() -> None:
    assert terms("\N{LATIN SMALL LIGATURE FI}nancial") == terms("financial")
    assert terms("cafe\N{COMBINING ACUTE ACCENT}") == terms("café")
    assert terms("ＡＢＣ") == ["abc"]


def test_other_alphabets_are_words() -> None:
    assert terms("Вода и ЛЁД") == ["вода", "лёд"]


def test_scripts_without_spaces_become_pairs() -> None:
    assert terms("東京大学 猫 データ") == ["東京", "京大", "大学", "猫", "デー", "ータ"]


def test_latin_letters_within_han_stay_words() -> None:
    assert terms("使用PostgreSQL数据库") == ["使用", "postgresql", "数据", "据库"]


def test_the_analysis_has_a_version() -> None:
    assert ANALYZER == "english-1"
