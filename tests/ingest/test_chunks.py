"""Chunks keep exact spans, stay within every limit, cover the text and are cut at its own borders."""

import re
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ragents_server.index.chunk import Chunk
from ragents_server.ingest.chunks import Cut, chunks
from ragents_server.ingest.loaded import Block, Composer, Loaded


def count_tokens(text: str) -> int:
    """Words of four letters and every other sign: as strict as a word piece model."""
    return len(re.findall(r"\w{1,4}|[^\w\s]", text))


def cut(text: str, limits: Cut | None = None, blocks: tuple[Block, ...] = ()) -> list[Chunk]:
    return list(chunks(Loaded("text/plain", text, blocks, lined=True), limits or Cut(), count_tokens))


def assert_exact(text: str, found: list[Chunk], limits: Cut) -> None:
    data = text.encode()
    covered = 0
    last = -1
    for chunk in found:
        assert data[chunk.start : chunk.end].decode() == chunk.text == chunk.text.strip()
        assert len(chunk.text) <= (limits.whole if len(found) == 1 else limits.size)
        assert count_tokens(chunk.text) + 2 <= limits.max_tokens
        assert chunk.start > last
        assert not data[covered : chunk.start].strip()
        assert chunk.first_line == data[: chunk.start].count(b"\n") + 1
        assert_sentences(chunk)
        covered, last = chunk.end, chunk.start
    assert not data[covered:].decode().strip()


def assert_sentences(chunk: Chunk) -> None:
    at = 0
    for start, end in chunk.sentences:
        assert at <= start < end
        assert not chunk.text[at:start].strip()
        assert chunk.text[start:end].strip() == chunk.text[start:end]
        at = end
    assert at == len(chunk.text)


pieces = st.sampled_from(
    ["word ", "Ünïcode. ", "\n", "\n\n", "語", "😀", "- ", "# H\n", "x" * 70, ". ", "A", " ", "e\u0301"]
)


@given(st.lists(pieces, max_size=120).map("".join), st.integers(8, 90), st.integers(0, 45), st.integers(8, 40))
@settings(max_examples=300, deadline=None)
def test_spans_are_exact_and_limits_hold_for_any_text(text: str, size: int, overlap: int, tokens: int) -> None:
    limits = Cut(size, min(overlap, size // 2), tokens)
    assert_exact(text, cut(text, limits), limits)


@given(st.lists(st.tuples(st.sampled_from(["heading", "paragraph", "item", "row", "code"]), st.text(max_size=90))))
@settings(max_examples=200, deadline=None)
def test_spans_are_exact_for_any_blocks(blocks: list[tuple[str, str]]) -> None:
    composer = Composer()
    for kind, text in blocks:
        composer.add(text, kind, level=len(text) % 3 + 1)  # type: ignore[arg-type]
    loaded = composer.loaded("text/plain")
    limits = Cut(80, 20, 64)
    found = list(chunks(loaded, limits, count_tokens))
    for chunk in found:
        assert loaded.text.encode()[chunk.start : chunk.end].decode() == chunk.text
        assert len(chunk.text) <= (limits.whole if len(found) == 1 else limits.size)
        assert_sentences(chunk)


def test_blank_text_has_no_chunks() -> None:
    assert cut("") == cut(" \n\t\n") == []


def test_chunks_overlap_by_whole_sentences() -> None:
    text = " ".join(f"Sentence number {index} says a little about the harbour." for index in range(60))
    found = cut(text)
    assert len(found) > 3
    for before, after in pairwise(found):
        shared = text.encode()[after.start : before.end].decode()
        assert 0 < len(shared) <= 200
        assert shared.startswith("Sentence number")
        assert shared.endswith("harbour.")


def test_a_large_section_ends_at_the_next_heading_and_small_ones_share_a_chunk() -> None:
    composer = Composer()
    for title, count in (("Fees", 14), ("Moles", 3), ("Tides", 3)):
        composer.add(title, "heading", level=1)
        composer.add(" ".join(f"{title} sentence {index} tells of the old harbour." for index in range(count)))
    found = list(chunks(composer.loaded("text/plain"), Cut(), count_tokens))
    assert [chunk.heading for chunk in found] == ["Fees", "Moles"]
    assert found[1].text.startswith("Moles\n")
    assert "Tides sentence 2" in found[1].text


def test_a_heading_stays_with_what_follows_and_its_path_is_kept() -> None:
    composer = Composer()
    composer.add("Harbour", "heading", level=1)
    composer.add("Intro word. " * 55)
    composer.add("Fees", "heading", level=2)
    composer.add("A boat pays ten euros.")
    found = list(chunks(composer.loaded("text/plain"), Cut(), count_tokens))
    assert found[-1].text == "Fees\n\nA boat pays ten euros."
    assert found[-1].heading == "Harbour > Fees"
    assert not any(chunk.text.endswith("Fees") for chunk in found)


def test_pages_are_those_of_the_first_and_last_words() -> None:
    composer = Composer()
    for page in (1, 2, 3):
        composer.add(f"Page {page} speaks. " * 20, page=page)
    found = list(chunks(composer.loaded("application/pdf", pages=3), Cut(), count_tokens))
    assert found[0].first_page == 1
    assert found[-1].last_page == 3


def test_a_token_run_without_spaces_is_split() -> None:
    limits = Cut()
    text = "語" * 3000
    found = cut(text)
    assert_exact(text, found, limits)
    assert min(len(chunk.text) for chunk in found) > 50


def test_a_cut_prefers_a_paragraph_to_a_sentence() -> None:
    first = "One sentence is here. " * 30
    second = "Another one is there. " * 30
    assert [chunk.text for chunk in cut(f"{first}\n\n{second}", Cut(overlap=0))] == [first.strip(), second.strip()]


def test_a_markdown_underline_is_not_part_of_the_title() -> None:
    text = "Fees and dues\n---\nA boat pays."
    (chunk,) = cut(text, blocks=(Block(0, 17, "heading", 2), Block(18, len(text))))
    assert chunk.heading == "Fees and dues"


def test_a_short_document_that_the_model_can_read_whole_stays_whole() -> None:
    text = "The tide turns at six in the harbour. " * 36  # 1,368 characters
    assert [chunk.text for chunk in chunks(Loaded("text/plain", text), Cut(max_tokens=1000), count_tokens)] == [
        text.strip()
    ]
    assert len(list(chunks(Loaded("text/plain", text), Cut(max_tokens=256), count_tokens))) > 1
    assert len(list(chunks(Loaded("text/plain", text + text), Cut(max_tokens=1000), count_tokens))) > 1


def test_a_short_document_with_headings_within_is_still_cut_at_them() -> None:
    composer = Composer()
    for heading in ("Moles", "Fees"):
        composer.add(heading, "heading", level=1)
        composer.add(f"All about {heading.lower()}. " * 40)
    found = list(chunks(composer.loaded("text/plain"), Cut(max_tokens=1000), count_tokens))
    assert [chunk.heading for chunk in found] == ["Moles", "Fees"]


def test_the_lexical_leg_reads_the_headings_that_stand_above_a_chunk() -> None:
    composer = Composer()
    composer.add("Harbour rules", "heading", level=1)
    composer.add("The tide turns at six. " * 90)
    first, *later = chunks(composer.loaded("text/plain"), Cut(), count_tokens)
    assert first.words == first.text
    assert later
    assert all(chunk.words == f"Harbour rules\n{chunk.text}" for chunk in later)
