"""Questions that constrain which documents they ask: held-out wordings, written before the rules that read them.

Each has a predicate over a document's fields; `HELD_OUT_PLAIN` constrain nothing, whatever words they share.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ragents_server.index.fields import Field

Fields = Mapping[str, Any]
Predicate = Callable[[Fields], bool]

PDF = "application/pdf"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
FIELDS = (
    Field("media_type", "string", (PDF, "text/plain", "text/markdown", WORD), complete=True),
    Field("department", "string", ("Legal", "Sales", "Human Resources"), complete=True),
    Field("status", "string", ("draft", "final", "archived"), complete=True),
    Field("author", "string", ("Ann Lee", "Bob Kim", "Dora Sanchez")),
    Field("year", "number", ("2019", "2020", "2021", "2022")),
    Field("published", "string", ("2021-03-05", "2022-01-10"), dates=True),
    Field("page_count", "number", ("3", "120")),
    Field("confidential", "bool", ("false", "true"), complete=True),
)
DOCUMENTS: tuple[Fields, ...] = tuple(
    {
        "name": name,
        "media_type": media_type,
        "department": department,
        "status": status,
        "author": author,
        "year": year,
        "published": published,
        "page_count": pages,
        "confidential": confidential,
    }
    for name, media_type, department, status, author, year, published, pages, confidential in (
        ("plan.pdf", PDF, "Legal", "draft", "Ann Lee", 2019, "2019-12-31", 3, True),
        ("notes.md", "text/markdown", "Sales", "final", "Bob Kim", 2020, "2020-06-15", 50, False),
        ("offer.docx", WORD, "Human Resources", "archived", "Dora Sanchez", 2021, "2021-03-05", 120, False),
        ("deeds/Lease 7.pdf", PDF, "Sales", "draft", "Ann Lee", 2021, "2021-03-31T10:00:00Z", 100, True),
        ("a.txt", "text/plain", "Legal", "final", "Bob Kim", 2022, "2022-06-30", 101, False),
        ("b.txt", "text/plain", "Human Resources", "final", "Dora Sanchez", 2022, "2022-07-01", 9, True),
    )
)

HELD_OUT: tuple[tuple[str, Predicate], ...] = (
    ("According to plan.pdf, what is the notice period?", lambda d: d["name"] == "plan.pdf"),
    ("What does Lease 7.pdf say about pets?", lambda d: d["name"] == "deeds/Lease 7.pdf"),
    ("In notes.md, who is the contact?", lambda d: d["name"] == "notes.md"),
    ("Looking at PDF documents only, what is the deadline?", lambda d: d["media_type"] == PDF),
    ("Which risks are named in the Word files?", lambda d: d["media_type"] == WORD),
    ("What do the markdown files say about holidays?", lambda d: d["media_type"] == "text/markdown"),
    ("What is the notice period where department is legal?", lambda d: d["department"] == "Legal"),
    ("What is the salary band, with department = human resources?", lambda d: d["department"] == "Human Resources"),
    ("In documents whose status is final, what is the fee?", lambda d: d["status"] == "final"),
    ("What is the fee in documents of the sales department?", lambda d: d["department"] == "Sales"),
    ("What does the human resources department say about overtime?", lambda d: d["department"] == "Human Resources"),
    ("Which deadlines do drafts by Ann Lee mention?", lambda d: d["author"] == "Ann Lee"),
    ("What did papers written by bob kim conclude on fees?", lambda d: d["author"] == "Bob Kim"),
    ("What is the fee, with year after 2020?", lambda d: d["year"] > 2020),
    ("What is the fee in files where the year is before 2021?", lambda d: d["year"] < 2021),
    ("What is the fee in reports with year 2021?", lambda d: d["year"] == 2021),
    ("What was the fee where year is between 2020 and 2021?", lambda d: 2020 <= d["year"] <= 2021),
    (
        "What do documents published between March 2021 and June 2022 say on fees?",
        lambda d: "2021-03" <= d["published"][:7] <= "2022-06",
    ),
    ("What do papers published after 2020 say about fees?", lambda d: d["published"][:4] > "2020"),
    ("Which fee do reports published before March 2021 name?", lambda d: d["published"][:7] < "2021-03"),
    ("Which fee do articles published in 2021 name?", lambda d: d["published"][:4] == "2021"),
    ("What fee is named in documents published since 2021-03-05?", lambda d: d["published"] >= "2021-03-05"),
    ("What is the fee where page count is over 100?", lambda d: d["page_count"] > 100),
    ("What is the fee in documents with page count at least 100?", lambda d: d["page_count"] >= 100),
    ("What is the fee in documents where confidential is false?", lambda d: not d["confidential"]),
    ("What is the fee, whose status is not draft?", lambda d: d["status"] != "draft"),
    ("What is the fee in documents where the department is legal and the status is draft?",
     lambda d: d["department"] == "Legal" and d["status"] == "draft"),
    ("What is the fee where status is draft or final?", lambda d: d["status"] in {"draft", "final"}),
    ("status: archived. What is the fee?", lambda d: d["status"] == "archived"),
    ("What is the fee where department is marketing?", lambda d: d["department"] == "marketing"),
    ("In draft documents, what is the fee?", lambda d: d["status"] == "draft"),
    ("What is the fee in the archived files?", lambda d: d["status"] == "archived"),
)  # fmt: skip

HELD_OUT_PLAIN = (
    "What is the notice period?",
    "In which year was the contract signed?",
    "What happened in 2021?",
    "How did sales develop between March 2021 and June 2022?",
    "Who is the author of the plan?",
    "What is the final price?",
    "Which department is responsible for fees?",
    "What status does a draft have before it is final?",
    "Is Ann Lee the author?",
    "What did Ann Lee say about the fee?",
    "Which book was published in 1859?",
    "When was the report published?",
    "What is legal?",
    "Is it legal to park here?",
    "How can I export a PDF?",
    "Which files does the program write?",
    "What is the year of construction?",
    "How many pages has the book?",
    "What is the page count of the plan?",
    "Who wrote the final report by the deadline?",
    "What changed after 2020?",
    "What are the sales in the year before 2020?",
    "What is confidential?",
    "Where is the human resources office?",
    "Which words are in the title?",
    "What is the fee from Oslo to Bergen?",
    "With whom did the department sign?",
    "Does the contract end in June 2022?",
    "What is the difference between draft and final?",
    "Which rooms are only for authors?",
    "What is stated by the author about the year 2020?",
    "What is the status of the project?",
    "How do I turn a Word file into text?",
)
