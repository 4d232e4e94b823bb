"""Reindex: another model's vectors beside the old ones, one switch, and searches and puts that never notice."""

import asyncio
from collections.abc import Sequence

import pytest

from ragents_client.v1.document_pb2 import DOCUMENT_STATE_READY
from ragents_server.errors import ModelMismatch
from ragents_server.index.documents import Documents
from ragents_server.index.reindex import Reindex
from ragents_server.index.search import Found, Query, Scope
from ragents_server.index.vectors import PassageEmbedding, Unembedded, Vectors
from tests.index.places import DIMENSION, MODEL, Index, assert_statistics_are_exact, chunks, document, vector

NEW_MODEL, NEW_DIMENSION = "hashing-12", 12


def reindex_of(index: Index, model: str = NEW_MODEL, dimension: int = NEW_DIMENSION) -> Reindex:
    return Reindex(index.pool, "ada", "notes", embedding_model=model, dimension=dimension)


def embedded(batch: Sequence[Unembedded], dimension: int = NEW_DIMENSION) -> list[PassageEmbedding]:
    return [
        PassageEmbedding(one.passage, vector(one.text, dimension), vector(one.text, dimension)[None]) for one in batch
    ]


async def run(reindex: Reindex) -> int:
    generation = await reindex.begin()
    assert generation is not None
    return await finish(reindex, generation)


async def finish(reindex: Reindex, generation: int) -> int:
    while not await reindex.switch(generation):
        while batch := await reindex.next_batch(generation, 7):
            assert await reindex.add(generation, embedded(batch))
    await reindex.drop_stale()
    return generation


async def ask(index: Index, text: str, model: str) -> Found:
    made = vector(text, DIMENSION if model == MODEL else NEW_DIMENSION)
    return await index.search.hybrid(Scope("ada", ("notes",)), Query((), made, model))


async def test_after_the_switch_only_the_new_model_is_searched(index: Index) -> None:
    for number in range(10):
        await index.put_whole(f"d{number}", f"text {number}", f"more {number}")
    before = await index.epoch()
    await run(reindex_of(index))
    with pytest.raises(ModelMismatch):
        await ask(index, "text 3", MODEL)
    found = await ask(index, "text 3", NEW_MODEL)
    assert len(found.hits) == 20
    assert max(hit.dense or 0 for hit in found.hits) == pytest.approx(1, abs=0.002)
    collection = await index.collections.get("ada", "notes")
    assert collection is not None
    assert (collection.embedding_model, collection.dimension) == (NEW_MODEL, NEW_DIMENSION)
    assert await index.epoch() != before
    assert await index.pool.fetchval("SELECT count(*) FROM passage_vectors") == 20
    assert await index.pool.fetchval("SELECT count(*) FROM sentence_vectors") == 20


async def test_searches_during_a_reindex_never_fail_and_never_mix(index: Index) -> None:
    texts = [f"text {number}" for number in range(60)]
    await index.put_whole("d", *texts)
    reindexing = asyncio.create_task(run(reindex_of(index)))
    asked = {MODEL: 0, NEW_MODEL: 0}
    model = MODEL
    while asked[NEW_MODEL] < 20:
        try:
            found = await ask(index, "text 7", model)
        except ModelMismatch:
            assert model == MODEL
            model = NEW_MODEL
            continue
        asked[model] += 1
        best = max(found.hits, key=lambda hit: hit.dense or 0)
        assert best.dense == pytest.approx(1, abs=0.002)
        assert len(found.hits) == 50
        assert all(hit.dense is not None for hit in found.hits)
    await reindexing
    assert asked[MODEL] > 0


async def test_what_is_put_replaced_and_deleted_during_a_reindex_is_not_missed(index: Index) -> None:
    for number in range(30):
        await index.put_whole(f"d{number}", f"text {number}")
    reindex = reindex_of(index)
    generation = await reindex.begin()
    assert generation is not None
    batch = await reindex.next_batch(generation, 10)
    names = [f"d{number}" for number in range(30)]
    for name in names[:5]:
        await index.put_whole(name, f"replaced {name}")
    for name in names[5:10]:
        found, _ = await index.documents.list("ada", "notes", prefix=name, page_size=1)
        await index.documents.delete("ada", found[0].id)
    late = await index.put("late", "words only")
    assert await reindex.add(generation, embedded(batch))
    assert not await reindex.switch(generation)
    while batch := await reindex.next_batch(generation, 10):
        await reindex.add(generation, embedded(batch))
    assert await reindex.switch(generation)
    await reindex.drop_stale()
    found = await ask(index, "words only", NEW_MODEL)
    assert len(found.hits) == 26
    assert all(hit.dense is not None for hit in found.hits)
    assert not await index.embed(late, ["words only"])
    ready, _ = await index.documents.list("ada", "notes", page_size=50)
    assert {one.state for one in ready} == {DOCUMENT_STATE_READY}
    await assert_statistics_are_exact(index)


async def test_passages_left_at_the_switch_are_claimed_for_the_new_model(index: Index) -> None:
    await index.put_whole("a", "cats purr")
    reindex = reindex_of(index)
    generation = await reindex.begin()
    assert generation is not None
    assert not await reindex.switch(generation)
    assert await reindex.switch(generation, leave=1)
    new = Vectors(index.pool, embedding_model=NEW_MODEL, dimension=NEW_DIMENSION)
    [claim] = await new.claim(5)
    assert claim.generation == generation
    assert await new.add(claim.document_id, generation, embedded(claim.passages))
    assert (await ask(index, "cats purr", NEW_MODEL)).hits[0].dense == pytest.approx(1, abs=0.002)


async def test_a_reindex_begun_again_goes_on_where_it_was(index: Index) -> None:
    await index.put_whole("a", *[f"text {number}" for number in range(10)])
    reindex = reindex_of(index)
    generation = await reindex.begin()
    assert generation is not None
    await reindex.add(generation, embedded(await reindex.next_batch(generation, 6)))
    again = reindex_of(index)
    assert await again.begin() == generation
    assert len(await again.next_batch(generation, 100)) == 4
    assert await run(again) == generation


async def test_another_model_s_unfinished_reindex_is_dropped(index: Index) -> None:
    await index.put_whole("a", "cats purr")
    first = reindex_of(index)
    generation = await first.begin()
    assert generation is not None
    await first.add(generation, embedded(await first.next_batch(generation, 5)))
    await run(reindex_of(index, "hashing-12b"))
    assert not await first.add(generation, [])
    assert not await first.switch(generation)
    assert await index.pool.fetchval("SELECT count(*) FROM passage_vectors") == 1


async def test_two_processes_at_one_reindex_do_not_collide(index: Index) -> None:
    await index.put_whole("a", *[f"text {number}" for number in range(40)])
    processes = [reindex_of(index) for _ in range(3)]
    [generation] = {await process.begin() for process in processes}
    assert generation is not None
    await asyncio.gather(*(finish(process, generation) for process in processes))
    assert await index.pool.fetchval("SELECT count(*) FROM passage_vectors") == 40


async def test_puts_under_way_during_the_switch_are_whole(index: Index) -> None:
    await index.put_whole("a", *[f"text {number}" for number in range(20)])
    new = Documents(index.pool, embedding_model=NEW_MODEL, dimension=NEW_DIMENSION)
    refused = 0

    async def put(number: int) -> None:
        nonlocal refused
        texts = [f"late {number}"]
        try:
            stored = await index.put(f"d{number}", *texts)
            await index.embed(stored, texts)
        except ModelMismatch:
            refused += 1
            await new.put("ada", document(f"d{number}", texts), chunks(texts))

    await asyncio.gather(run(reindex_of(index)), *(put(number) for number in range(30)))
    await index.pool.execute("UPDATE documents SET leased_until = now() - interval '1 second'")
    vectors = Vectors(index.pool, embedding_model=NEW_MODEL, dimension=NEW_DIMENSION)
    for claim in await vectors.claim(100):
        assert await vectors.add(claim.document_id, claim.generation, embedded(claim.passages))
    found = await index.search.hybrid(
        Scope("ada", ("notes",)), Query((), vector("x", NEW_DIMENSION), NEW_MODEL), depth=100
    )
    assert len(found.hits) == 50
    await assert_statistics_are_exact(index)


async def test_a_collection_that_is_not_there_cannot_be_reindexed(index: Index) -> None:
    reindex = reindex_of(index)
    assert await reindex.begin() is None
    assert not await reindex.switch(1)
    assert await reindex.next_batch(1, 5) == []
