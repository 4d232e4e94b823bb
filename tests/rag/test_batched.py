"""Questions that share a request: who shares, who leads, and that nobody suffers for another."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from ragents_server.errors import ModelUnavailable
from ragents_server.models.embeddings import Embeddings, PassageVectors, Vectors
from ragents_server.rag.batched import BatchedEmbeddings


class Provider:
    """Embeds a text as its length; each request waits until the test opens the gate."""

    model, dimension, max_tokens = "provider", 1, 512

    def __init__(self) -> None:
        self.requests: list[list[str]] = []
        self.gate = asyncio.Event()
        self.error: Exception | None = None
        self.begun = asyncio.Semaphore(0)

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        self.requests.append(list(texts))
        self.begun.release()
        await self.gate.wait()
        if self.error:
            raise self.error
        return np.array([[len(text)] for text in texts], np.float32)

    async def embed_passages(
        self, texts: Sequence[str], sentences: Sequence[Sequence[tuple[int, int]]]
    ) -> list[PassageVectors]:
        return [PassageVectors(np.zeros(1, np.float32), np.zeros((0, 1), np.float32)) for _ in texts]


def asking(batched: BatchedEmbeddings, *questions: str) -> "asyncio.Task[Vectors]":
    return asyncio.create_task(batched.embed_queries(questions))


async def settled() -> None:
    """Everything that can run without the gate has run."""
    for _ in range(20):
        await asyncio.sleep(0)


def open_provider() -> Provider:
    provider = Provider()
    provider.gate.set()
    return provider


async def test_it_plays_the_role_and_passages_pass_through() -> None:
    batched: Embeddings = BatchedEmbeddings(open_provider(), size=8, wait=0)
    assert (batched.model, batched.dimension, batched.max_tokens) == ("provider", 1, 512)
    assert len(await batched.embed_passages(["a", "b"], [[], []])) == 2


async def test_callers_of_one_moment_share_a_request_and_get_their_own() -> None:
    provider = open_provider()
    batched = BatchedEmbeddings(provider, size=8, wait=0)
    tasks = [asking(batched, "a" * i) for i in range(1, 6)] + [asking(batched, "six by", "seven b")]
    assert [(await task).tolist() for task in tasks] == [[[1]], [[2]], [[3]], [[4]], [[5]], [[6], [7]]]
    assert [len(request) for request in provider.requests] == [7]


async def test_a_request_has_no_more_texts_than_allowed() -> None:
    provider = open_provider()
    batched = BatchedEmbeddings(provider, size=8, wait=0)
    results = await asyncio.gather(*(batched.embed_queries(["a" * i]) for i in range(1, 21)))
    assert [int(vectors[0, 0]) for vectors in results] == list(range(1, 21))
    assert [len(request) for request in provider.requests] == [8, 8, 4]


async def test_a_caller_with_a_batch_of_its_own_goes_alone() -> None:
    provider = open_provider()
    batched = BatchedEmbeddings(provider, size=2, wait=0)
    many, one, none = await asyncio.gather(*(batched.embed_queries(texts) for texts in (["a", "b", "c"], ["d"], [])))
    assert (len(many), len(one), len(none)) == (3, 1, 0)
    assert sorted(map(len, provider.requests)) == [0, 1, 3]


async def test_a_full_batch_does_not_wait() -> None:
    provider = open_provider()
    batched = BatchedEmbeddings(provider, size=2, wait=3600)
    await asyncio.wait_for(asyncio.gather(batched.embed_queries(["a"]), batched.embed_queries(["b"])), 10)
    assert provider.requests == [["a", "b"]]


async def test_a_lonely_caller_waits_no_longer_than_told() -> None:
    provider = open_provider()
    batched = BatchedEmbeddings(provider, size=2, wait=0.01)
    assert (await asyncio.wait_for(batched.embed_queries(["a"]), 10)).tolist() == [[1]]


async def test_while_all_requests_are_under_way_the_next_one_fills() -> None:
    provider = Provider()
    batched = BatchedEmbeddings(provider, size=8, wait=0, requests=1)
    first = asking(batched, "first")
    await provider.begun.acquire()
    others = []
    for i in range(5):  # each at a moment of its own
        others.append(asking(batched, f"{i}"))
        await settled()
    assert provider.requests == [["first"]]
    provider.gate.set()
    await asyncio.gather(first, *others)
    assert provider.requests == [["first"], ["0", "1", "2", "3", "4"]]


async def test_an_error_reaches_all_who_shared_the_request() -> None:
    provider = open_provider()
    provider.error = ModelUnavailable("the model is away")
    batched = BatchedEmbeddings(provider, size=8, wait=0)
    results = await asyncio.gather(*(batched.embed_queries([text]) for text in "abc"), return_exceptions=True)
    assert results == [provider.error] * 3
    provider.error = None
    assert len(await batched.embed_queries(["d"])) == 1


@pytest.mark.parametrize("left", [0, 1, 2])
async def test_one_who_leaves_during_the_request_leaves_the_others_alone(left: int) -> None:
    provider = Provider()
    batched = BatchedEmbeddings(provider, size=8, wait=0)
    tasks = [asking(batched, text) for text in ("a", "bb", "ccc")]
    await provider.begun.acquire()
    tasks[left].cancel()
    await settled()
    provider.gate.set()
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    got = [result if isinstance(result, BaseException) else result.tolist() for result in results]
    assert isinstance(got.pop(left), asyncio.CancelledError)
    assert got == [[[n]] for n in (1, 2, 3) if n != left + 1]
    assert len(provider.requests) == (2 if left == 0 else 1), "only a new leader asks anew"


@pytest.mark.parametrize("left", [0, 1])
async def test_one_who_leaves_before_the_request_is_not_in_it(left: int) -> None:
    provider = open_provider()
    batched = BatchedEmbeddings(provider, size=3, wait=3600)
    tasks = [asking(batched, text) for text in ("a", "bb")]
    await settled()
    tasks[left].cancel()
    await settled()
    tasks += [asking(batched, "ccc"), asking(batched, "dddd")]
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    assert provider.requests == [[["bb", "a"][left], "ccc", "dddd"]]


async def test_leaders_may_leave_one_after_the_other() -> None:
    provider = Provider()
    batched = BatchedEmbeddings(provider, size=8, wait=0)
    tasks = [asking(batched, text) for text in ("a", "bb", "ccc")]
    for task in tasks[:2]:
        await provider.begun.acquire()
        task.cancel()
        await settled()
    await provider.begun.acquire()
    provider.gate.set()
    assert (await asyncio.wait_for(tasks[2], 10)).tolist() == [[3]]


async def test_the_next_leader_may_leave_before_it_knows() -> None:
    provider = Provider()
    batched = BatchedEmbeddings(provider, size=8, wait=0)
    tasks = [asking(batched, text) for text in ("a", "bb", "ccc")]
    await provider.begun.acquire()
    tasks[0].cancel()
    tasks[1].cancel()
    provider.gate.set()
    assert (await asyncio.wait_for(tasks[2], 10)).tolist() == [[3]]
    await asyncio.gather(*tasks[:2], return_exceptions=True)


async def test_all_may_leave_and_the_next_one_is_served() -> None:
    provider = Provider()
    batched = BatchedEmbeddings(provider, size=8, wait=3600)
    tasks = [asking(batched, text) for text in ("a", "bb")]
    await settled()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert provider.requests == []
    provider.gate.set()
    results = await asyncio.wait_for(asyncio.gather(*(batched.embed_queries([text]) for text in "abcdefgh")), 10)
    assert len(results) == 8
