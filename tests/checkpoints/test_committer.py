"""Group commit: what comes while a batch is under way is the next one; nobody's trouble is anybody else's."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ragents_server.checkpoints import committer
from ragents_server.checkpoints.committer import GroupCommit
from ragents_server.errors import StateUnavailable


class Scripted:
    """Executes when it is let, and remembers the batches; items that are exceptions fail the whole batch."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()

    async def execute(self, items: Sequence[Any]) -> Sequence[Any]:
        self.batches.append(list(items))
        self.begun.set()
        await self.gate.wait()
        for item in items:
            if isinstance(item, Exception):
                raise item
        return [KeyError(item) if item == "refused" else f"did {item}" for item in items]


async def submitted(commit: GroupCommit[Any, Any], *items: Any) -> list["asyncio.Task[Any]"]:
    """Tasks that have submitted, in this order."""
    tasks = [asyncio.create_task(commit.submit(item)) for item in items]
    await asyncio.sleep(0)
    return tasks


async def test_what_comes_while_a_batch_is_under_way_is_executed_together() -> None:
    scripted = Scripted()
    scripted.gate.clear()
    commit = GroupCommit[Any, Any](scripted.execute, size=3, queue=100)
    async with commit.running():
        tasks = await submitted(commit, "first")
        await scripted.begun.wait()
        tasks += await submitted(commit, *"abcd")
        scripted.gate.set()
        assert await asyncio.gather(*tasks) == ["did first", "did a", "did b", "did c", "did d"]
    assert scripted.batches == [["first"], ["a", "b", "c"], ["d"]]


async def test_items_with_a_key_in_common_are_executed_one_after_the_other() -> None:
    scripted = Scripted()
    commit = GroupCommit[Any, Any](scripted.execute, size=10, queue=100, keys=lambda item: item[:-1])
    async with commit.running():
        await asyncio.gather(*await submitted(commit, "a1", "b1", "a2", "ab1", "c1", "b2", "a3"))
    assert scripted.batches == [["a1", "b1", "c1"], ["a2"], ["ab1"], ["b2", "a3"]]


async def test_a_refused_item_fails_only_its_caller() -> None:
    scripted = Scripted()
    commit = GroupCommit[Any, Any](scripted.execute, size=10, queue=100)
    async with commit.running():
        results = await asyncio.gather(*await submitted(commit, "a", "refused", "b"), return_exceptions=True)
    assert [type(result) for result in results] == [str, KeyError, str]


async def test_an_item_that_fails_its_batch_is_found_by_trying_each() -> None:
    scripted = Scripted()
    commit = GroupCommit[Any, Any](
        scripted.execute, size=10, queue=100, undone=lambda error: isinstance(error, ValueError)
    )
    bad = ValueError("bad")
    async with commit.running():
        results = await asyncio.gather(*await submitted(commit, "a", bad, "b"), return_exceptions=True)
    assert results == ["did a", bad, "did b"]
    assert scripted.batches == [["a", bad, "b"], ["a"], [bad], ["b"]]


async def test_trying_each_ends_after_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "ALONE_SECONDS", -1.0)
    scripted, bad = Scripted(), ValueError("bad")
    commit = GroupCommit[Any, Any](scripted.execute, size=10, queue=100, undone=lambda _: True)
    async with commit.running():
        results = await asyncio.gather(*await submitted(commit, bad, "a", "b"), return_exceptions=True)
    assert results == [bad, bad, bad]


async def test_where_the_outcome_is_unknown_nothing_is_repeated() -> None:
    scripted = Scripted()
    commit = GroupCommit[Any, Any](
        scripted.execute, size=10, queue=100, undone=lambda error: isinstance(error, ValueError)
    )
    lost = ConnectionError("lost")
    async with commit.running():
        results = await asyncio.gather(*await submitted(commit, "a", lost, "b"), return_exceptions=True)
        assert results == [lost, lost, lost]
        assert await commit.submit("c") == "did c"
    assert scripted.batches == [["a", lost, "b"], ["c"]]


@pytest.mark.parametrize("under_way", [True, False])
async def test_a_cancelled_caller_takes_nothing_back_and_sends_nothing_twice(under_way: bool) -> None:
    scripted = Scripted()
    scripted.gate.clear()
    commit = GroupCommit[Any, Any](scripted.execute, size=10, queue=100)
    async with commit.running():
        first = await submitted(commit, "first")
        await scripted.begun.wait()
        others = await submitted(commit, "a", "b")
        (first if under_way else others)[0].cancel()
        await asyncio.sleep(0)
        scripted.gate.set()
        results = await asyncio.gather(*first, *others, return_exceptions=True)
    assert [isinstance(result, asyncio.CancelledError) for result in results] == [under_way, not under_way, False]
    assert scripted.batches == [["first"], ["a", "b"]]


async def test_a_full_queue_makes_callers_wait_and_they_may_give_up() -> None:
    scripted = Scripted()
    scripted.gate.clear()
    commit = GroupCommit[Any, Any](scripted.execute, size=1, queue=2)
    async with commit.running():
        tasks = await submitted(commit, *"abcd")
        await scripted.begun.wait()
        assert len(commit._waiting) == 1
        tasks[2].cancel()
        scripted.gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [str, str, asyncio.CancelledError, str]
    assert scripted.batches == [["a"], ["b"], ["d"]]


async def test_what_was_accepted_is_executed_before_it_closes() -> None:
    scripted = Scripted()
    commit = GroupCommit[Any, Any](scripted.execute, size=2, queue=100)
    async with commit.running():
        tasks = await submitted(commit, *"abcde")
    assert all(task.done() for task in tasks) or await asyncio.gather(*tasks)
    assert [item for batch in scripted.batches for item in batch] == [*"abcde"]
    with pytest.raises(StateUnavailable):
        await commit.submit("late")


async def test_closing_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "DRAIN_SECONDS", 0.05)
    scripted = Scripted()
    scripted.gate.clear()
    commit = GroupCommit[Any, Any](scripted.execute, size=1, queue=2)
    async with commit.running():
        tasks = await submitted(commit, *"abc")
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [StateUnavailable] * 3
    assert scripted.batches == [["a"]]


async def test_heavy_items_make_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "MOST_WEIGHT", 10)
    scripted = Scripted()
    commit = GroupCommit[Any, Any](scripted.execute, size=10, queue=100, weight=len)
    async with commit.running():
        await asyncio.gather(*await submitted(commit, "a" * 6, "b" * 6, "c" * 100, "d", "e"))
    assert [len(batch) for batch in scripted.batches] == [2, 1, 2]


async def test_a_bug_leaves_nobody_waiting() -> None:
    def broken(item: Any) -> Any:
        raise RuntimeError("a bug")

    async def forgetful(items: Sequence[Any]) -> Sequence[Any]:
        return []

    async with asyncio.timeout(5):
        for commit in (
            GroupCommit[Any, Any](Scripted().execute, size=10, queue=100, keys=broken),
            GroupCommit[Any, Any](forgetful, size=10, queue=100),
        ):
            async with commit.running():
                with pytest.raises((RuntimeError, ValueError)):
                    await commit.submit("a")
