"""Vectors: added after the words, idempotent, taken up after a crash by exactly one."""

import asyncio
from datetime import timedelta

import numpy as np
import pytest

from ragents_client.v1.document_pb2 import DOCUMENT_STATE_READY, DOCUMENT_STATE_SEARCHABLE
from ragents_server.errors import ModelMismatch
from ragents_server.index.vectors import PassageEmbedding, Vectors, ensure_dimension, pack_sentences, unpack_sentences
from tests.index.places import DIMENSION, Index, vector

NOW = timedelta(0)


async def lapse(index: Index) -> None:
    """Let all leases end, as if their holders had died long ago."""
    await index.pool.execute("UPDATE documents SET leased_until = now() - interval '1 second'")


async def state(index: Index, document: str) -> int:
    found = await index.documents.get("ada", document)
    assert found is not None
    return found.state


def embedding(passage: int, text: str = "x") -> PassageEmbedding:
    return PassageEmbedding(passage, vector(text), vector(text)[None])


async def test_a_document_is_ready_with_its_last_vector(index: Index) -> None:
    stored = await index.put("a", "cats purr", "dogs bark")
    document = stored.document.id
    assert await index.vectors.add(document, stored.generation, [embedding(stored.passages[1])])
    assert await state(index, document) == DOCUMENT_STATE_SEARCHABLE
    assert await index.vectors.add(document, stored.generation, [embedding(one) for one in stored.passages])
    assert await state(index, document) == DOCUMENT_STATE_READY


async def test_vectors_change_the_epoch_once(index: Index) -> None:
    stored = await index.put("a", "cats purr")
    epochs = [await index.epoch()]
    for _ in range(2):
        assert await index.embed(stored, ["cats purr"])
        epochs.append(await index.epoch())
    assert epochs[0] != epochs[1] == epochs[2]


async def test_vectors_of_a_replaced_or_deleted_document_are_not_stored(index: Index) -> None:
    old = await index.put("a", "cats purr")
    new = await index.put("a", "dogs bark")
    assert not await index.embed(old, ["cats purr"])
    assert await state(index, new.document.id) == DOCUMENT_STATE_SEARCHABLE
    await index.documents.delete("ada", new.document.id)
    assert not await index.embed(new, ["dogs bark"])
    assert await index.pool.fetchval("SELECT count(*) FROM passage_vectors") == 0


async def test_vectors_added_twice_at_once_are_stored_once(index: Index) -> None:
    texts = [f"text {number}" for number in range(20)]
    stored = await index.put("a", *texts)
    assert all(await asyncio.gather(*(index.embed(stored, texts) for _ in range(8))))
    assert await index.pool.fetchval("SELECT count(*) FROM passage_vectors") == 20


async def test_vectors_of_another_model_are_refused(index: Index) -> None:
    stored = await index.put("a", "cats purr")
    other = Vectors(index.pool, embedding_model="another", dimension=DIMENSION)
    with pytest.raises(ModelMismatch):
        await other.add(stored.document.id, stored.generation, [embedding(stored.passages[0])])


async def test_nobody_takes_up_what_a_put_is_still_at(index: Index) -> None:
    await index.put("a", "cats purr")
    assert await index.vectors.claim(10) == []


async def test_what_a_dead_put_left_is_taken_up_without_what_is_done(index: Index) -> None:
    stored = await index.put("a", "cats purr", "dogs bark")
    await index.vectors.add(stored.document.id, stored.generation, [embedding(stored.passages[0])])
    await lapse(index)
    [claim] = await index.vectors.claim(10)
    assert (claim.tenant, claim.collection, claim.name) == ("ada", "notes", "a")
    assert [(one.passage, one.text, one.sentences) for one in claim.passages] == [
        (stored.passages[1], "dogs bark", ((0, 9),))
    ]
    await index.vectors.add(claim.document_id, claim.generation, [embedding(claim.passages[0].passage)])
    assert await state(index, stored.document.id) == DOCUMENT_STATE_READY
    await lapse(index)
    assert await index.vectors.claim(10) == []


async def test_replicas_that_sweep_at_once_take_different_documents(index: Index) -> None:
    for number in range(20):
        await index.put(f"d{number}", f"text {number}")
    await lapse(index)
    claims = await asyncio.gather(*(index.vectors.claim(5) for _ in range(6)))
    names = [claim.name for some in claims for claim in some]
    assert sorted(names) == sorted(f"d{number}" for number in range(20))


async def test_a_claim_comes_round_again_when_its_lease_ends(index: Index) -> None:
    await index.put("a", "cats purr")
    await lapse(index)
    assert len(await index.vectors.claim(10, NOW)) == 1
    assert len(await index.vectors.claim(10)) == 1
    assert len(await index.vectors.claim(10)) == 0


async def test_only_documents_of_one_s_own_model_are_claimed(index: Index) -> None:
    await index.put("a", "cats purr")
    await lapse(index)
    other = Vectors(index.pool, embedding_model="another", dimension=DIMENSION)
    assert await other.claim(10) == []


async def test_a_document_without_passages_is_ready_at_once(index: Index) -> None:
    stored = await index.put("empty")
    assert stored.document.state == DOCUMENT_STATE_READY


async def test_vectors_of_any_length_count_by_their_direction(index: Index) -> None:
    stored = await index.put("a", "cats purr")
    made = PassageEmbedding(stored.passages[0], vector("cats purr") * 7, vector("cats purr")[None] * 0.01)
    assert await index.vectors.add(stored.document.id, stored.generation, [made])
    [hit] = (await index.ask("cats purr")).hits
    assert hit.dense == pytest.approx(1, abs=0.002)


async def test_an_index_is_made_once_for_each_dimension(index: Index) -> None:
    async def ensure(dimension: int) -> None:
        async with index.pool.acquire() as connection:
            await ensure_dimension(connection, dimension)

    await asyncio.gather(*(ensure(16) for _ in range(4)))
    names = await index.pool.fetch("SELECT indexname FROM pg_indexes WHERE indexname LIKE '%hnsw%' ORDER BY 1")
    assert [row[0] for row in names] == ["passage_vectors_hnsw_16", f"passage_vectors_hnsw_{DIMENSION}"]
    for wrong in (0, 4001):
        with pytest.raises(ValueError, match="dimensions"):
            await ensure(wrong)


async def test_packed_sentences_keep_their_directions() -> None:
    sentences = np.random.default_rng(3).normal(size=(7, 384)).astype(np.float32)
    sentences /= np.linalg.norm(sentences, axis=1, keepdims=True)
    unpacked = unpack_sentences(pack_sentences(sentences), 7)
    assert np.abs(unpacked @ sentences.T - sentences @ sentences.T).max() < 0.005
    assert unpack_sentences(pack_sentences(np.zeros((0, 384), np.float32)), 0).shape[0] == 0
    assert np.isfinite(unpack_sentences(pack_sentences(np.zeros((1, 4), np.float32)), 1)).all()
