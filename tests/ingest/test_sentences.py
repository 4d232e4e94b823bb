"""Sentences are the spans an answer quotes: right borders, nothing lost, fast enough for every document."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragents_server.ingest.sentences import sentences


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Smith met Mr. Jones. They left.", ["Dr. Smith met Mr. Jones.", "They left."]),
        ("J. R. R. Tolkien wrote it. It sold.", ["J. R. R. Tolkien wrote it.", "It sold."]),
        ("The U.S. Army came at 3 p.m. It left.", ["The U.S. Army came at 3 p.m.", "It left."]),
        ("See Fig. 3 and p. 5. No. That is No. 7.", ["See Fig. 3 and p. 5.", "No.", "That is No. 7."]),
        ("Use tools, e.g. a saw, etc. The end.", ["Use tools, e.g. a saw, etc.", "The end."]),
        ("It costs $3.50 on Jan. 5. Pay.", ["It costs $3.50 on Jan. 5.", "Pay."]),
        ('He said "Go. Now!" Then he left.', ['He said "Go.', 'Now!"', "Then he left."]),
        ('"Stop!" he said. (Really.) Yes.', ['"Stop!" he said.', "(Really.)", "Yes."]),
        ("Well... it went on... And on.", ["Well... it went on...", "And on."]),
        ("第一文。第二文！三", ["第一文。", "第二文！", "三"]),
        ("Spaced stops . Like this .", ["Spaced stops .", "Like this ."]),
        ("1. First item. More", ["1. First item.", "More"]),
    ],
)
def test_sentences_end_at_stops_and_not_at_abbreviations(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


def test_a_hard_wrapped_paragraph_reads_on() -> None:
    text = (
        "The quick brown fox of the valley jumps over the lazy dog that\n"
        "Farmer Jones keeps in his yard, and it does so every single\n"
        "morning. The dog does not mind at all.\n"
    )
    assert cut(text) == [text[: text.index("morning.") + 8], "The dog does not mind at all."]


def test_headings_items_and_rows_stand_alone() -> None:
    text = "# Harbour fees\nA boat pays\n- ten euros\n- twenty Euros\n1. First\n2) Second\n\n| a | b |\n| 1 | 2 |\nEnd"
    assert cut(text) == [
        "# Harbour fees", "A boat pays", "- ten euros", "- twenty Euros", "1. First", "2) Second",
        "| a | b |", "| 1 | 2 |", "End",
    ]  # fmt: skip


def test_a_short_line_before_a_capital_was_ended_on_purpose() -> None:
    assert cut("Chapter One\nThe sea was calm and the harbour quiet.") == [
        "Chapter One", "The sea was calm and the harbour quiet.",
    ]  # fmt: skip


@given(st.text(alphabet=st.sampled_from('aB .!?\n\t-1#|\u3002"(é\r\x0c'), max_size=200))
@settings(max_examples=300, deadline=None)
def test_spans_are_ordered_apart_stripped_and_cover_all_that_is_not_blank(text: str) -> None:
    last = 0
    for start, end in sentences(text):
        assert last <= start < end
        assert text[start:end].strip() == text[start:end]
        assert not text[last:start].strip()
        last = end
    assert not text[last:].strip()


def test_megabytes_take_a_fraction_of_a_second() -> None:
    paragraph = "The harbour of Dr. Smith opens at 9 a.m. on Mondays. Boats pay ten euros, e.g. in cash! Why not?\n" * 3
    text = (paragraph + "\n") * 3500
    began = time.process_time()
    assert len(sentences(text)) > 20_000
    assert time.process_time() - began < len(text) / 2e6


def test_a_megabyte_without_a_single_space_is_one_sentence() -> None:
    assert sentences("x." * 500_000) == [(0, 1_000_000)]


@pytest.mark.parametrize("text", ["." * 300_000, "a. " * 100_000, " " * 300_000 + "x", ".)" * 150_000, "x\n" * 150_000])
def test_hostile_runs_take_linear_time(text: str) -> None:
    began = time.process_time()
    sentences(text)
    assert time.process_time() - began < 2
