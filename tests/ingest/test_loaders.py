"""Every format gives its text and structure with true places, and what cannot be read is refused with its reason."""

import random
import zipfile
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragents_server.ingest.chunks import Cut, chunks
from ragents_server.ingest.failures import DocumentError
from ragents_server.ingest.loaded import Loaded
from ragents_server.ingest.loaders import load
from tests.ingest import documents

FILES = {
    "a.txt": documents.TEXT.encode(),
    "a.md": documents.MARKDOWN.encode(),
    "a.html": documents.HTML.encode(),
    "a.csv": documents.CSV.encode(),
    "a.json": documents.JSON.encode(),
    "a.jsonl": documents.JSON_LINES.encode(),
    "a.eml": documents.mail(),
    "a.pdf": documents.pdf(),
    "a.docx": documents.docx(),
    "a.pptx": documents.pptx(),
    "a.xlsx": documents.xlsx(),
}


def read(content: bytes, name: str, media_type: str = "", max_unzipped: int = 64 << 20) -> Loaded:
    return load(content, name, media_type, max_unzipped)


def blocks(loaded: Loaded) -> list[tuple[str, str]]:
    return [(block.kind, loaded.text[block.start : block.end].strip()) for block in loaded.blocks]


def refusal(content: bytes, name: str, max_unzipped: int = 64 << 20) -> str:
    with pytest.raises(DocumentError) as caught:
        read(content, name, max_unzipped=max_unzipped)
    assert caught.value.message.endswith(".")
    assert "ragents" not in caught.value.message
    return caught.value.reason


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_chunks_with_exact_spans(name: str) -> None:
    loaded = read(FILES[name], name)
    for cut in (Cut(), Cut(size=40, overlap=10)):
        found = list(chunks(loaded, cut, lambda text: len(text.split())))
        assert found
        for chunk in found:
            assert loaded.text.encode()[chunk.start : chunk.end].decode() == chunk.text


@pytest.mark.parametrize("name", FILES)
def test_the_content_tells_the_type_where_the_name_does_not(name: str) -> None:
    content = FILES[name]
    if content.startswith((b"%PDF", b"PK", b"<!DOC")):
        assert read(content, "unnamed").media_type == read(content, name).media_type
    else:
        assert read(content, "unnamed").media_type == "text/plain"


def test_plain_text_and_markdown_are_the_files_own_text() -> None:
    assert read(b"one\r\ntwo\r\n", "a.txt").text == "one\ntwo\n"
    loaded = read(documents.MARKDOWN.encode(), "a.md")
    assert loaded.text == documents.MARKDOWN
    assert loaded.lined
    assert blocks(loaded) == [
        ("code", "---\ntitle: Rules\n---"),
        ("heading", "# Harbour"),
        ("paragraph", documents.TEXT),
        ("heading", "## Fees"),
        ("item", "- Boats pay ten euros."),
        ("item", "- Ships pay more."),
        ("row", "| a | b |"),
        ("row", "| 1 | 2 |"),
    ]


def test_html_is_what_a_reader_sees() -> None:
    assert blocks(read(documents.HTML.encode(), "a.html")) == [
        ("heading", "Harbour"),
        ("heading", "Rules"),
        ("paragraph", documents.TEXT),
        ("paragraph", "Before"),
        ("paragraph", "Inside boldly"),
        ("paragraph", "After"),
        ("item", "Item one"),
        ("row", "Boat; Fee"),
        ("row", "Boat: Dinghy; Fee: 5"),
        ("code", "a  = 1\nb"),
    ]


def test_csv_rows_stand_on_the_lines_of_the_file() -> None:
    loaded = read(documents.CSV.encode(), "a.csv")
    assert loaded.text == "boat; fee; note\nboat: Dinghy; fee: 5; note: two lines\n\nboat: Yacht; fee: 12; note: ok"
    assert loaded.lined


def test_json_values_carry_their_paths_and_numbers_stay_as_written() -> None:
    source = documents.JSON.replace("5.1", "5.10")
    assert read(source.encode(), "a.json").text == (
        "harbour.name: North\nharbour.fees[0].boat: Dinghy\nharbour.fees[0].fee: 5.10\nharbour.open: true"
    )
    assert read(documents.JSON_LINES.encode(), "a.jsonl").text == "boat: Dinghy; fee: 5\n\nboat: Yacht; fee: 12\n"


def test_mail_gives_headers_body_and_the_names_of_attachments() -> None:
    loaded = read(documents.mail(), "a.eml")
    assert blocks(loaded) == [
        ("heading", "Harbour fées"),
        ("row", "From: Ada <ada@example.org>"),
        ("row", "To: harbour@example.org"),
        ("paragraph", documents.TEXT),
        ("row", "Attachments: plan.pdf"),
    ]
    assert "Only HTML here." in read(documents.mail(html=True), "a.eml").text


def test_pdf_keeps_pages() -> None:
    loaded = read(documents.pdf(), "a.pdf")
    assert loaded.pages == 2
    assert [(block.page, text) for block, (_, text) in zip(loaded.blocks, blocks(loaded), strict=True)] == [
        (1, documents.TEXT),
        (2, "The second page names the tides."),
    ]


def test_docx_gives_headings_items_and_rows() -> None:
    assert blocks(read(documents.docx(), "a.docx")) == [
        ("heading", "Harbour"),
        ("paragraph", documents.TEXT),
        ("item", "Boats pay ten euros."),
        ("row", "Boat; Fee"),
        ("row", "Boat: Dinghy; Fee: 5"),
    ]


def test_pptx_slides_are_pages_with_titles_and_notes() -> None:
    loaded = read(documents.pptx(), "a.pptx")
    assert loaded.pages == 2
    assert [
        (block.page, kind, text[:14]) for block, (kind, text) in zip(loaded.blocks, blocks(loaded), strict=True)
    ] == [
        (1, "heading", "Harbour"),
        (1, "item", "Harbour slide "),
        (2, "heading", "Tides"),
        (2, "item", "Tides slide sa"),
        (2, "paragraph", "Speak slowly."),
    ]


def test_xlsx_rows_name_their_columns_below_the_sheet() -> None:
    assert blocks(read(documents.xlsx(), "a.xlsx")) == [
        ("heading", "Fees"),
        ("row", "Boat; Fee"),
        ("row", "Boat: Dinghy; Fee: 5"),
        ("row", "Boat: Yacht; Fee: 12.5"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_encodings_are_found(encoding: str) -> None:
    text = "Le café de la plage est fermé à Noël, où la mer est très élevée. " * 5
    assert read(text.encode(encoding), "a.txt").text == text


def test_a_page_in_its_declared_encoding_is_read() -> None:
    page = '<html><head><meta charset="shift_jis"></head><body><p>港は九時に開く</p></body></html>'
    assert read(page.encode("shift_jis"), "a.html").text == "港は九時に開く"


def test_what_a_database_refuses_never_leaves() -> None:
    assert read(b"a" * 200 + b"\0b\x01c\n", "a.txt").text == "a" * 200 + "\ufffdb c\n"
    assert read(b'{"a": "\\ud800x\\u0000y"}', "a.json").text == "a: \ufffdx\ufffdy"


def test_wrongly_named_files_are_read_as_what_they_are() -> None:
    assert read(documents.pdf(), "a.txt").media_type == "application/pdf"
    assert read(documents.docx(), "a.pdf").media_type == read(documents.docx(), "a.docx").media_type
    assert read(documents.HTML.encode(), "a.pdf").media_type == "text/html"


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (documents.archive({"a.txt": b"text"}), "a.pdf", "DOCUMENT_UNSUPPORTED"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "a.md", "DOCUMENT_UNSUPPORTED"),
        (b"no pdf at all", "a.pdf", "DOCUMENT_CORRUPT"),
        (b"no zip at all", "a.docx", "DOCUMENT_CORRUPT"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old", "a.doc", "DOCUMENT_UNSUPPORTED"),
        (b"<svg><text>drawn</text></svg>", "flow.svg", "DOCUMENT_UNSUPPORTED"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "a.docx", "DOCUMENT_ENCRYPTED"),
        (documents.pdf(password="tide"), "a.pdf", "DOCUMENT_ENCRYPTED"),
        (documents.pdf()[:300], "a.pdf", "DOCUMENT_CORRUPT"),
        (documents.docx()[:3000], "a.docx", "DOCUMENT_CORRUPT"),
        (documents.replaced(documents.docx(), "word/document.xml", b"<broken"), "a.docx", "DOCUMENT_CORRUPT"),
        (documents.replaced(documents.pptx(), "ppt/presentation.xml", b"<broken"), "a.pptx", "DOCUMENT_CORRUPT"),
        (documents.replaced(documents.xlsx(), "xl/workbook.xml", b"<broken"), "a.xlsx", "DOCUMENT_CORRUPT"),
        (b" \n\t ", "a.txt", "DOCUMENT_EMPTY"),
        (b"<html><body></body></html>", "a.html", "DOCUMENT_EMPTY"),
        (documents.pdf(pages=("",)), "a.pdf", "DOCUMENT_EMPTY"),
        (b'{"a": ', "a.json", "DOCUMENT_CORRUPT"),
        (b"[" * 200_000, "a.json", "DOCUMENT_CORRUPT"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(content: bytes, name: str, reason: str) -> None:
    assert refusal(content, name) == reason


LAUGHS = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;</x>'


@pytest.mark.parametrize(
    ("document", "part"),
    [(documents.docx(), "word/document.xml"), (documents.xlsx(), "xl/worksheets/sheet1.xml")],
)
def test_an_entity_bomb_is_refused(document: bytes, part: str) -> None:
    assert refusal(documents.replaced(document, part, LAUGHS), "a.docx") == "DOCUMENT_BOMB"


def test_a_bomb_is_refused_before_it_is_opened() -> None:
    dense = documents.replaced(documents.docx(), "word/document.xml", b" " * (20 << 20))
    assert len(dense) < 100_000
    assert refusal(dense, "a.docx") == "DOCUMENT_BOMB"
    assert refusal(documents.docx(), "a.docx", max_unzipped=10_000) == "DOCUMENT_BOMB"
    many = documents.archive({"word/document.xml": b"<a/>"} | {f"{index}.xml": b"" for index in range(10_001)})
    assert refusal(many, "a.docx") == "DOCUMENT_BOMB"


def test_a_zip_entry_that_lies_about_its_size_is_not_inflated() -> None:
    content = bytearray(documents.replaced(documents.docx(), "word/document.xml", b" " * (20 << 20)))
    with zipfile.ZipFile(BytesIO(content)) as file:
        size = file.getinfo("word/document.xml").file_size.to_bytes(4, "little")
    lying = bytes(content).replace(size, (1000).to_bytes(4, "little"))
    assert refusal(lying, "a.docx") == "DOCUMENT_CORRUPT"


def test_pages_nested_without_end_are_read() -> None:
    loaded = read(b"<div>" * 10_000 + b"deep", "a.html")
    assert loaded.text == "deep"
    assert "deep" in read(b">" * 50_000 + b" deep", "a.md").text
    assert "deep" in read(b"- " * 5_000 + b"deep", "a.md").text


@given(st.sampled_from(sorted(FILES)), st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_read_or_refused_but_never_anything_else(name: str, seed: int) -> None:
    chance = random.Random(seed)
    content = bytearray(FILES[name])
    for _ in range(chance.randint(1, 40)):
        content[chance.randrange(len(content))] = chance.randrange(256)
    try:
        loaded = read(bytes(content), name)
    except DocumentError:
        return
    assert "\0" not in loaded.text
    for chunk in chunks(loaded, Cut(size=60, overlap=20), lambda text: len(text.split())):
        assert loaded.text.encode()[chunk.start : chunk.end].decode() == chunk.text


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Rules of the harbour\n\nThe mole is long.", "Rules of the harbour"),
        (f"Rules of the harbour\n{'The mole is long. ' * 12}", "Rules of the harbour"),
        ("The mole is long.\n\nIt is old.", ""),
        ("The harbour has a mole that is long and\nold, and a light at its end.\n\nMore.", ""),
        ("Rules of the harbour", ""),
    ],
)
def test_a_plain_texts_first_line_is_its_title_where_it_stands_alone(text: str, title: str) -> None:
    headings = [
        text[block.start : block.end] for block in read(text.encode(), "a.txt").blocks if block.kind == "heading"
    ]
    assert headings == ([title] if title else [])
