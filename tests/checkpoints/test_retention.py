"""A thread is bounded with all its subgraphs, and goes on as one that was never pruned."""

import random
from contextlib import AsyncExitStack
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from ragents_server.checkpoints.redis import RedisStore
from ragents_server.checkpoints.redis_scripts import Call
from ragents_server.checkpoints.saver import Saver
from ragents_server.errors import CheckpointCorrupt
from tests.checkpoints.graphs import GRAPHS, chat, deltas, turn
from tests.checkpoints.places import PLACES, Place
from tests.checkpoints.puts import config, put

TURNS = 6
# What may be live at once: the root's, one of each subgraph under way, one of each that remembers.
LIVE = {"chat": 1, "calls": 3, "remembers": 3, "asks": 4, "deltas": 9, "interleaved": 100}


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("keep", [1, 5])
async def test_a_pruned_thread_goes_on_as_one_that_was_not(place: Place, name: str, durability: str, keep: int) -> None:
    control = GRAPHS[name](InMemorySaver())
    for number in range(TURNS):
        async with place.replica(keep=keep) as saver:  # another replica each turn
            seen = await turn(name, GRAPHS[name](saver), "thread", number, durability)
        assert seen == await turn(name, control, "thread", number, durability)
        assert len(await place.stored("thread")) <= max(keep, LIVE[name])


@pytest.mark.parametrize("name", GRAPHS)
async def test_a_thread_goes_on_after_all_but_the_latest_was_pruned(place: Place, name: str) -> None:
    control = GRAPHS[name](InMemorySaver())
    async with place.replica(keep=None) as saver:
        graph = GRAPHS[name](saver)
        for number in range(TURNS):
            seen = await turn(name, graph, "thread", number)
            assert seen == await turn(name, control, "thread", number)
            await saver.aprune(["thread"])
            assert len(await place.stored("thread")) <= LIVE[name]


async def test_the_newest_stay_and_what_only_the_others_referred_to_goes(place: Place) -> None:
    async with place.replica(keep=4) as saver:
        ids = [
            await put(saver, "thread", of_all="a" * 1000, own=f"{number} " * 500, other=f"{number // 2} " * 500)
            for number in range(10)
        ]
        for id_ in ids[-4:]:
            await saver.aput_writes(config("thread", id_), [("channel", 1)], "task")
        assert await place.stored("thread") == [("", id_) for id_ in ids[-4:]]
        assert await place.counts("thread") == (4, 1 + 4 + 2, 4)
        await put(saver, "thread", of_all="a" * 1000)
        assert await place.counts("thread") == (4, 1 + 3 + 2, 3)


async def test_a_checkpoint_that_is_put_again_leaves_nothing_of_its_first_form(place: Place) -> None:
    async with place.replica() as saver:
        first = await put(saver, "thread", text="a" * 1000)
        await put(saver, "thread", parent=first, text="a" * 1000)
        latest = await put(saver, "thread", parent=first, text="b" * 1000)
        await put(saver, "thread", latest, parent=first, text="c" * 1000)
        assert [found.checkpoint["channel_values"]["text"][0] async for found in saver.alist(config("thread"))] == [
            *"caa"
        ]
        assert (await place.counts("thread"))[1] == 2


async def test_subgraphs_checkpoints_go_with_their_roots(place: Place) -> None:
    async with place.replica(keep=6) as saver:
        for _ in range(5):
            root = await put(saver, "thread")
            for name in ("one", "two"):
                parent = None
                for _ in range(3):
                    parent = await put(saver, "thread", parent=parent, ns=f"{name}:{root}", root=root)
    stored = await place.stored("thread")
    roots = {id_ for ns, id_ in stored if not ns}
    assert len(stored) == 6
    assert len(roots) == 2
    assert {ns.partition(":")[2] for ns, _ in stored if ns} == roots


async def test_a_subgraphs_checkpoint_may_come_before_its_roots(place: Place) -> None:
    async with place.replica(keep=1) as saver:
        await put(saver, "thread", "01")
        await put(saver, "thread", "05", ns="sub:x", root="03")  # 02 and 03 are on their way
        await put(saver, "thread", "02", parent="01")
        await put(saver, "thread", "03", parent="02")
        assert await place.stored("thread") == [("sub:x", "05"), ("", "03")]
        await put(saver, "thread", "06", parent="03")
        assert await place.stored("thread") == [("", "06")]


async def test_a_subgraphs_checkpoint_whose_root_never_came_goes(place: Place) -> None:
    async with place.replica(keep=1) as saver:
        await put(saver, "thread", "01")
        await put(saver, "thread", "03", ns="sub:x", root="02")
        for id_ in ("04", "05"):
            await put(saver, "thread", id_, parent="01")
        assert await place.stored("thread") == [("", "05")]


async def test_a_history_that_somebody_cut_is_an_error_and_not_an_empty_one(place: Place) -> None:
    async with place.replica(keep=None) as saver:
        graph, control = deltas(saver), InMemorySaver()
        await turn("deltas", graph, "thread", 0)
        await turn("deltas", deltas(control), "thread", 0)
        _, latest = (await place.stored("thread"))[-1]
        if place.pool is not None:
            await place.pool.execute("DELETE FROM checkpoints WHERE id <> $1", latest)
        else:
            await _drop_all_but(saver, latest)
        with pytest.raises(CheckpointCorrupt, match="is missing"):
            await graph.aget_state(config("thread"))
        checkpoints = control.storage["thread"][""]
        for id_ in list(checkpoints)[:-1]:
            del checkpoints[id_]
        assert (await deltas(control).aget_state(config("thread"))).values["items"] == []


async def _drop_all_but(saver: Saver, latest: str) -> None:
    names = [f"\0{found.checkpoint['id']}" async for found in saver.alist(config("thread"))]
    assert isinstance(saver._store, RedisStore)
    await saver._store._scripts.call(Call("drop", "thread", [name for name in names if latest not in name]))


async def test_an_open_checkpoint_keeps_what_it_is_rebuilt_from(place: Place) -> None:
    async with place.replica(keep=2) as saver:
        for id_, parent in (("01", None), ("02", "01"), ("03", "02")):
            await put(saver, "thread", id_, parent=parent, whole=True)
        for id_, parent in (("04", "03"), ("05", "04"), ("06", "05")):
            await put(saver, "thread", id_, parent=parent, open_=True)
        assert [id_ for _, id_ in await place.stored("thread")] == ["03", "04", "05", "06"]
        await put(saver, "thread", "07", parent="03", whole=True)  # a branch
        assert [id_ for _, id_ in await place.stored("thread")] == ["03", "07"]


async def test_both_kinds_of_store_keep_the_same() -> None:
    chance = random.Random(7)
    async with AsyncExitStack() as stack:
        places = [await stack.enter_async_context(PLACES[name]()) for name in PLACES]
        for run in range(40):
            keep = chance.choice([1, 3, 6])
            savers = [await stack.enter_async_context(one.replica(keep=keep)) for one in places]
            roots: list[str] = []
            latest: dict[str, str] = {}
            for at in range(25):
                step = _random_put(chance, at, roots, latest)
                for saver in savers:
                    await put(saver, f"thread {run}", **step)
                one, other = [await place.stored(f"thread {run}") for place in places]
                assert one == other, (run, at)
                assert (await places[0].counts(f"thread {run}"))[0] == len(one)
                if step["ns"] == "":
                    assert ("", step["id_"]) in one


def _random_put(chance: random.Random, at: int, roots: list[str], latest: dict[str, str]) -> dict[str, Any]:
    id_ = f"{at:03}"
    kind = chance.choice(["root", "root", "call", "call", "lasting", "early"])
    open_ = chance.random() < 0.3
    if kind == "root" or not roots:
        roots.append(id_)
        ns, root = "", None
    else:
        root = f"{at + 1:03}" if kind == "early" else chance.choice(roots[-2:])
        ns = "lasting" if kind == "lasting" else f"call:{root}"
    parent, latest[ns] = latest.get(ns), id_
    return {"id_": id_, "ns": ns, "root": root, "parent": parent, "open_": open_, "text": f"{at // 3}" * 500}


async def test_time_travel_finds_what_a_subgraph_remembered_then(place: Place) -> None:
    async with place.replica(keep=None) as saver:
        await put(saver, "thread", "01")
        await put(saver, "thread", "02", ns="lasting", root="01")
        await put(saver, "thread", "05", ns="lasting", root="03")  # before its root's
        await put(saver, "thread", "03", parent="01")
        before = {"configurable": {"checkpoint_id": "03"}}
        found = [one async for one in saver.alist(config("thread", ns="lasting"), before=before, limit=1)]
        assert [one.checkpoint["id"] for one in found] == ["02"]


async def test_the_latest_is_the_one_that_came_last_whatever_its_clock_said(place: Place) -> None:
    async with place.replica() as saver:
        await put(saver, "thread", "09")
        await put(saver, "thread", "01", parent="09")
        found = await saver.aget_tuple(config("thread"))
        assert found is not None and found.checkpoint["id"] == "01"
        assert [one.checkpoint["id"] async for one in saver.alist(config("thread"))] == ["01", "09"]


async def test_a_chat_of_many_turns_stays_small(place: Place) -> None:
    async with place.replica(keep=3) as saver:
        graph = chat(saver)
        for number in range(40):
            await turn("chat", graph, "thread", number)
    checkpoints, parts, writes = await place.counts("thread")
    assert checkpoints == 3
    assert parts <= 3 * 7
    assert writes <= 6
