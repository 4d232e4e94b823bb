"""Hybrid search: both legs in one statement, tenancy, conditions, plans and vanished passages."""

import numpy as np
import pytest
from google.protobuf.json_format import ParseDict

from ragents_client.v1.answer_pb2 import Condition
from ragents_server.errors import InvalidRequest, ModelMismatch
from ragents_server.index.search import Query, Scope, Search
from tests.index.places import DIMENSION, MODEL, Index, vector


def condition(**fields: object) -> Condition:
    return ParseDict(fields, Condition())


async def test_both_scores_are_filled_in_for_the_union_of_both_legs(index: Index) -> None:
    await index.put_whole("a", *[f"filler number {number}" for number in range(40)])
    await index.put_whole("b", "cats purr", "what else")
    query = Query(("cat",), vector("what else"), MODEL)
    found = await index.search.hybrid(Scope("ada", ("notes",)), query, depth=1)
    rows = {row.id: row.passage.text for row in await index.search.passages("ada", [hit.passage for hit in found.hits])}
    scored = {rows[hit.passage]: (hit.lexical, hit.dense) for hit in found.hits}
    assert set(scored) == {"cats purr", "what else"}
    assert scored["cats purr"][0] > 0
    assert scored["cats purr"][1] == pytest.approx(float(vector("cats purr") @ vector("what else")), abs=0.002)
    assert scored["what else"] == (0, pytest.approx(1, abs=0.002))


@pytest.mark.parametrize("exact_below", [0, 10_000])
async def test_both_plans_find_the_same_nearest_passages(index: Index, exact_below: int) -> None:
    texts = [f"text number {number}" for number in range(300)]
    await index.put_whole("a", *texts)
    await index.put_whole("a", *texts, collection="others")
    await index.put_whole("a", *texts, tenant="eve")
    search = Search(index.pool, exact_below=exact_below)
    question = vector("a question")
    nearest = sorted(range(300), key=lambda number: -float(vector(texts[number]) @ question))[:10]
    found = await search.hybrid(Scope("ada", ("notes",)), Query((), question, MODEL), depth=10)
    rows = await search.passages("ada", [hit.passage for hit in sorted(found.hits, key=lambda hit: -(hit.dense or 0))])
    overlap = {row.passage.text for row in rows} & {texts[number] for number in nearest}
    assert len(overlap) >= (10 if exact_below else 9)
    assert all(row.passage.document.collection == "notes" for row in rows)


async def test_the_plan_for_many_passages_walks_the_index_of_vectors(index: Index) -> None:
    await index.put_whole("a", "cats purr")
    await index.pool.execute(
        "INSERT INTO passage_vectors SELECT passage, generation + n, document, embedding FROM passage_vectors, "
        "generate_series(1000, 6000) AS n"
    )
    await index.pool.execute("ANALYZE passage_vectors")
    sql = (
        "EXPLAIN SELECT passage FROM passage_vectors v WHERE vector_dims(v.embedding) = 8 AND v.generation > 1000 "
        "ORDER BY v.embedding::halfvec(8) <#> (SELECT embedding::halfvec(8) FROM passage_vectors LIMIT 1) LIMIT 10"
    )
    plan = "\n".join(row[0] for row in await index.pool.fetch(sql))
    assert "passage_vectors_hnsw_8" in plan


@pytest.mark.parametrize("exact_below", [0, 10_000])
async def test_a_passage_without_a_vector_is_found_by_its_words(index: Index, exact_below: int) -> None:
    await index.put_whole("a", "dogs bark")
    await index.put("b", "cats purr")
    search = Search(index.pool, exact_below=exact_below)
    found = await search.hybrid(Scope("ada", ("notes",)), Query(("cat",), vector("dogs bark"), MODEL))
    assert sorted((hit.lexical > 0, hit.dense is None) for hit in found.hits) == [(False, False), (True, True)]


async def test_nothing_of_another_tenant_or_collection_is_found(index: Index) -> None:
    await index.put_whole("mine", "cats purr")
    await index.put_whole("others", "cats purr", collection="letters")
    await index.put_whole("foreign", "cats purr", tenant="eve")
    assert await index.names("cats purr") == {"mine"}
    assert await index.names("cats purr", "notes", "letters") == {"mine", "others"}
    assert await index.names("cats purr", "absent") == set()
    ids = [hit.passage for hit in (await index.ask("cats", tenant="eve")).hits]
    assert len(ids) == 1
    assert await index.search.passages("ada", ids) == []


async def test_passages_come_in_the_order_asked_without_those_that_vanished(index: Index) -> None:
    stored = await index.put_whole("a", "cats purr", "dogs bark", lang="en")
    first, second = stored.passages
    rows = await index.search.passages("ada", [second, 10**9, first])
    assert [row.id for row in rows] == [second, first]
    passage = rows[1].passage
    assert (passage.text, passage.version, passage.span.end, passage.first_line) == (
        "cats purr",
        stored.document.version,
        9,
        1,
    )
    assert passage.document.metadata["lang"] == "en"
    assert (passage.document.id, passage.document.media_type) == (stored.document.id, "text/plain")
    assert rows[1].sentences == ((0, 9),)
    assert rows[1].sentence_vectors is not None
    assert rows[1].vector is not None
    assert rows[1].sentence_vectors.shape == (1, DIMENSION)
    assert rows[1].sentence_vectors[0] @ vector("cats purr") > 0.999
    assert rows[1].vector @ vector("cats purr") > 0.999


async def test_a_question_by_another_model_is_refused(index: Index) -> None:
    await index.put_whole("a", "cats purr")
    for query in (Query(("cat",), vector("x"), "another"), Query(("cat",), vector("x", 4), MODEL)):
        with pytest.raises(ModelMismatch):
            await index.search.hybrid(Scope("ada", ("notes",)), query)
    assert len((await index.search.hybrid(Scope("ada", ("notes",)), Query(("cat",)))).hits) == 1


CONDITIONS = [
    (condition(field="year", equals=2020), {"a"}),
    (condition(field="year", equals="2020"), {"text"}),
    (condition(field="open", equals=True), {"a"}),
    (condition(field="year", anyOf={"values": [2020, 2021, "x"]}), {"a", "b"}),
    (condition(field="year", range={"atLeast": 2020.5}), {"b", "ten"}),
    (condition(field="year", range={"atLeast": 9, "atMost": 2020}), {"a"}),
    (condition(field="year", range={"atLeast": "1"}), {"text"}),
    (condition(field="day", range={"atLeast": "2020-05-01", "atMost": "2020-12-31"}), {"b"}),
    (condition(field="day", range={"atLeast": "Z"}), {"ten"}),
    (condition(field="year", exists=True), {"a", "b", "ten", "text", "null"}),
    (condition(field="year", exists=False), {"bare"}),
    (condition(field="name", equals="a"), {"a"}),
    (condition(field="name", range={"atLeast": "b", "atMost": "baa"}), {"b"}),
    (condition(field="media_type", equals="text/plain"), {"a", "b", "ten", "text", "null", "bare"}),
    (condition(field="media_type", exists=False), set()),
    (condition(field="year'); DROP TABLE documents; --", equals="x' OR true --"), set()),
    (condition(field="%s$1{}", exists=False), {"a", "b", "ten", "text", "null", "bare"}),
]


async def test_conditions_choose_documents_in_both_legs_and_both_plans(index: Index) -> None:
    await index.put_whole("a", "cats purr", year=2020, open=True, day="2020-04-30")
    await index.put_whole("b", "cats purr", year=2021, open=False, day="2020-05-01")
    await index.put_whole("ten", "cats purr", year=10_000, day="a")  # in byte order after all capital letters
    await index.put_whole("text", "cats purr", year="2020")
    await index.put_whole("null", "cats purr", year=None)
    await index.put_whole("bare", "cats purr")
    for test, expected in CONDITIONS:
        assert await index.names("cats purr", conditions=[test]) == expected, test
        for exact_below in (0, 1, 3):
            search = Search(index.pool, exact_below=exact_below)
            for query in (Query(("cat",)), Query((), vector("cats purr"), MODEL)):
                found = await search.hybrid(Scope("ada", ("notes",), (test,)), query)
                assert len(found.hits) == len(expected), (test, exact_below)


async def test_all_conditions_must_hold(index: Index) -> None:
    await index.put_whole("a", "cats purr", year=2020, lang="en")
    await index.put_whole("b", "cats purr", year=2020, lang="de")
    both = [condition(field="year", equals=2020), condition(field="lang", equals="de")]
    assert await index.names("cats purr", conditions=both) == {"b"}


@pytest.mark.parametrize(
    "wrong",
    [
        condition(field="year"),
        condition(field="year", range={}),
        condition(field="year", range={"atLeast": True}),
        condition(field="year", equals=None),
        condition(field="year", equals={"a": 1}),
        condition(field="year", equals="a\0b"),
        Condition(field="year", equals={"number_value": float("nan")}),
    ],
)
async def test_a_condition_that_cannot_be_compared_is_refused(index: Index, wrong: Condition) -> None:
    await index.put("a", "cats purr")
    with pytest.raises(InvalidRequest):
        await index.ask("cats", conditions=[wrong])


async def test_a_deep_search_returns_as_many_of_each_leg(index: Index) -> None:
    await index.put_whole("a", *[f"cats purr {number}" for number in range(120)])
    found = await index.search.hybrid(Scope("ada", ("notes",)), Query(("cat",), vector("x"), MODEL), depth=100)
    assert 100 <= len(found.hits) <= 120
    assert list(found.hits) == sorted(found.hits, key=lambda hit: hit.passage)
    assert np.isfinite([hit.dense for hit in found.hits]).all()
