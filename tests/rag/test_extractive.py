"""The choice of sentences that answer a question, with the real model's vectors."""

import json
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from ragents_server.index.terms import terms
from ragents_server.ingest.sentences import sentences
from ragents_server.models.minilm import MiniLM
from ragents_server.rag.extractive import THRESHOLD, Candidate, Extraction, extract

XQUAD = Path(__file__).resolve().parents[3] / "shared" / "data" / "xquad-en"

README = """# RAGents

RAGents answers questions from your own documents over gRPC. It keeps them in PostgreSQL.

## What is RAGents?

Every answer cites the sentences it was made from.

## Settings

| setting | default |
| RAGENTS_PORT | 50051 |

```
pip install ragents-grpc
```
"""
HARBOUR = "The harbour froze in January 1838. Ships waited outside for weeks. Bread became expensive in the city."
BREAD = "Bakers sold rye bread. Who would pay for wheat? A loaf cost 9."
INDEX = (README, HARBOUR, BREAD)


class Asking:
    """Asks texts as the writer does: each text one candidate, statistics over all of them."""

    def __init__(self, model: MiniLM) -> None:
        self.model = model

    async def __call__(self, question: str, *texts: str, headings: Sequence[str] = (), **limits: float) -> Extraction:
        [vector] = await self.model.embed_queries([question])
        candidates = await self.candidates(texts, headings)
        return extract(question, vector, candidates, weights(question), **limits)  # type: ignore[arg-type]

    async def candidates(self, texts: Sequence[str], headings: Sequence[str] = ()) -> list[Candidate]:
        spans = [sentences(text) for text in texts]
        passages = await self.model.embed_passages(texts, spans)
        return [
            Candidate(number, text, span, vectors.sentences, headings[number] if headings else "")
            for number, (text, span, vectors) in enumerate(zip(texts, spans, passages, strict=True))
        ]


def weights(question: str) -> Mapping[str, float]:
    seen = [frozenset(terms(text)) for text in INDEX]
    found = {term: sum(term in each for each in seen) for term in terms(question)}
    return {term: math.log(1 + (len(INDEX) - df + 0.5) / (df + 0.5)) for term, df in found.items()}


def quotes(extraction: Extraction, *texts: str) -> list[str]:
    return [texts[chosen.passage][chosen.start : chosen.end] for chosen in extraction.selected]


@pytest.fixture
async def ask() -> AsyncIterator[Asking]:
    async with MiniLM.open(threads=1) as model:
        yield Asking(model)


async def test_the_sentence_that_answers_is_chosen(ask: Asking) -> None:
    extraction = await ask("When did the harbour freeze?", HARBOUR, BREAD, README)
    assert extraction.answered
    assert quotes(extraction, HARBOUR, BREAD, README)[0] == "The harbour froze in January 1838."
    assert extraction.closest is not None
    assert extraction.score == extraction.closest.score >= THRESHOLD


async def test_what_something_is_comes_from_its_definition_not_from_its_title(ask: Asking) -> None:
    extraction = await ask("What is RAGents?", README, HARBOUR)
    assert extraction.answered
    assert quotes(extraction, README)[0] == "RAGents answers questions from your own documents over gRPC."


async def test_an_unrelated_question_is_refused_and_the_closest_sentence_named(ask: Asking) -> None:
    extraction = await ask("Which enzyme breaks down lactose?", HARBOUR, BREAD)
    assert (extraction.answered, extraction.selected) == (False, ())
    assert extraction.closest is not None
    assert extraction.score < THRESHOLD


async def test_one_word_in_common_is_no_answer(ask: Asking) -> None:
    extraction = await ask("How many ships did the Spanish armada lose to storms off Ireland?", HARBOUR)
    assert not extraction.answered


async def test_nothing_retrieved_is_refused(ask: Asking) -> None:
    assert await ask("When did the harbour freeze?") == Extraction((), 0.0, False, None)


async def test_a_question_of_stop_words_is_judged_by_meaning_alone(ask: Asking) -> None:
    extraction = await ask("What is it?", HARBOUR)
    assert not extraction.answered
    assert (await ask("To be or not to be", "To be or not to be, that is his question.")).answered


async def test_an_empty_question_is_refused(ask: Asking) -> None:
    assert not (await ask("", HARBOUR)).answered


async def test_questions_and_headings_never_answer(ask: Asking) -> None:
    assert (await ask("Who would pay for wheat?", "Who would pay for wheat and rye?")).closest is None
    assert (await ask("Who would pay for wheat?", "Pay for wheat")).closest is None
    assert (await ask("How do I install it on Debian?", "# How to install it on Debian 12")).closest is None
    title = "Freezing of the harbour in winter"
    text = f"{title}\n\nIt froze in January 1838."
    extraction = await ask("When did the harbour freeze?", text, headings=[f"History > {title}"])
    assert quotes(extraction, text) == ["It froze in January 1838."]


async def test_a_heading_above_says_what_a_sentence_is_about(ask: Asking) -> None:
    text = "It froze in January 1838."
    bare = await ask("When did the harbour freeze?", text)
    headed = await ask("When did the harbour freeze?", text, headings=["The harbour"])
    assert headed.score > bare.score


async def test_rows_of_tables_and_lines_of_code_can_answer(ask: Asking) -> None:
    row = await ask("What is the default of RAGENTS_PORT?", README)
    assert "50051" in "".join(quotes(row, README))
    line = await ask("How do I install RAGents?", README)
    assert "pip install ragents-grpc" in "".join(quotes(line, README))


async def test_yes_or_no_is_answered_by_a_sentence_that_only_repeats_the_question(ask: Asking) -> None:
    rules = "Dogs are welcome on the pier. The pier is closed in winter."
    assert quotes(await ask("Are dogs welcome on the pier?", rules), rules)[0] == "Dogs are welcome on the pier."
    assert not (await ask("What is welcome on the pier of dogs?", "Dogs, welcome, pier.")).answered


async def test_a_single_digit_is_an_answer(ask: Asking) -> None:
    text = "A loaf cost 9."
    assert quotes(await ask("How much did a loaf cost?", text), text) == [text]


async def test_overlapping_passages_do_not_say_a_sentence_twice(ask: Asking) -> None:
    overlapping = "The harbour  froze in January 1838. Nobody had seen that before."
    extraction = await ask("When did the harbour freeze?", HARBOUR, overlapping)
    texts = [" ".join(quote.split()) for quote in quotes(extraction, HARBOUR, overlapping)]
    assert texts.count("The harbour froze in January 1838.") == 1


async def test_sentences_of_one_passage_stand_in_reading_order(ask: Asking) -> None:
    text = (
        "Ships left the frozen harbour in March 1838. Rain fell. The harbour froze in January 1838, before the ships."
    )
    extraction = await ask("When did the harbour freeze in 1838?", text)
    assert quotes(extraction, text)[0].startswith("Ships")
    assert quotes(extraction, text)[1].startswith("The harbour froze")
    assert extraction.selected[1] == extraction.closest


async def test_the_limits_hold(ask: Asking) -> None:
    question = "When did the harbour freeze in 1838?"
    text = "The harbour froze in January 1838. The frozen harbour opened in March 1838, when it no longer froze."
    assert len((await ask(question, text)).selected) == 2
    assert len((await ask(question, text, max_sentences=1)).selected) == 1
    assert len((await ask(question, text, max_words=8)).selected) == 1
    assert len((await ask(question, text, max_words=1)).selected) == 1  # the best one is never cut
    assert not (await ask(question, text, threshold=3.0)).answered


def test_as_many_vectors_as_sentences_are_needed() -> None:
    unit = np.eye(1, 384, dtype=np.float32)
    with pytest.raises(ValueError):
        extract("When?", unit[0], [Candidate(0, "It froze. It thawed.", [(0, 9), (10, 20)], unit)], {})


def test_terms_without_statistics_count_as_never_seen() -> None:
    unit = np.zeros((1, 384), np.float32)
    candidate = Candidate(0, "A zeppelin of aluminium", [(0, 23)], unit)
    given = extract("zeppelin airport", unit[0], [candidate], {"zeppelin": 2.0, "airport": 5.0})
    assumed = extract("zeppelin airport", unit[0], [candidate], {"zeppelin": 2.0})
    assert given.score < assumed.score == pytest.approx(0.5 * 2 / 7)


def test_words_that_only_ask_need_no_cover() -> None:
    unit = np.zeros((1, 384), np.float32)
    candidate = Candidate(0, "A zeppelin of aluminium", [(0, 23)], unit)
    short, polite = (extract(q, unit[0], [candidate], {}) for q in ("zeppelin", "How would you describe a zeppelin?"))
    assert polite.score == short.score == pytest.approx(1 / 6)


@pytest.mark.skipif(not XQUAD.is_dir(), reason="the evaluation data is not there")
async def test_a_sample_of_questions_is_answered_and_what_no_passage_holds_refused(ask: Asking) -> None:
    rows = [json.loads(line) for line in (XQUAD / "qa.jsonl").read_text().splitlines()][::20]
    corpus = {row["_id"]: row["text"] for row in map(json.loads, (XQUAD / "corpus.jsonl").read_text().splitlines())}
    texts = [corpus[row["gold_docs"][0]] for row in rows]
    candidates = await ask.candidates(texts)
    vectors = await ask.model.embed_queries([row["question"] for row in rows])
    hits = refused = 0
    for number, (row, vector) in enumerate(zip(rows, vectors, strict=True)):
        found = extract(row["question"], vector, [candidates[number]], weights(row["question"]))
        hits += any(answer in quote for quote in quotes(found, *texts) for answer in row["answers"])
        wrong = candidates[number - len(rows) // 2]
        refused += not extract(row["question"], vector, [wrong], weights(row["question"])).answered
    assert hits >= 0.8 * len(rows)
    assert refused >= 0.93 * len(rows)
