"""Stored state that somebody changed, swapped or forged is DATA_LOSS: it runs nothing, and is left as it is."""

import os
import pickle
import random
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import ormsgpack
import pytest
import zstandard
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from ragents_server.checkpoints.postgres import PostgresStore
from ragents_server.checkpoints.redis_rows import keys
from ragents_server.checkpoints.rows import FORMAT, Row, WriteRow, typed
from ragents_server.checkpoints.saver import Saver
from ragents_server.checkpoints.seals import Seal
from ragents_server.checkpoints.serde import MAX_INFLATED, Serializer, Unreadable
from ragents_server.errors import CheckpointCorrupt, CheckpointTooNew
from tests.checkpoints.places import Place, postgres, redis
from tests.checkpoints.puts import config, put

KEY = b"a secret of the operator's"


@pytest.fixture
async def database() -> AsyncIterator[Place]:
    async with postgres() as place:
        yield place


async def filled(saver: Saver, thread: str) -> str:
    """A thread with a parent, a part, small values and a write."""
    first = await put(saver, thread, text="first")
    second = await put(saver, thread, parent=first, large=[thread * 200], small=1, metadata={"run_id": "r"})
    await saver.aput_writes(config(thread, second), [("channel", {"a": 1}), ("other", 2)], "task", "path")
    return second


async def read(place: Place, key: bytes = KEY) -> Any:
    """As a replica sees it that has never read it."""
    async with place.replica(key=key) as saver:
        return await saver.aget_tuple(config("thread"))


CHANGES = {
    "another thread's": "UPDATE checkpoints SET thread = 'thread' WHERE thread = 'source'",
    "another namespace": "UPDATE checkpoints SET ns = '' WHERE ns = 'sub'",
    "another id": "UPDATE checkpoints SET id = id || 'x'",
    "another parent": "UPDATE checkpoints SET parent = 'x' WHERE parent IS NOT NULL",
    "no parent": "UPDATE checkpoints SET parent = NULL",
    "another root": "UPDATE checkpoints SET root = 'x'",
    "said to be open": "UPDATE checkpoints SET open = true",
    "other metadata": 'UPDATE checkpoints SET metadata = \'{"source":"loop","step":7}\'',
    "the same metadata written otherwise": "UPDATE checkpoints SET metadata = metadata::jsonb::json",
    "one part more": "UPDATE checkpoints SET digests = digests || decode(repeat('00', 16), 'hex')",
    "no parts": "UPDATE checkpoints SET digests = '{}'",
    "no body": "UPDATE checkpoints SET body = ''",
    "another body": "UPDATE checkpoints SET body = (SELECT body FROM checkpoints WHERE thread = 'other' LIMIT 1)",
    "no tag": "UPDATE checkpoints SET tag = ''",
    "a part is missing": "DELETE FROM checkpoint_segments",
    "another part": "UPDATE checkpoint_segments SET body = body || '\\x00'",
    "no part": "UPDATE checkpoint_segments SET body = ''",
    "another task": "UPDATE checkpoint_writes SET task = task || 'x'",
    "another path": "UPDATE checkpoint_writes SET path = path || 'x'",
    "another idx": "UPDATE checkpoint_writes SET idx = idx + 10",
    "another channel": "UPDATE checkpoint_writes SET channel = 'x'",
    "another value": "UPDATE checkpoint_writes SET body = body || '\\x00'",
    "no write's tag": "UPDATE checkpoint_writes SET tag = ''",
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_changed_row_is_data_loss_and_is_left_as_it_is(database: Place, change: str) -> None:
    assert database.pool is not None
    async with database.replica(key=KEY) as saver:
        target = "source" if change == "another thread's" else "thread"
        latest = await filled(saver, target)
        await put(saver, "other", text="other")
        if change == "another namespace":
            await put(saver, "thread", ns="sub", text="sub", root=latest)
    assert change == "another thread's" or await read(database) is not None
    await database.pool.execute(CHANGES[change])
    before = await database.pool.fetch("SELECT c::text FROM checkpoints c ORDER BY 1")
    with pytest.raises(CheckpointCorrupt) as raised:
        await read(database)
    assert raised.value.code is grpc.StatusCode.DATA_LOSS
    async with database.replica(key=KEY) as saver:
        with pytest.raises(CheckpointCorrupt):
            _ = [one async for one in saver.alist(config("thread"))]
    assert await database.pool.fetch("SELECT c::text FROM checkpoints c ORDER BY 1") == before


COLUMNS = {
    "checkpoints": ("body", "tag"),
    "checkpoint_segments": ("body", "digest"),
    "checkpoint_writes": ("body", "tag"),
}


@pytest.mark.parametrize("key", [KEY, b""], ids=["keyed", "without a key"])
async def test_no_flipped_bit_is_missed(database: Place, key: bytes) -> None:
    assert database.pool is not None
    async with database.replica(key=key) as saver:
        await filled(saver, "thread")
    chance = random.Random(1)
    async with database.pool.acquire() as connection:
        for table, columns in COLUMNS.items():
            for column in columns:
                sql = f"SELECT length({column}) FROM {table} ORDER BY ctid DESC LIMIT 1"  # noqa: S608 - ours
                length = await connection.fetchval(sql)
                for at in chance.sample(range(length * 8), min(40, length * 8)):
                    transaction = connection.transaction()
                    await transaction.start()
                    await connection.execute(
                        f"UPDATE {table} SET {column} = set_bit({column}, $1, 1 - get_bit({column}, $1)) "  # noqa: S608
                        f"WHERE ctid = (SELECT max(ctid) FROM {table})",
                        at,
                    )
                    store = PostgresStore(connection)
                    async with store.running():
                        with pytest.raises(CheckpointCorrupt):
                            await Saver(store, key=key).aget_tuple(config("thread"))
                    await transaction.rollback()
    assert await read(database, key) is not None


async def test_without_the_key_nothing_is_believed(place: Place) -> None:
    async with place.replica(key=b"another") as saver:
        await filled(saver, "thread")
    for key in (KEY, b""):
        with pytest.raises(CheckpointCorrupt):
            await read(place, key)


INDEX, ROWS, PARTS, WRITES = 1, 2, 3, 4


@pytest.fixture
async def in_redis() -> AsyncIterator[Place]:
    """Two threads of the same form."""
    async with redis() as place, place.replica(key=KEY) as saver:
        for thread in ("thread", "source"):
            await filled(saver, thread)
        yield place


async def hashed(place: Place, thread: str, number: int) -> dict[bytes, bytes]:
    assert place.redis is not None
    name = keys(thread)[number]
    reply = await place.redis.call(name, "HGETALL", name)
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


async def overwrite(place: Place, number: int, fields: Iterable[tuple[bytes, bytes]]) -> None:
    assert place.redis is not None
    name = keys("thread")[number]
    await place.redis.call(name, "HSET", name, *(one for pair in fields for one in pair))


@pytest.mark.parametrize("number", [INDEX, ROWS, PARTS, WRITES])
async def test_what_was_swapped_in_redis_is_data_loss(in_redis: Place, number: int) -> None:
    """Each value of one thread under the names of another's."""
    ours, theirs = [sorted((await hashed(in_redis, thread, number)).items()) for thread in ("thread", "source")]
    assert await read(in_redis) is not None
    await overwrite(in_redis, number, [(name, value) for (name, _), (_, value) in zip(ours, theirs, strict=True)])
    with pytest.raises(CheckpointCorrupt):
        await read(in_redis)


@pytest.mark.parametrize("number", [INDEX, ROWS, PARTS, WRITES])
@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b"\xff", b'{"n":1}', ormsgpack.packb([1, 2, 3])])
async def test_garbage_in_redis_is_data_loss(in_redis: Place, number: int, garbage: bytes) -> None:
    names = await hashed(in_redis, "thread", number)
    await overwrite(in_redis, number, [(name, garbage) for name in names])
    with pytest.raises(CheckpointCorrupt):
        await read(in_redis)


async def test_the_state_of_a_newer_release_is_said_to_be_that(database: Place) -> None:
    assert database.pool is not None
    async with database.replica(key=KEY) as saver:
        await filled(saver, "thread")
    await _forge(database, lambda row: replace(row, body=bytes((FORMAT + 1,)) + b"who knows"))
    with pytest.raises(CheckpointTooNew) as raised:
        await read(database)
    assert raised.value.code is grpc.StatusCode.FAILED_PRECONDITION


async def _forge(place: Place, change: Callable[[Row], Row], key: bytes = KEY) -> None:
    """Changes the latest checkpoint as somebody would who has the key."""
    assert place.pool is not None
    sql = "SELECT *, metadata::text AS metadata FROM checkpoints ORDER BY n DESC LIMIT 1"
    found = dict(await place.pool.fetchrow(sql))
    fields = {name: found[name] for name in Row.__slots__} | {"digests": b"".join(found["digests"])}
    forged = change(Row(**fields)).sealed(Seal(key))
    await place.pool.execute(
        "UPDATE checkpoints SET body = $1, tag = $2, digests = $3 WHERE id = $4",
        forged.body,
        forged.tag,
        forged.parts(),
        forged.id,
    )


class Bomb:
    """Pickled, it runs a command when it is loaded."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


def extension(code: int, *fields: Any) -> bytes:
    return ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb(fields)))


def poisons(command: str) -> dict[str, tuple[str, bytes]]:
    """What runs the command when a lenient serializer reads it, of each kind that LangGraph has known."""
    json = b'{"lc": 2, "type": "constructor", "id": ["os", "system"], "args": ["%s"]}' % command.encode()
    return {
        "one argument": ("msgpack", extension(0, "os", "system", command)),
        "arguments": ("msgpack", extension(1, "os", "system", [command])),
        "keywords": ("msgpack", extension(2, "os", "system", {"command": command})),
        "method": ("msgpack", extension(3, "os", "path", command, "join")),
        "pydantic 1": ("msgpack", extension(4, "os", "system", {"command": command})),
        "pydantic 2": ("msgpack", extension(5, "os", "system", {"command": command}, "x")),
        "nested": ("msgpack", ormsgpack.packb([ormsgpack.Ext(7, extension(0, "os", "system", command))])),
        "pickle": ("pickle", pickle.dumps(Bomb(command))),
        "json": ("json", json),
        "subprocess": ("msgpack", extension(1, "subprocess", "check_output", [["sh", "-c", command]])),
    }


NAMES = list(poisons(""))


@pytest.mark.parametrize("name", NAMES)
async def test_a_poisoned_checkpoint_runs_nothing_whoever_sealed_it(database: Place, name: str, tmp_path: Path) -> None:
    """Also where there is no key, so that anybody can seal: as a part, as a small value, and as a write."""
    assert database.pool is not None
    poison = typed(*poisons(f"touch {tmp_path}/ran")[name])
    seal = Seal()
    async with database.replica() as saver:
        latest = await filled(saver, "thread")
    digest = seal.digest("thread", poison)
    await database.pool.execute("INSERT INTO checkpoint_segments VALUES ('thread', $1, $2)", digest, poison)
    await _forge(database, lambda row: replace(row, digests=digest), b"")
    await _read_whatever(database)
    await _forge(database, lambda row: replace(row, body=bytes((FORMAT,)) + poison, digests=b""), b"")
    await _read_whatever(database)
    write = WriteRow("thread", "", latest, "evil", 0, "", "channel", poison).sealed(seal)
    await database.pool.execute(
        "INSERT INTO checkpoint_writes VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        *(getattr(write, field) for field in WriteRow.__slots__),
    )
    async with database.replica() as saver:
        await filled(saver, "thread")
        with pytest.raises(CheckpointCorrupt):
            await saver.aget_tuple(config("thread", latest))
    assert _files(tmp_path) == []


def _files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def _read_whatever(place: Place) -> None:
    """It may be data, or data loss."""
    try:
        await read(place, b"")
    except CheckpointCorrupt:
        return


@pytest.mark.parametrize("name", ["one argument", "arguments", "keywords", "pydantic 1", "pickle", "subprocess"])
def test_these_poisons_run_where_langgraphs_serializer_is_lenient(name: str, tmp_path: Path) -> None:
    lenient = JsonPlusSerializer(pickle_fallback=True, allowed_msgpack_modules=True)
    strict = Serializer()
    poison = poisons(f"touch {tmp_path}/ran")[name]
    try:
        strict.loads_typed(poison)
    except Unreadable:
        assert name == "pickle"
    assert list(tmp_path.iterdir()) == []
    lenient.loads_typed(poison)
    assert [path.name for path in tmp_path.iterdir()] == ["ran"]


def test_a_frame_that_claims_more_than_may_be_is_not_inflated() -> None:
    serde = Serializer()
    bomb = zstandard.ZstdCompressor().compress(bytes(MAX_INFLATED + 1))
    assert len(bomb) < 10_000
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(b"x" * 1000)
    for frame in (bomb, unsized, b"", b"garbage", bomb[:100]):
        with pytest.raises(Unreadable):
            serde.loads_typed(("bytes+zstd", frame))


def test_values_are_compressed_where_that_pays_and_never_beyond_what_may_be_read() -> None:
    serde = Serializer()
    noise = random.Random(1).randbytes(10_000)
    for value in (b"x" * 10_000, noise, b"x", None, "x" * 10_000, {"a": ["x"] * 1000}, b"x" * (MAX_INFLATED + 1)):
        kind, stored = serde.dumps_typed(value)
        assert serde.loads_typed((kind, stored)) == value
        assert kind.endswith("+zstd") == (len(stored) < 5000 and value not in (b"x", None))


def test_the_allowlist_survives_a_clone() -> None:
    serde = Serializer()
    clone = serde.with_msgpack_allowlist([("a", "B")])
    assert isinstance(clone, Serializer)
    assert (serde.allowed, clone.allowed) == (frozenset(), frozenset({("a", "B")}))
    kind, stored = clone.dumps_typed("x" * 1000)
    assert kind == "msgpack+zstd"
    assert clone.loads_typed((kind, stored)) == "x" * 1000
