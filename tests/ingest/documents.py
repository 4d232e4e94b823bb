"""Real files of every format, made by the libraries that write them."""

import json
import zipfile
from email.message import EmailMessage
from io import BytesIO

from docx import Document
from fpdf import FPDF
from openpyxl import Workbook
from pptx import Presentation

TEXT = "The harbour opens at nine. A boat of 20 m uses the northern mole."
MARKDOWN = (
    f"---\ntitle: Rules\n---\n# Harbour\n\n{TEXT}\n\n## Fees\n\n- Boats pay ten euros.\n- Ships pay more.\n\n"
    "| a | b |\n|---|---|\n| 1 | 2 |\n"
)
HTML = (
    f"<!DOCTYPE html><html><head><title>Harbour</title><style>p {{}}</style></head><body><h1>Rules</h1><p>{TEXT}</p>"
    "<script>alert('no')</script><p hidden>secret</p><div>Before<p>Inside <b>bold</b>ly</p>After</div>"
    "<ul><li>Item one</li></ul><table><tr><th>Boat</th><th>Fee</th></tr><tr><td>Dinghy</td><td>5</td></tr></table>"
    "<pre>a  = 1\nb</pre></body></html>"
)
CSV = 'boat;fee;note\nDinghy;5;"two\nlines"\nYacht;12;ok\n'
JSON = json.dumps({"harbour": {"name": "North", "fees": [{"boat": "Dinghy", "fee": 5.10}], "open": True, "gone": None}})
JSON_LINES = '{"boat": "Dinghy", "fee": 5}\n\n{"boat": "Yacht", "fee": 12}\n'


def pdf(pages: tuple[str, ...] = (TEXT, "The second page names the tides."), password: str = "") -> bytes:
    document = FPDF()
    document.set_font("Helvetica", size=12)
    for page in pages:
        document.add_page()
        if page:
            document.multi_cell(0, 8, page)
    if password:
        document.set_encryption(owner_password=password, user_password=password)
    return bytes(document.output())


def docx() -> bytes:
    document = Document()
    document.add_heading("Harbour", level=1)
    document.add_paragraph(TEXT)
    document.add_paragraph("Boats pay ten euros.", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip((*table.rows[0].cells, *table.rows[1].cells), ("Boat", "Fee", "Dinghy", "5"), strict=True):
        cell.text = text
    return _saved(document)


def pptx() -> bytes:
    deck = Presentation()
    for title in ("Harbour", "Tides"):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = f"{title} slide says: {TEXT}"
    slide.notes_slide.notes_text_frame.text = "Speak slowly."
    return _saved(deck)


def xlsx() -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Fees"
    for row in (("Boat", "Fee"), ("Dinghy", 5.0), ("Yacht", 12.5)):
        sheet.append(row)
    return _saved(book)


def mail(html: bool = False) -> bytes:
    message = EmailMessage()
    message["Subject"] = "Harbour fées"
    message["From"] = "Ada <ada@example.org>"
    message["To"] = "harbour@example.org"
    if html:
        message.set_content("<p>Only <b>HTML</b> here.</p>", subtype="html")
    else:
        message.set_content(TEXT)
    message.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="plan.pdf")
    return message.as_bytes()


def archive(parts: dict[str, bytes]) -> bytes:
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return target.getvalue()


def replaced(document: bytes, part: str, content: bytes) -> bytes:
    """The same Office file with other bytes for one of its parts."""
    with zipfile.ZipFile(BytesIO(document)) as file:
        return archive({name: content if name == part else file.read(name) for name in file.namelist()})


def _saved(document: object) -> bytes:
    target = BytesIO()
    document.save(target)  # type: ignore[attr-defined]
    return target.getvalue()
