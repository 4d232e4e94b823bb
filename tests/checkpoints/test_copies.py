"""A thread may begin with a checkpoint of another, and goes on by itself."""

import pytest

from ragents_server.errors import NotFound
from tests.checkpoints.graphs import GRAPHS, chat, deltas, turn
from tests.checkpoints.places import Place
from tests.checkpoints.puts import config, put


async def test_a_copied_checkpoint_is_the_first_of_its_thread_and_nothing_waits_on_it(place: Place) -> None:
    async with place.replica(key=b"secret") as saver:
        first = await put(saver, "thread", text="a" * 1000)
        second = await put(saver, "thread", parent=first, text="b" * 1000)
        await saver.aput_writes(config("thread", second), [("channel", 1)], "task")
        await put(saver, "thread", parent=second, text="c" * 1000)
        await saver.copy_checkpoint("thread", second, "copy")
        await saver.copy_checkpoint("thread", second, "copy")  # twice is once
        (found,) = [one async for one in saver.alist(config("copy"))]
        assert found.checkpoint["channel_values"] == {"text": "b" * 1000}
        assert (found.checkpoint["id"], found.parent_config, found.pending_writes) == (second, None, [])
        assert await place.counts("copy") == (1, 1, 0)
        assert await place.counts("thread") == (3, 3, 1)


async def test_both_threads_go_on_by_themselves(place: Place) -> None:
    async with place.replica() as saver:
        graph = chat(saver)
        await turn("chat", graph, "thread", 1)
        (_, latest) = (await place.stored("thread"))[-1]
        await saver.copy_checkpoint("thread", latest, "copy")
        await saver.adelete_thread("thread")
        seen = await turn("chat", graph, "copy", 2)
    assert [message.content for message in seen[0]["messages"]] == ["question 1", "reply 1", "question 2", "reply 3"]


async def test_what_a_checkpoint_is_rebuilt_from_comes_along(place: Place) -> None:
    async with place.replica() as saver:
        graph = deltas(saver)
        for number in range(3):
            await turn("deltas", graph, "thread", number)
        original = await graph.aget_state(config("thread"))
        (_, latest) = (await place.stored("thread"))[-1]
        await saver.copy_checkpoint("thread", latest, "copy")
        copied = await graph.aget_state(config("copy"))
        assert copied.values == original.values
        assert len(original.values["items"]) == 9
        assert await turn("deltas", graph, "copy", 3) == await turn("deltas", graph, "thread", 3)


async def test_only_what_is_there_is_copied(place: Place) -> None:
    async with place.replica() as saver:
        await put(saver, "thread", "01", ns="sub")
        for thread, id_ in (("thread", "01"), ("thread", "02"), ("none", "01")):
            with pytest.raises(NotFound):
                await saver.copy_checkpoint(thread, id_, "copy")
    assert await place.stored("copy") == []


@pytest.mark.parametrize("name", GRAPHS)
async def test_a_whole_thread_is_copied_with_its_subgraphs_and_writes(place: Place, name: str) -> None:
    async with place.replica(key=b"secret") as saver:
        graph = GRAPHS[name](saver)
        for number in range(2):
            await turn(name, graph, "thread", number)
        await saver.acopy_thread("thread", "copy")
        assert await place.stored("copy") == await place.stored("thread")
        assert await place.counts("copy") == await place.counts("thread")
        assert await turn(name, graph, "copy", 2) == await turn(name, graph, "thread", 2)


async def test_a_deleted_thread_leaves_nothing(place: Place) -> None:
    async with place.replica() as saver:
        for thread in ("thread", "other"):
            await turn("asks", GRAPHS["asks"](saver), thread, 1)
        other = await place.counts("other")
        await saver.adelete_thread("thread")
        assert await place.counts("thread") == (0, 0, 0)
        assert await place.counts("other") == other
        assert await saver.aget_tuple(config("thread")) is None
        if place.redis is not None:
            found = [key async for page in place.redis.scan("*:thread:*") for key in page]
            assert found == []
