"""What a folder of evaluation data holds, told by the files in it, never by its name."""

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SMALL = 1_000_000  # bytes of documents; the short form leaves larger sets out


class DataError(Exception):
    """A folder or a line that is not as it must be; the message says which."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A retrieval set: texts by id, and for each judged query its gains by document id.

    `fingerprint` is the SHA-256 of the judgments: a set is what it holds, whatever its folder is called.
    """

    name: str
    fingerprint: str
    corpus: dict[str, str]
    queries: dict[str, str]
    gains: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the answers that are right; none of them where the corpus does not answer it."""

    text: str
    answers: tuple[str, ...]
    answerable: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """Questions with answers that are spans of the corpus."""

    name: str
    corpus: dict[str, str]
    questions: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Spanned:
    """Questions whose answers are half-open character spans of one document each, as (start, end)."""

    name: str
    files: dict[str, Path]
    questions: tuple[tuple[str, str, tuple[tuple[int, int], ...]], ...]  # text, document, spans


@dataclass(frozen=True, slots=True)
class Filed:
    """Questions and the names of the documents that answer them."""

    name: str
    files: dict[str, Path]
    questions: tuple[tuple[str, frozenset[str]], ...]


@dataclass(frozen=True, slots=True)
class Intended:
    """Questions and what each is asked for, without documents: two of one intent may have one answer."""

    name: str
    questions: tuple[tuple[str, str], ...]  # text, intent; no text twice


DataSet = Ranked | Answered | Spanned | Filed | Intended


def find_sets(folder: Path) -> list[DataSet]:
    """The sets of a folder: its own, or else those of the folders in it; none where nothing fits."""
    if found := list(sets_of(folder)):
        return found
    inner = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return [one for path in inner for one in sets_of(path)]


def sets_of(folder: Path) -> Iterator[DataSet]:
    """The sets that the files of this one folder make; a corpus may be both, for retrieval and for answers."""
    corpus, documents = folder / "corpus.jsonl", folder / "docs"
    if corpus.is_file() and (folder / "queries.jsonl").is_file() and (judgments := qrels(folder)):
        yield read_ranked(folder, judgments)
    if corpus.is_file() and (folder / "qa.jsonl").is_file():
        yield read_answered(folder)
    if not corpus.exists() and (folder / "queries.jsonl").is_file():
        yield read_intended(folder)
    if documents.is_dir() and (folder / "questions.jsonl").is_file():
        yield read_spanned(folder)
    if documents.is_dir() and (folder / "qa.jsonl").is_file():
        yield read_filed(folder)


def qrels(folder: Path) -> Path | None:
    """The judgments: qrels.tsv, or qrels/test.tsv as BEIR itself keeps them."""
    return next((path for path in (folder / "qrels.tsv", folder / "qrels/test.tsv") if path.is_file()), None)


def read_ranked(folder: Path, judgments: Path) -> Ranked:
    """A folder in the BEIR layout; queries without a judgment are left out."""
    gains: dict[str, dict[str, int]] = {}
    with judgments.open(encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            if len(row) == 3 and row[2].strip().lstrip("-").isdigit():  # not the header
                gains.setdefault(row[0], {})[row[1]] = int(row[2])
    queries = {row["_id"]: row["text"] for row in rows(folder / "queries.jsonl")}
    judged = {name: found for name, found in gains.items() if name in queries and any(v > 0 for v in found.values())}
    if not judged:
        raise DataError(f"{judgments}: no query of queries.jsonl has a judgment above 0")
    fingerprint = hashlib.sha256(judgments.read_bytes()).hexdigest()
    corpus = read_corpus(folder / "corpus.jsonl")
    return Ranked(folder.name, fingerprint, corpus, {query: queries[query] for query in judged}, judged)


def read_answered(folder: Path) -> Answered:
    """Questions against corpus_partial.jsonl where there is one (`in_partial` false: not answered by it)."""
    partial = folder / "corpus_partial.jsonl"
    flag = "in_partial" if partial.is_file() else "answerable"
    questions = tuple(
        Asked(
            row["question"], tuple(row.get("answers") or ()), bool(row.get("answerable", True) and row.get(flag, True))
        )
        for row in rows(folder / "qa.jsonl")
    )
    corpus = read_corpus(partial if partial.is_file() else folder / "corpus.jsonl")
    return Answered(f"{folder.name}-qa", corpus, questions)


def read_spanned(folder: Path) -> Spanned:
    """Documents in docs/ and questions.jsonl with `doc`, a file's name with or without its ending, and `spans`."""
    files = read_files(folder / "docs")
    names = {Path(name).stem: name for name in files} | {name: name for name in files}
    path = folder / "questions.jsonl"
    try:
        questions = tuple(
            (row["question"], names[row["doc"]], tuple((span["start"], span["end"]) for span in row["spans"]))
            for row in rows(path)
        )
    except KeyError as error:
        raise DataError(f"{path}: no field or document {error}") from None
    return Spanned(folder.name, files, questions)


def read_filed(folder: Path) -> Filed:
    """Documents in docs/ and qa.jsonl with `gold_docs`, the names of those that answer."""
    questions = tuple((row["question"], frozenset(row["gold_docs"])) for row in rows(folder / "qa.jsonl"))
    return Filed(folder.name, read_files(folder / "docs"), tuple(one for one in questions if one[1]))


def read_intended(folder: Path) -> Intended:
    """queries.jsonl with `text` and `intent`; of equal texts the first one."""
    path = folder / "queries.jsonl"
    intents = dict[str, str]()
    try:
        for row in rows(path):
            intents.setdefault(row["text"], row["intent"])
    except KeyError as error:
        raise DataError(f"{path}: no field {error}") from None
    return Intended(folder.name, tuple(intents.items()))


def read_files(folder: Path) -> dict[str, Path]:
    """The files below a folder, by their paths in it."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def read_corpus(path: Path) -> dict[str, str]:
    """Title and text of each document by its id."""
    return {row["_id"]: f"{row.get('title') or ''}\n{row['text']}" for row in rows(path)}


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines; DataError names the line that is none."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path}:{number}: {error}") from None
            if not isinstance(row, dict):
                raise DataError(f"{path}:{number}: not an object")
            yield row


def is_small(data: DataSet) -> bool:
    """Whether the short form takes it."""
    if isinstance(data, Ranked | Answered):
        return sum(len(text) for text in data.corpus.values()) <= SMALL
    return not isinstance(data, Intended) and sum(path.stat().st_size for path in data.files.values()) <= SMALL
