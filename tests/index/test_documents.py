"""Documents: put, put again, replace, list and delete, also many at once, with statistics that stay exact."""

import asyncio
import random

import pytest

from ragents_client.v1.document_pb2 import (
    DOCUMENT_STATE_READY,
    DOCUMENT_STATE_SEARCHABLE,
    PUT_OUTCOME_CREATED,
    PUT_OUTCOME_UNCHANGED,
    PUT_OUTCOME_UPDATED,
)
from ragents_server.errors import InvalidRequest, ModelMismatch
from ragents_server.index.documents import Documents
from ragents_server.index.put import document_id
from tests.index.places import DIMENSION, MODEL, Index, assert_statistics_are_exact, chunks, document


async def epoch(index: Index, collection: str = "notes") -> bytes:
    return await index.epoch(collection)


async def test_a_put_document_is_read_back_as_it_was_put(index: Index) -> None:
    stored = await index.put("a/b.txt", "Cats purr.", "Dogs bark.", year=2021, tags=["x", {"deep": None}], ok=True)
    assert stored.outcome == PUT_OUTCOME_CREATED
    assert len(stored.passages) == 2
    found = await index.documents.get("ada", stored.document.id)
    assert found == stored.document
    assert found is not None
    assert found.id == document_id("ada", "notes", "a/b.txt")
    assert (found.name, found.collection, found.passages, found.size) == ("a/b.txt", "notes", 2, 20)
    assert found.state == DOCUMENT_STATE_SEARCHABLE
    assert dict(found.metadata) == dict(
        document("", (), metadata={"year": 2021, "tags": ["x", {"deep": None}], "ok": True}).metadata
    )


async def test_an_identity_depends_on_each_of_its_parts_and_on_their_borders() -> None:
    parts = [("ab", "c", "d"), ("a", "bc", "d"), ("a", "b", "cd"), ("ab", "c", "d ")]
    assert len({document_id(*three) for three in parts}) == 4


async def test_the_same_version_is_not_stored_again(index: Index) -> None:
    first = await index.put("a", "Cats purr.", year=2021)
    before = await epoch(index)
    again = await index.put("a", "Cats purr.", year=2021)
    assert (again.outcome, again.passages) == (PUT_OUTCOME_UNCHANGED, ())
    assert again.document == first.document
    assert await epoch(index) == before


async def test_other_metadata_of_the_same_version_leaves_the_passages_alone(index: Index) -> None:
    first = await index.put_whole("a", "Cats purr.", year=2021)
    before = await epoch(index)
    again = await index.put("a", "Cats purr.", year=2022)
    assert (again.outcome, again.passages) == (PUT_OUTCOME_UPDATED, ())
    assert again.document.metadata["year"] == 2022
    assert again.document.state == DOCUMENT_STATE_READY
    assert again.document.create_time == first.document.create_time
    assert await epoch(index) != before


async def test_another_version_replaces_all_passages(index: Index) -> None:
    await index.put_whole("a", "Cats purr.", "Cats sleep.")
    again = await index.put("a", "Dogs bark.")
    assert again.outcome == PUT_OUTCOME_UPDATED
    assert again.document.state == DOCUMENT_STATE_SEARCHABLE
    assert again.document.passages == 1
    found = await index.ask("cats dogs")
    assert [hit.passage for hit in found.hits] == list(again.passages)
    assert await index.pool.fetchval("SELECT count(*) FROM passage_vectors") == 0
    await assert_statistics_are_exact(index)


async def test_a_document_put_many_times_at_once_is_stored_once(index: Index) -> None:
    stored = await asyncio.gather(*(index.put("a", "Cats purr.", "Dogs bark.") for _ in range(12)))
    outcomes = [one.outcome for one in stored]
    assert outcomes.count(PUT_OUTCOME_CREATED) == 1
    assert outcomes.count(PUT_OUTCOME_UNCHANGED) == 11
    assert await index.pool.fetchval("SELECT count(*) FROM passages") == 2
    await assert_statistics_are_exact(index)


async def test_random_puts_and_deletes_at_once_keep_every_count_exact(index: Index) -> None:
    dice = random.Random(7)
    words = [f"word{number}" for number in range(60)]

    def texts() -> list[str]:
        return [" ".join(dice.choices(words, k=30)) for _ in range(dice.randint(1, 4))]

    async def work(steps: int) -> None:
        for _ in range(steps):
            name, collection = f"d{dice.randrange(12)}", dice.choice(["notes", "letters"])
            match dice.randrange(10):
                case 0 | 1:
                    await index.documents.delete("ada", document_id("ada", collection, name))
                case 2 if dice.random() < 0.2:
                    await index.collections.delete("ada", collection)
                case 3:
                    stored = await index.put(name, *(parts := texts()), collection=collection)
                    await index.embed(stored, parts)
                case _:
                    await index.put(name, *texts(), collection=collection)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(work(40))
    await assert_statistics_are_exact(index)
    orphans = "SELECT count(*) FROM passage_vectors v LEFT JOIN passages p ON p.id = v.passage WHERE p.id IS NULL"
    assert await index.pool.fetchval(orphans) == 0


async def test_a_put_that_races_the_collection_s_deletion_is_whole_or_gone(index: Index) -> None:
    for round_number in range(10):
        puts = [index.put(f"d{number}", "Cats purr.", f"Round {round_number}.") for number in range(6)]
        await asyncio.gather(*puts, index.collections.delete("ada", "notes"))
        await assert_statistics_are_exact(index)
        left, _ = await index.documents.list("ada", "notes", page_size=10)
        collection = await index.collections.get("ada", "notes")
        assert len(left) == (collection.documents if collection else 0)
        await index.collections.delete("ada", "notes")


async def test_a_deleted_document_leaves_nothing(index: Index) -> None:
    stored = await index.put_whole("a", "Cats purr.")
    before = await epoch(index)
    assert await index.documents.delete("ada", stored.document.id)
    assert await epoch(index) != before
    assert await index.documents.get("ada", stored.document.id) is None
    assert not await index.documents.delete("ada", stored.document.id)
    left = await index.pool.fetch(
        "SELECT id::text FROM documents UNION ALL SELECT id::text FROM passages UNION ALL "
        "SELECT passage::text FROM passage_terms UNION ALL SELECT passage::text FROM passage_vectors UNION ALL "
        "SELECT passage::text FROM sentence_vectors"
    )
    assert left == []
    await assert_statistics_are_exact(index)


async def test_somebody_else_s_document_is_as_absent_as_none(index: Index) -> None:
    stored = await index.put("a", "Cats purr.")
    for unknown in (stored.document.id, "0" * 32, "no id", ""):
        assert await index.documents.get("eve", unknown) is None
        assert not await index.documents.delete("eve", unknown)
    assert await index.collections.get("eve", "notes") is None
    assert await index.collections.delete("eve", "notes") is None
    assert await index.documents.list("eve", "notes", page_size=5) == ([], "")


async def test_a_listing_goes_through_all_names_in_byte_order(index: Index) -> None:
    names = ["a/1", "a/2", "a/Z", "a/é", "b/1", "a%", "a_"]
    for name in names:
        await index.put(name, f"The text of {name}.")
    seen, token = [], ""
    while True:
        page, token = await index.documents.list("ada", "notes", prefix="a/", page_size=2, token=token)
        seen += [one.name for one in page]
        if not token:
            break
    assert seen == sorted((name for name in names if name.startswith("a/")), key=str.encode)


async def test_a_page_token_of_another_listing_is_refused(index: Index) -> None:
    for name in ("a", "b", "c"):
        await index.put(name, name)
    _, token = await index.documents.list("ada", "notes", page_size=1)
    for wrong in (token[:-2], "%%%", "AAAA", token + "A", "ü"):
        with pytest.raises(InvalidRequest):
            await index.documents.list("ada", "notes", page_size=1, token=wrong)
    with pytest.raises(InvalidRequest):
        await index.documents.list("ada", "notes", prefix="b", page_size=1, token=token)


async def test_collections_are_listed_by_name_and_only_the_granted_ones(index: Index) -> None:
    for name in ("b", "a", "c"):
        await index.put("x", "Cats purr.", collection=name)
    page, token = await index.collections.list("ada", page_size=2)
    assert [one.name for one in page] == ["a", "b"]
    page, token = await index.collections.list("ada", page_size=2, token=token)
    assert ([one.name for one in page], token) == (["c"], "")
    page, _ = await index.collections.list("ada", page_size=5, granted=["c", "z"])
    assert [(one.name, one.documents, one.passages, one.dimension) for one in page] == [("c", 1, 1, DIMENSION)]


async def test_an_epoch_is_never_used_twice_by_a_collection_made_again(index: Index) -> None:
    seen = set()
    for _ in range(3):
        await index.put("a", "Cats purr.")
        seen.add(await epoch(index))
        assert await index.collections.delete("ada", "notes") == 1
    assert len(seen) == 3


async def test_a_collection_keeps_to_the_model_it_was_made_with(index: Index) -> None:
    await index.put("a", "Cats purr.")
    other = Documents(index.pool, embedding_model="another", dimension=DIMENSION)
    with pytest.raises(ModelMismatch, match=MODEL):
        await other.put("ada", document("b", ["Dogs bark."]), chunks(["Dogs bark."]))
    assert [one.name for one in (await index.documents.list("ada", "notes", page_size=5))[0]] == ["a"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "a\0b"])
async def test_metadata_that_json_cannot_hold_is_refused(index: Index, value: float | str) -> None:
    with pytest.raises(InvalidRequest, match="metadata"):
        await index.put("a", "Cats purr.", field=value)
    assert await index.collections.get("ada", "notes") is None
