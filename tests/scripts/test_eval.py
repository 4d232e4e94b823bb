"""`scripts/eval` on sets made here: the real server, and what it prints of it; the measures themselves by hand."""

import asyncio
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragents_client import AsyncClient
from ragents_client.v1 import Answer, Citation, Document, Passage, Refusal, Score, Span
from scripts.evaluation.__main__ import chosen, command, parser
from scripts.evaluation.answers import few, holds, judge, spread
from scripts.evaluation.progress import in_order
from scripts.evaluation.ranking import best, ndcg
from scripts.evaluation.references import bm25_scores, min_max
from scripts.evaluation.service import PutError, Service
from scripts.evaluation.sets import Answered, Asked, DataError, Filed, Ranked, Spanned, find_sets, is_small
from scripts.evaluation.spans import returned
from tests.servers import running_server

TOPICS = {
    "lion": "The lion hunts in prides. A lion sleeps twenty hours a day.",
    "whale": "The blue whale eats krill. A blue whale weighs 150 tonnes.",
    "oak": "The oak grows slowly. An oak lives for six hundred years.",
    "granite": "Granite is an igneous rock. It forms from cooling magma deep in the crust.",
}
ROOT = Path(__file__).parents[2]


def lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def beir(folder: Path) -> Path:
    """A retrieval set with an odd id, an empty text, and a query that nobody judged."""
    corpus = [{"_id": f"doc/{name}", "title": name, "text": text} for name, text in TOPICS.items()]
    lines(folder / "corpus.jsonl", [*corpus, {"_id": "empty", "title": "", "text": ""}])
    asked = {"1": "How long does a lion sleep?", "2": "What does the blue whale eat?", "3": "Who judges this?"}
    lines(folder / "queries.jsonl", ({"_id": name, "text": text} for name, text in asked.items()))
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n1\tdoc/lion\t1\n2\tdoc/whale\t2\n2\tdoc/oak\t0\n")
    return folder


def questions(folder: Path) -> Path:
    """Answers as spans; the partial corpus has no whale."""
    corpus = [{"_id": name, "title": name, "text": text} for name, text in TOPICS.items()]
    lines(folder / "corpus.jsonl", corpus)
    lines(folder / "corpus_partial.jsonl", [row for row in corpus if row["_id"] != "whale"])
    asked = [
        ("How many hours a day does a lion sleep?", "twenty", True),
        ("For how many years does an oak live?", "six hundred", True),
        ("What does the blue whale eat in the ocean?", "krill", False),
    ]
    lines(folder / "qa.jsonl", ({"question": q, "answers": [a], "in_partial": p} for q, a, p in asked))
    return folder


def spans(folder: Path) -> Path:
    """One long document with characters of two bytes, and where in it the answer stands, in characters."""
    text = "# Über Tiere\n\n" + "\n\n".join(f"Größe zählt. {text}" for text in TOPICS.values()) + "\n"
    (folder / "docs").mkdir(parents=True)
    (folder / "docs/tiere.md").write_text(text, encoding="utf-8")
    start = text.index("weighs")
    gold = {"start": start, "end": start + len("weighs 150 tonnes")}
    lines(folder / "questions.jsonl", [{"question": "What does a blue whale weigh?", "doc": "tiere", "spans": [gold]}])
    return folder


def filings(folder: Path) -> Path:
    """Documents, and which of them answer."""
    (folder / "docs").mkdir(parents=True)
    for name, text in TOPICS.items():
        (folder / f"docs/{name}.txt").write_text(text)
    lines(folder / "qa.jsonl", [{"question": "Where does granite form?", "answers": [], "gold_docs": ["granite.txt"]}])
    return folder


def run(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.evaluation", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_all_kinds_of_sets_are_measured_on_a_real_server(tmp_path: Path) -> None:
    beir(tmp_path / "animals"), questions(tmp_path / "zoo"), spans(tmp_path / "long"), filings(tmp_path / "files")
    # The caller's own server, which is not there, must not be asked.
    ran = run("--data", tmp_path, "--json", RAGENTS_DATABASE="postgresql://127.0.0.1:9/none")
    assert ran.returncode == 0, ran.stderr
    found = {name: figure["value"] for name, figure in json.loads(ran.stdout).items()}
    assert [found[f"animals.{leg}"] for leg in ("lexical", "lexical_bm25s", "dense", "dense_exact", "fusion")] == [
        1
    ] * 5
    assert (found["animals.documents"], found["animals.queries"]) == (4, 2)
    assert "animals.published_fusion" not in found
    assert (found["zoo-qa.gold_in_answerable"], found["zoo-qa.unanswerable_refused"]) == (1, 1)
    assert found["zoo-qa.answers_cited_exactly"] == 1
    assert (found["long.gold_characters"], found["long.exact_spans"]) == (1, 1)
    assert found["files.gold_documents"] == found["files.gold_documents_by_bm25"] == 1


async def test_asking_part_by_part_finds_every_document_once_with_the_same_scores() -> None:
    async with running_server() as address, AsyncClient(address) as client:
        service = Service(client, "animals", "animals", part=3)
        await service.put_texts(TOPICS | {"empty": " "})
        asked = ["How long does a lion or an oak live?"]
        (whole,) = [sorted(scored(found)) for found in map(service.scored, await service.retrieve(asked))]
        (parts,) = [sorted(scored(found)) for found in await service.scores(asked)]
        assert [name for name, _, _ in parts] == sorted(TOPICS)
        assert parts == [(name, pytest.approx(lexical), pytest.approx(dense)) for name, lexical, dense in whole]
        await service.clear()
        assert await service.retrieve(asked) == [[]]


def scored(found: list[tuple[str, Score]]) -> list[tuple[str, float, float]]:
    return [(name, score.lexical, score.dense) for name, score in found]


async def test_a_refused_document_ends_the_measurement(tmp_path: Path) -> None:
    (tmp_path / "broken.pdf").write_bytes(b"no PDF")
    async with running_server() as address, AsyncClient(address) as client:
        with pytest.raises(PutError, match=r"broken\.pdf"):
            await Service(client, "files", "files").put_files({"broken.pdf": tmp_path / "broken.pdf"})


def test_a_folder_that_holds_no_set_is_an_error_that_says_so(tmp_path: Path) -> None:
    ran = run("--data", tmp_path)
    assert ran.returncode == 2
    assert "holds no set" in ran.stderr
    assert ran.stdout == ""


def test_a_name_that_no_set_has_is_an_error_that_lists_them(tmp_path: Path) -> None:
    ran = run("--data", beir(tmp_path / "animals"), "animal")
    assert ran.returncode == 2
    assert "no set is named animal; there are animals" in ran.stderr


def test_the_command_that_is_kept_names_no_folder_of_this_machine() -> None:
    words = parser().parse_args(["--data", "/home/somebody/animals", "--short", "--write", "animals-qa"])
    assert command(words) == "scripts/eval --short --data animals --write animals-qa"


def test_the_short_form_leaves_large_sets_out_and_asks_every_so_many_questions(tmp_path: Path) -> None:
    folder = filings(tmp_path / "files")
    (folder / "docs/long.txt").write_text("many words " * 100_000)
    words = parser().parse_args(["--data", str(beir(tmp_path / "animals")), "--data", str(folder)])
    assert [data.name for data in chosen(words)] == ["animals", "files"]
    words.short = True
    assert [data.name for data in chosen(words)] == ["animals"]
    asked = [Asked(str(number), (), number >= 900) for number in range(1000)]
    assert [sum(one.answerable is kind for one in few(asked)) for kind in (True, False)] == [100, 200]
    asked = asked[:10]
    assert [one.text for one in spread(asked, 3)] == ["0", "3", "6"]
    assert spread(asked, 10) == asked


def test_kinds_are_told_by_files_and_not_by_names(tmp_path: Path) -> None:
    both = questions(beir(tmp_path / "both"))
    assert [type(data) for data in find_sets(both)] == [Ranked, Answered]
    assert [type(data) for data in find_sets(spans(tmp_path / "xquad-en"))] == [Spanned]
    assert [type(data) for data in find_sets(filings(tmp_path / "cranfield"))] == [Filed]
    (tmp_path / "traffic").mkdir()
    assert len(find_sets(tmp_path)) == 4
    assert all(is_small(data) for data in find_sets(tmp_path))


def test_judgments_may_lie_where_beir_keeps_them(tmp_path: Path) -> None:
    folder = beir(tmp_path)
    (folder / "qrels").mkdir()
    (folder / "qrels.tsv").rename(folder / "qrels/test.tsv")
    (data,) = find_sets(folder)
    assert isinstance(data, Ranked)
    assert data.gains == {"1": {"doc/lion": 1}, "2": {"doc/whale": 2, "doc/oak": 0}}


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    folder = beir(tmp_path)
    (folder / "corpus.jsonl").write_text('{"_id": "1", "text": "a"}\nno json\n')
    with pytest.raises(DataError, match=r"corpus\.jsonl:2"):
        find_sets(folder)


def test_ndcg_has_linear_gains_and_ignores_what_was_not_judged() -> None:
    gains = {"a": 3, "b": 1, "c": 0}
    assert ndcg(["a", "b"], gains) == 1
    assert ndcg(["x", "b", "a"], gains) == pytest.approx((1 / math.log2(3) + 3 / 2) / (3 + 1 / math.log2(3)))
    assert ndcg([*"0123456789", "a"], gains) == 0


def test_a_document_is_as_good_as_its_best_passage() -> None:
    assert best([("a", 0.2), ("b", 0.5), ("a", 0.9), ("c", 0.5)]) == ["a", "b", "c"]


def test_min_max_gives_each_leg_half() -> None:
    scores = bm25_scores(["lion sleeps", "whale eats", "an oak"], ["sleeping lions"])
    assert scores[0].argmax() == 0
    assert scores[0][1:].tolist() == [0, 0]
    fused = min_max(scores[0], np.array([1, 5, 0], np.float32))
    assert fused.tolist() == pytest.approx([0.5 + 0.1, 0.5, 0])


def test_characters_returned_twice_use_up_the_budget_and_count_once() -> None:
    content = ("ä" * 4000 + "x" * 4000).encode()
    passage = Passage(document=Document(name="d"), span=Span(start=2, end=6002), text="ä" * 3000)
    passage.text = content[2:6002].decode()
    assert returned([passage, passage], "d", {"d": content}) == set(range(1, 3001))
    other = Passage(document=Document(name="e"), span=Span(start=0, end=4000), text="x" * 4000)
    assert returned([other, passage], "d", {"d": content}) == set(range(1, 1001))


def cited(text: str, quote: str, document: str) -> Answer:
    """An answer that cites the quote out of the document, which is its only passage, whole."""
    about, at = Document(id="1", name="d"), len(document[: document.index(quote)].encode())
    place = Span(start=at, end=at + len(quote.encode()))
    citation = Citation(
        number=1,
        answer_span=Span(start=0, end=len(quote.encode())),
        passage_span=place,
        quote=quote,
        passage=Passage(document=about, span=place),
    )
    return Answer(text=text, passages=[Passage(document=about, text=document)], citations=[citation])


def figures(*asked: tuple[Asked, Answer], document: str = "") -> dict[str, float]:
    return {one.name: one.value for one in judge("x", asked, {"d": document.encode()})}


def test_a_marker_is_no_answer_and_neither_is_a_part_of_a_word() -> None:
    assert not holds(Answer(text="It has many legs. [4]"), ["4"])
    assert not holds(Answer(text="In 1941 it did. [1]"), ["4", "94"])
    assert holds(Answer(text="It has 4\nlegs. [1]"), ["4 legs"])


def test_refusals_count_against_the_answerable_and_for_the_others() -> None:
    refused, told = Answer(text="No.", refusal=Refusal()), cited("A lion. [1]", "A lion.", "Ö! A lion.")
    yes, no = Asked("?", ("lion",), True), Asked("?", (), False)
    found = figures((yes, told), (yes, refused), (no, refused), (no, refused), (no, told), document="Ö! A lion.")
    assert (found["x.gold_in_answers"], found["x.gold_in_answerable"], found["x.false_refusals"]) == (1, 0.5, 0.5)
    assert found["x.unanswerable_refused"] == pytest.approx(2 / 3)
    assert found["x.words"] == 2


@pytest.mark.parametrize("part", ["quote", "passage_span", "answer_span", "passage", "number", "none"])
def test_a_citation_that_is_a_byte_off_is_found(part: str) -> None:
    document = "Ö! A lion."
    answer = cited("A lion. [1]", "A lion.", document)
    asked = Asked("?", ("lion",), True)
    assert figures((asked, answer), document=document)["x.answers_cited_exactly"] == 1
    citation = answer.citations[0]
    match part:
        case "quote":
            citation.quote = "A lion"
        case "passage_span":
            citation.passage_span.start -= 1
        case "answer_span":
            citation.answer_span.end -= 1
        case "passage":
            citation.passage.span.start += 1
        case "number":
            citation.number = 2
        case _:
            del answer.citations[:]
    assert figures((asked, answer), document=document)["x.answers_cited_exactly"] == 0


async def test_the_first_failure_ends_all_and_is_raised_by_itself() -> None:
    begun, never = list[int](), asyncio.Event()

    async def work(item: int) -> None:
        begun.append(item)
        if item == 2:
            raise ValueError("no")
        await never.wait()

    with pytest.raises(ValueError, match="no"):
        await in_order("test", work, range(100), at_once=3)
    assert begun == [0, 1, 2]
