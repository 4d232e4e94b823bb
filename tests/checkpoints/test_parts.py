"""Growing lists are stored piece by piece, and a prefix counts as the same only where its content is."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from pydantic import BaseModel

from ragents_server.checkpoints.fingerprints import fingerprint
from ragents_server.checkpoints.postgres import PostgresStore
from ragents_server.checkpoints.rows import Found
from ragents_server.checkpoints.saver import Saver
from ragents_server.checkpoints.serde import Serializer
from ragents_server.checkpoints.values import LARGEST, cuts
from ragents_server.errors import InvalidRequest
from tests.checkpoints.places import Place, postgres
from tests.checkpoints.puts import config, put


@pytest.fixture
async def database() -> AsyncIterator[Place]:
    async with postgres() as place:
        yield place


def message(number: int) -> HumanMessage:
    return HumanMessage(f"message {number} " * 20, id=str(number))


async def values(saver: Saver, thread: str = "thread", id_: str | None = None) -> dict[str, Any]:
    found = await saver.aget_tuple(config(thread, id_))
    assert found is not None
    return found.checkpoint["channel_values"]


class Watched(PostgresStore):
    """Remembers what was read, and how often."""

    reads: list[Found | None]

    async def get(self, place: Any, held: Any) -> Found | None:
        found = await super().get(place, held)
        self.reads.append(found)
        return found


@pytest.mark.parametrize("length", [0, 1, 7, 8, 63, 64, 400, 511, 512, 5000, 3 * LARGEST])
def test_the_cuts_of_a_list_are_few_and_whole(length: int) -> None:
    pieces = list(cuts(length))
    assert [start for start, _ in pieces] == [0, *(stop for _, stop in pieces)][: len(pieces)]
    assert sum(stop - start for start, stop in pieces) == length
    assert len(pieces) <= 7 * 4 + length // LARGEST


def test_a_list_that_grows_is_written_a_few_times_over_in_all() -> None:
    written, seen = 0, set[tuple[int, int]]()
    for length in range(1, 1001):
        fresh = set(cuts(length)) - seen
        seen |= fresh
        written += sum(stop - start for start, stop in fresh)
    assert written <= 4 * 1000


async def test_each_turn_of_a_long_conversation_stores_as_much_as_the_first(database: Place) -> None:
    assert database.pool is not None
    async with database.replica() as saver:
        messages: list[Any] = []
        parent, sizes = None, []
        for number in range(200):
            messages = [*messages, message(number)]
            before = await database.pool.fetchval("SELECT pg_current_wal_lsn() - '0/0'")
            parent = await put(saver, "thread", parent=parent, messages=messages)
            sizes.append(await database.pool.fetchval("SELECT pg_current_wal_lsn() - '0/0'") - before)
        assert sorted(sizes[150:])[25] < 3 * sorted(sizes[20:70])[25]  # medians: other things are logged too
        assert (await values(saver))["messages"] == messages
        found = [one async for one in saver.alist(config("thread"))]
        assert [len(one.checkpoint["channel_values"]["messages"]) for one in found] == list(range(200, 190, -1))


async def test_an_item_that_was_changed_in_place_is_stored_anew(place: Place) -> None:
    async with place.replica() as saver:
        messages = [message(number) for number in range(20)]
        first = await put(saver, "thread", messages=messages)
        messages[3].content = "changed"  # the same object
        second = await put(saver, "thread", parent=first, messages=messages)
        assert (await values(saver, id_=second))["messages"][3].content == "changed"
        assert (await values(saver, id_=first))["messages"][3].content != "changed"
        messages[3].additional_kwargs["deep"] = {"in": ["it"]}
        third = await put(saver, "thread", parent=second, messages=messages)
        assert (await values(saver, id_=third))["messages"][3].additional_kwargs == {"deep": {"in": ["it"]}}
        assert (await values(saver, id_=second))["messages"][3].additional_kwargs == {}


async def test_what_a_reader_changes_in_place_nobody_else_reads(place: Place) -> None:
    async with place.replica() as saver:
        messages = [message(number) for number in range(20)]
        await put(saver, "thread", messages=messages)
        for change in ("first", "second"):
            read = (await values(saver))["messages"]
            assert read == messages
            read[5].content = change
            read[6].response_metadata["deep"] = change
            read.append("more")


async def test_what_was_read_or_written_here_is_not_read_again(database: Place) -> None:
    assert database.pool is not None
    store = Watched(database.pool)
    store.reads = []
    async with store.running():
        saver = Saver(store)
        messages = [message(number) for number in range(100)]
        parent = await put(saver, "thread", messages=messages)
        for _ in range(2):
            assert (await values(saver))["messages"] == messages
        more = [*messages, message(100)]
        await put(saver, "thread", parent=parent, messages=more)
        assert (await values(saver))["messages"] == more
        read = [len(found.parts) for found in store.reads if found is not None]
        assert read == [9, 0, 1]  # 64, 4 times 8, 4 times 1; nothing; the new one
        (await values(saver))["messages"][70].content = "changed in place"
        assert (await values(saver))["messages"] == more
        read = [len(found.parts) for found in store.reads[3:] if found is not None]
        assert read == [0, 0, 10]  # a second look, for everything


async def test_parts_that_another_replica_dropped_are_sent_again(place: Place) -> None:
    async with place.replica(keep=1) as one, place.replica(keep=1) as other:
        messages = [message(number) for number in range(20)]
        first = await put(one, "thread", messages=messages)
        second = await put(other, "thread", parent=first, messages=[])
        assert (await place.counts("thread"))[1] == 0
        await put(one, "thread", parent=second, messages=messages)
        assert (await values(other))["messages"] == messages


async def test_threads_share_no_parts(place: Place) -> None:
    async with place.replica() as saver:
        for thread in ("one", "other"):
            await put(saver, thread, text="x" * 1000)
        await saver.adelete_thread("one")
        assert await values(saver, "other") == {"text": "x" * 1000}


async def test_small_values_stand_in_the_checkpoint_itself(place: Place) -> None:
    small = {"none": None, "number": 1, "text": "x" * 100, "list": [1, 2, 3], "empty": [], "dict": {"a": [b"\0"]}}
    async with place.replica() as saver:
        await put(saver, "thread", **small)
        assert await values(saver) == small
        assert (await place.counts("thread"))[1] == 0


async def test_values_of_every_kind_come_back(place: Place) -> None:
    kinds = {
        "text": "ü" * 1000,
        "bytes": bytes(range(256)) * 4,
        "array": bytearray(b"x" * 1000),
        "dict": {str(number): [number, None, 1.5, True] for number in range(100)},
        "numbers": list(range(1000)),
        "nested": [[message(1)], {"message": message(2)}] * 10,
        "messages": [message(1), AIMessage("x", id="a", tool_calls=[{"name": "f", "args": {"a": 1}, "id": "1"}])] * 3,
        "result": ToolMessage("x" * 300, tool_call_id="1", artifact={"a": [1]}),
    }
    async with place.replica() as saver:
        await put(saver, "thread", **kinds)
        for _ in range(2):
            assert await values(saver) == kinds
    async with place.replica() as saver:
        assert await values(saver) == kinds


class Note(BaseModel):
    text: str


async def test_classes_are_given_back_only_to_graphs_that_know_them(place: Place) -> None:
    notes = [Note(text="x" * 300) for _ in range(3)]
    async with place.replica() as saver:
        await put(saver, "thread", notes=notes)
        knows = saver.with_allowlist([(Note.__module__, "Note")])
        assert isinstance(knows, Saver)
        for _ in range(2):
            assert (await values(knows))["notes"] == notes
            assert (await values(saver))["notes"] == [{"text": "x" * 300}] * 3


@pytest.mark.parametrize("bad", ["\ud800", 2**64, [{"deep": "\udfff"}], object(), HumanMessage("\ud800")])
async def test_what_cannot_be_stored_as_it_is_fails_its_caller(place: Place, bad: Any) -> None:
    async with place.replica() as saver:
        first = await put(saver, "thread", text="good")
        with pytest.raises(InvalidRequest, match="cannot be stored"):
            await put(saver, "thread", parent=first, text=bad)
        with pytest.raises(InvalidRequest, match="cannot be stored"):
            await saver.aput_writes(config("thread", first), [("channel", bad)], "task")
        assert await values(saver) == {"text": "good"}


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
async def test_names_that_are_no_text_are_refused(place: Place, name: str) -> None:
    async with place.replica() as saver:
        with pytest.raises(InvalidRequest, match="no text"):
            await put(saver, name)


async def test_names_of_any_text_are_kept_apart(place: Place) -> None:
    names = ["a", "a:b", "{a}", "}{", "ü" * 300, "*", "a ", "A", "a\n", "%", "'; DROP TABLE checkpoints; --"]
    async with place.replica() as saver:
        for name in names:
            await put(saver, name, text=name)
            await put(saver, name, ns=name, text=f"in {name}")
        for name in names:
            assert await values(saver, name) == {"text": name}
        assert len([one async for one in saver.alist(None)]) == 2 * len(names)


def test_only_equal_content_has_equal_fingerprints() -> None:
    serde = Serializer()
    several = [
        ["a", "b"],
        ["ab"],
        [("a", "b")],
        [["a", "b"]],
        [{"a": 1}],
        [{"a": True}],
        [{"a": 1.0}],
        [{1: "a"}],
        [b"a"],
        [None],
        [HumanMessage("a")],
        [AIMessage("a")],
        [HumanMessage("a", id="1")],
        [HumanMessage("a", name="1")],
        [HumanMessage("a", extra="1")],
        [HumanMessage(["a"])],
        [HumanMessage("a").model_dump()],
        [{"content": "a", "additional_kwargs": {}}],
        [Note(text="a")],
        [{"text": "a"}],
    ]
    prints = [fingerprint(value, serde).digest for value in several]
    assert len(set(prints)) == len(several)
    assert fingerprint([message(1)], serde) == fingerprint([message(1)], serde)
    assert not fingerprint([Note(text="a")], serde).whole
    assert fingerprint([message(1), {"a": [1]}], serde).whole
