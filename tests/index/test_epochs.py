"""An epoch is trusted under a lease, and every change waits the lease out."""

import asyncio
from collections.abc import Sequence
from typing import Any

from ragents_server.index.clearings import MOST, ClearingLog, Removals
from ragents_server.index.epochs import LEASE, ClearingRow, Epochs, open_epochs
from tests.index.places import Index

ANY_LAYER = ("answer", "retrieval")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Replica:
    """What one server knows of the epochs, and what it was told of clearings."""

    def __init__(self, index: Index, *, alone: bool = False) -> None:
        self.clock = Clock()
        self.cleared = list[ClearingRow]()
        self.epochs = Epochs(index.pool, self.learn, alone=alone, clock=self.clock)

    async def learn(self, rows: Sequence[ClearingRow]) -> None:
        self.cleared += rows

    async def current(self, *collections: str) -> bytes:
        return await self.epochs.current("ada", collections or ("notes",))


async def test_an_epoch_is_trusted_until_its_lease_ends(index: Index) -> None:
    replica = Replica(index)
    before = await replica.current()
    await index.put("a", "cats purr")
    replica.clock.now += LEASE * 0.99
    assert replica.epochs.trusted("ada", ["notes"]) == before == await replica.current()
    replica.clock.now += LEASE * 0.02
    assert replica.epochs.trusted("ada", ["notes"]) is None
    assert await replica.current() != before
    await replica.epochs.aclose()


async def test_a_change_of_ones_own_is_seen_at_once(index: Index) -> None:
    replica = Replica(index, alone=True)
    before = await replica.current()
    await index.put("a", "cats purr")
    replica.clock.now += 0.001
    await replica.epochs.settle()
    replica.clock.now += 0.001
    assert replica.epochs.trusted("ada", ["notes"]) is None
    assert await replica.current() != before
    await replica.epochs.aclose()


async def test_a_read_that_was_sent_before_a_change_is_not_trusted_after_it(index: Index) -> None:
    replica = Replica(index, alone=True)
    async with index.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE collections IN ACCESS EXCLUSIVE MODE")  # the read is sent, and waits
        asked = asyncio.create_task(replica.current())
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while await connection.fetchval(waiting) == 0:  # noqa: ASYNC110 - a database has no event
            await asyncio.sleep(0)
        replica.clock.now += 0.01
        await replica.epochs.settle()
    await asked
    assert replica.epochs.trusted("ada", ["notes"]) is None
    await replica.epochs.aclose()


async def test_without_a_lease_another_replica_would_be_believed_too_long(index: Index) -> None:
    # The control of the two tests above: a lease that is longer than the wait shows the old state.
    replica = Replica(index)
    before = await replica.current()
    await index.put("a", "cats purr")
    await Replica(index, alone=True).epochs.settle()  # somebody else's change, which waited for nothing
    assert await replica.current() == before
    await replica.epochs.aclose()


async def test_many_who_wait_share_a_read(index: Index) -> None:
    reads = list[int]()

    class Counted:
        async def fetch(self, sql: str, *arguments: Any) -> list[Any]:
            reads.append(len(arguments[0]))
            return await index.pool.fetch(sql, *arguments)

    counted: Any = Counted()
    async with open_epochs(counted, Replica(index).learn, alone=True) as epochs:
        await asyncio.gather(*(epochs.current("ada", [f"c{i % 10}", "notes"]) for i in range(100)))
    assert reads == [11]


async def test_a_collection_that_is_not_there_has_a_state_of_its_own(index: Index) -> None:
    async with open_epochs(index.pool, Replica(index).learn, alone=True) as epochs:
        absent = await epochs.current("ada", ["notes", "more"])
        assert absent == bytes(32)
        await index.put("a", "cats purr", collection="more")
        await epochs.settle()
        present = await epochs.current("ada", ["notes", "more"])
        assert present[:16] == bytes(16) != present[16:]
        assert await epochs.current("bob", ["more"]) == bytes(16)


async def test_a_clearing_is_told_before_a_read_that_knows_of_it_is_trusted(index: Index) -> None:
    replica, log = Replica(index), ClearingLog(index.pool)
    await replica.current()
    for digest in (b"one", b"two"):
        await log.add("ada", ["answer"], digest=digest, every_layer=ANY_LAYER)
    await replica.current()
    assert replica.cleared == []
    replica.clock.now += LEASE
    await replica.current()
    assert [(row.tenant, row.layers, row.digest) for row in replica.cleared] == [
        ("ada", ("answer",), b"one"),
        ("ada", ("answer",), b"two"),
    ]
    await replica.epochs.aclose()
    late = Replica(index)
    await late.current()
    assert late.cleared[-2:] == replica.cleared
    await late.epochs.aclose()


async def test_whoever_clears_too_often_clears_everything_of_their_own(index: Index) -> None:
    log = ClearingLog(index.pool)
    await index.pool.execute(
        "INSERT INTO cache_clearings (number, tenant, layers, collection, document, digest) "
        "SELECT number, 'eve', '{answer}', '', '', number::text::bytea FROM generate_series(1, $1) AS number",
        MOST,
    )
    await log.add("eve", ["answer"], digest=b"one more", every_layer=ANY_LAYER)
    rows = await index.pool.fetch("SELECT layers, digest FROM cache_clearings WHERE tenant = 'eve'")
    assert [(tuple(row["layers"]), row["digest"]) for row in rows] == [(ANY_LAYER, b"")]
    await index.pool.execute("DELETE FROM cache_clearings")


async def gone(removals: Removals) -> list[tuple[str, str, str]]:
    return [one async for page in removals.fresh() for one in page]


async def test_versions_that_are_gone_are_told_once_and_those_that_came_back_are_not(index: Index) -> None:
    removals = Removals(index.pool)
    await index.pool.execute("TRUNCATE document_removals")
    first = await index.put("a", "cats purr")
    kept = await index.put("b", "dogs bark")
    assert await gone(removals) == []
    await index.put("a", "cats sleep")
    assert await gone(removals) == [("ada", first.document.id, first.document.version)]
    assert await gone(removals) == []
    await index.documents.delete("ada", kept.document.id)
    await index.put("b", "dogs bark")
    assert await gone(removals) == []
    await index.collections.delete("ada", "notes")
    assert {document for _, document, _ in await gone(removals)} == {first.document.id, kept.document.id}


async def test_a_look_that_was_not_finished_is_taken_again(index: Index) -> None:
    removals = Removals(index.pool)
    await index.pool.execute("TRUNCATE document_removals")
    assert await gone(removals) == []
    stored = await index.put("a", "cats purr")
    await index.documents.delete("ada", stored.document.id)
    async for page in removals.fresh():
        assert len(page) == 1
        break  # as when the store fails that it is to be purged from
    assert [document for _, document, _ in await gone(removals)] == [stored.document.id]
    assert await gone(removals) == []
