"""The lexical leg against bm25s, the chores that keep it right, and statistics that no writer waits for."""

import random

import bm25s
import numpy as np
import pytest

from ragents_server.index import chores
from ragents_server.index.chores import chores_due, do_chores
from ragents_server.index.lexical import KEYS, Keys, reweighed, weights
from ragents_server.index.put import document_id
from ragents_server.index.search import Query, Scope
from tests.index.places import Index, assert_statistics_are_exact


def texts(number: int, words: int = 400, length: tuple[int, int] = (5, 60)) -> list[str]:
    """Texts whose words are as unevenly frequent as in a language."""
    dice = random.Random(number)
    vocabulary = [f"word{rank}x" for rank in range(words)]
    frequencies = [1 / (rank + 3) for rank in range(words)]
    return [" ".join(dice.choices(vocabulary, frequencies, k=dice.randint(*length))) for _ in range(number)]


async def scores(index: Index, question: list[str], *collections: str, depth: int = 10) -> dict[str, float]:
    """BM25 by passage text, best first."""
    found = await index.search.hybrid(Scope("ada", collections or ("notes",)), Query(tuple(question)), depth=depth)
    rows = {row.id: row.passage.text for row in await index.search.passages("ada", [hit.passage for hit in found.hits])}
    ranked = sorted(found.hits, key=lambda hit: (-hit.lexical, hit.passage))
    return {rows[hit.passage]: hit.lexical for hit in ranked}


def reference(corpus: list[str], question: list[str]) -> list[float]:
    """bm25s' score of each text."""
    model = bm25s.BM25(k1=1.5, b=0.75)
    model.index([text.split() for text in corpus], show_progress=False)
    found: list[float] = model.get_scores(question).tolist()
    return found


async def fitted(index: Index, monkeypatch: pytest.MonkeyPatch, collection: str = "notes") -> None:
    """Move the pivot to the very mean, so that scores can be compared digit by digit."""
    monkeypatch.setattr(chores, "DRIFT", 1.0)
    async with index.pool.acquire() as connection:
        await do_chores(connection, "ada", collection)


async def test_scores_and_ranking_are_those_of_bm25s(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = texts(200)
    for start in range(0, 200, 20):
        await index.put(f"d{start}", *corpus[start : start + 20])
    await fitted(index, monkeypatch)
    for question in (["word3x", "word90x"], ["word0x", "word1x", "word350x", "word0x"], ["word7x", "absent"]):
        expected = dict(zip(corpus, reference(corpus, question), strict=True))
        found = await scores(index, question)
        assert list(found.values()) == pytest.approx(sorted(expected.values(), reverse=True)[:10], rel=1e-5)
        assert found == pytest.approx({text: expected[text] for text in found}, rel=1e-5)


async def test_statistics_are_summed_over_the_collections_that_are_asked(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = texts(60, length=(20, 20))  # of one length, since each collection has a pivot of its own
    await index.put("a", *corpus[:40], collection="notes")
    await index.put("b", *corpus[40:], collection="letters")
    await index.put("c", *texts(30), tenant="eve", collection="notes")
    question = ["word3x", "word90x", "word20x"]
    expected = dict(zip(corpus, reference(corpus, question), strict=True))
    found = await scores(index, question, "notes", "letters")
    assert list(found.values()) == pytest.approx(sorted(expected.values(), reverse=True)[:10], rel=1e-5)


async def test_the_bound_counts_unknown_words_at_maximal_idf(index: Index) -> None:
    await index.put("a", "cats purr", "dogs bark", "cats sleep")
    found = await index.search.hybrid(Scope("ada", ("notes",)), Query(("cat", "absent", "cat")))
    assert found.idf == pytest.approx({"cat": np.log(1 + 1.5 / 2.5), "absent": np.log(1 + 3.5 / 0.5)})
    assert found.bound == pytest.approx(2 * found.idf["cat"] + found.idf["absent"])
    assert len(found.hits) == 2


async def test_only_the_rarest_words_choose_candidates_when_there_would_be_too_many(index: Index) -> None:
    await index.put("a", *[f"common rare{number}" for number in range(30)])
    narrow = type(index.search)(index.pool, candidates=5)
    found = await narrow.hybrid(Scope("ada", ("notes",)), Query(("common", "rare7")))
    assert len(found.hits) == 1
    found = await narrow.hybrid(Scope("ada", ("notes",)), Query(("common",)), depth=50)
    assert len(found.hits) == 30


async def test_a_question_of_no_or_unknown_words_finds_nothing_by_words(index: Index) -> None:
    await index.put("a", "cats purr")
    for terms in ((), ("absent",)):
        found = await index.search.hybrid(Scope("ada", ("notes",)), Query(terms))
        assert found.hits == ()


async def test_a_pivot_that_is_far_off_is_fitted_and_the_weights_with_it(index: Index) -> None:
    await index.put("first", "short text")
    corpus = texts(30, length=(50, 60))
    await index.put("second", *corpus)
    pivot, mean = await index.pool.fetchrow("SELECT pivot, terms::float8 / passages FROM collections")
    assert pivot == pytest.approx(mean)
    keys = Keys("ada", "notes")
    rows = await index.pool.fetch(
        "SELECT text, weights FROM passage_terms JOIN passages ON id = passage ORDER BY passage"
    )
    for row in rows:
        fresh = weights(keys.analyze([row["text"]])[0], pivot)
        assert row["weights"].indices() == fresh.indices()
        assert row["weights"].values() == pytest.approx(fresh.values(), rel=1e-6)
    await assert_statistics_are_exact(index)


async def test_folding_leaves_the_sums_and_few_rows(index: Index) -> None:
    for number in range(5):
        await index.put(f"d{number}", "cats purr", f"dogs bark {number}")
    async with index.pool.acquire() as connection:
        await do_chores(connection, "ada", "notes")
    assert await index.pool.fetchval("SELECT count(*) FROM term_changes") == 0
    await assert_statistics_are_exact(index)
    await index.put("d0", "something else")
    await assert_statistics_are_exact(index)


async def test_chores_are_due_often_in_a_young_collection_and_then_regularly() -> None:
    due = [number for number in range(1, 300) if chores_due((5 << 32) + number)]
    assert due == [1, 2, 4, 8, 16, 32, 64, 128, 192, 256]


async def test_a_text_with_more_words_than_a_vector_can_hold_is_indexed_by_its_most_frequent(index: Index) -> None:
    text = " ".join(f"word{number}" for number in range(17_000)) + " often often"
    await index.put("huge", text)
    found = await index.search.hybrid(Scope("ada", ("notes",)), Query(("often",)))
    assert len(found.hits) == 1


async def test_keys_differ_between_tenants_collections_and_terms() -> None:
    keys = [Keys(*place).key(term) for place in (("a", "bc"), ("ab", "c"), ("a", "b")) for term in ("x", "y")]
    assert len(set(keys)) == 6
    assert all(1 <= key <= KEYS for key in keys)


async def test_weights_survive_the_way_to_another_pivot_and_back() -> None:
    passage = Keys("a", "b").analyze(["cats cats cats purr " * 30 + "dogs bark"])[0]
    before = weights(passage, 80.0)
    after = reweighed(reweighed(before, passage.length, 80.0, 13.0), passage.length, 13.0, 80.0)
    assert after.indices() == before.indices()
    assert after.values() == pytest.approx(before.values(), rel=1e-6)


async def test_reweighing_goes_on_page_by_page_while_documents_come_in(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "PAGE", 7)
    monkeypatch.setattr(chores, "PAGES_AT_ONCE", 1)
    await index.put("first", *["short text"] * 20)
    await index.put("second", *texts(30, length=(50, 60)))
    left = "SELECT count(*) FROM passage_terms t JOIN collections c ON c.id = t.collection WHERE t.pivot <> c.pivot"
    assert await index.pool.fetchval(left) == 43
    await index.put("third", "short text")
    await index.documents.delete("ada", document_id("ada", "notes", "second"))
    counts = []
    async with index.pool.acquire() as connection:
        while await connection.fetchval("SELECT reweighing FROM collections"):
            await do_chores(connection, "ada", "notes")
            counts.append(await connection.fetchval(left))
    assert counts[-1] == 0
    assert len(counts) > 2
    assert (
        len({tuple(row["weights"].values()) for row in await index.pool.fetch("SELECT weights FROM passage_terms")})
        == 1
    )
    await assert_statistics_are_exact(index)
