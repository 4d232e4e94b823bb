"""A layer gives back what was put, to whom it belongs, and nothing else that may lie in its place."""

import pytest
import zstandard

from ragents_server.cache.clearings import Clearing, Clearings
from ragents_server.cache.entries import MAX_VALUE, SCHEMA, pack
from ragents_server.cache.layer import Hit, Layer, Stores, entry_key
from ragents_server.cache.memory import Memory
from ragents_server.cache.statistics import Statistics
from ragents_server.cache.stores import LAYERS, Key, Origin, Scope, Size
from ragents_server.stored.v1.entry_pb2 import Entry

DIGEST = bytes(range(16))
KEY = Key("ada", "answer", DIGEST)
SIZES = dict.fromkeys(LAYERS, 10**8)


class Now:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


class Place:
    """A layer over this process's memory, with a second memory where Redis would be."""

    def __init__(self) -> None:
        self.now = Now()
        self.memory, self.shared = Memory(SIZES, clock=self.now), Memory(SIZES, clock=self.now)
        self.statistics = Statistics(None)
        self.clearings = Clearings()
        self.stores = Stores(self.memory, self.shared, self.clearings, self.statistics)
        self.layer = Layer("answer", self.stores, seconds=60, clock=self.now)

    async def get(self, tenant: str = "ada", digest: bytes = DIGEST) -> Hit[bytes] | None:
        return await self.layer.slot(tenant, digest).get(bytes)

    async def put(self, value: bytes, origin: Origin = Origin()) -> None:  # noqa: B008 - immutable
        await self.layer.slot("ada", DIGEST).put(value, origin)

    async def counted(self, what: str) -> int:
        return (await self.statistics.read("ada")).get(("answer", what), 0)


@pytest.fixture
def place() -> Place:
    return Place()


def entry(value: bytes = b"value", **changed: object) -> Entry:
    made = {"schema": SCHEMA, "tenant": "ada", "layer": "answer", "digest": DIGEST, "made_ms": 10**9, "value": value}
    return Entry(**(made | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [b"", b"x", b"words " * 1000, bytes(range(256)) * 20])
async def test_what_was_put_is_got_from_memory_and_from_the_shared_store(place: Place, value: bytes) -> None:
    await place.put(value)
    hit = await place.get()
    assert hit is not None and hit.value == value
    place.memory.forget(KEY)
    hit = await place.get()
    assert hit is not None and hit.value == value
    assert place.memory.look(KEY) is not None  # the next one need not ask
    assert await place.counted("hits") == 2


async def test_what_goes_to_the_shared_store_is_compressed_where_that_pays(place: Place) -> None:
    await place.put(b"words " * 1000)
    assert len(place.shared.look(KEY) or b"") < 300
    assert len(place.memory.look(KEY) or b"") > 6000


async def test_nobody_gets_what_is_somebody_elses(place: Place) -> None:
    await place.put(b"value")
    assert await place.get(tenant="bob") is None
    assert await place.get(digest=DIGEST[::-1]) is None


BOMB = zstandard.ZstdCompressor(level=19).compress(bytes(MAX_VALUE + 1))
UNREADABLE = {
    "garbage": b"\xff\xfe no protobuf",
    "nothing": b"",
    "another tenant's": pack(entry(tenant="bob"), compress=False),
    "another layer's": pack(entry(layer="retrieval"), compress=False),
    "another key's": pack(entry(digest=DIGEST[::-1]), compress=False),
    "a newer release's": pack(entry(schema=SCHEMA + 1), compress=False),
    "not compressed as it says": pack(entry(b"no frame", inflated=8), compress=False),
    "larger than it says": pack(entry(zstandard.compress(b"x" * 100), inflated=50), compress=False),
    "a bomb": pack(entry(BOMB, inflated=MAX_VALUE + 1), compress=False),
    "a bomb that denies it": pack(entry(BOMB, inflated=100), compress=False),
    "cut": pack(entry(b"words" * 100), compress=False)[:-20],
}


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_what_cannot_be_read_is_a_miss_and_is_counted_and_deleted(place: Place, kind: str) -> None:
    origin = Origin()
    for store in (place.memory, place.shared):
        store.keep(KEY, UNREADABLE[kind], 60, origin)
    assert await place.get() is None
    assert (place.memory.look(KEY), place.shared.look(KEY)) == (None, None)
    assert (await place.counted("misses"), await place.counted("errors")) == (1, 2)


async def test_the_same_bytes_can_be_read_when_they_are_right(place: Place) -> None:
    place.shared.keep(KEY, pack(entry(b"words " * 1000), compress=True), 60, Origin())
    hit = await place.get()
    assert hit is not None and hit.value == b"words " * 1000


async def test_a_value_that_its_reader_refuses_is_a_miss(place: Place) -> None:
    await place.put(b"no number")

    def read(value: bytes) -> int:
        return int(value)

    assert await place.layer.slot("ada", DIGEST).get(read) is None
    assert place.shared.look(KEY) is None


async def test_an_entry_lives_as_long_as_its_layer_says_wherever_it_was_read_from(place: Place) -> None:
    await place.put(b"value")
    place.now.seconds += 59
    place.memory.forget(KEY)
    hit = await place.get()
    assert hit is not None and hit.age == 59
    place.now.seconds += 1.01
    assert await place.get() is None


@pytest.mark.parametrize(
    ("scope", "gone"),
    [
        (Scope("ada"), True),
        (Scope(None), True),
        (Scope("bob"), False),
        (Scope("ada", ("retrieval",)), False),
        (Scope("ada", ("answer",)), True),
        (Scope("ada", collection="notes"), True),
        (Scope("ada", collection="other"), False),
        (Scope("ada", document="d1"), True),
        (Scope("ada", document="d2"), False),
        (Scope("ada", collection="notes", document="d1"), True),
        (Scope("ada", collection="other", document="d1"), False),
        (Scope("ada", digest=DIGEST), True),
        (Scope("ada", digest=DIGEST[::-1]), False),
    ],
)
async def test_a_clearing_drops_what_it_names_even_where_the_store_still_holds_it(
    place: Place, scope: Scope, gone: bool
) -> None:
    before = place.layer.slot("ada", DIGEST)
    origin = Origin(("notes",), ("d1", "d1/v1"))
    await before.put(b"value", origin)
    place.clearings.add([Clearing(7, scope)])
    assert (await place.get() is None) == gone
    await before.put(b"made before the clearing was known", origin)
    assert (await place.get() is None) == gone
    await place.put(b"made after it", origin)
    assert await place.get() is not None
    assert await Memory(SIZES).drop(scope) == 0
    dropped = await place.memory.drop(scope)
    assert dropped == int(gone)  # the same rule


async def test_memory_stays_within_its_bytes_and_the_least_recently_used_goes() -> None:
    evicted = list[Key]()
    memory = Memory(SIZES | {"answer": 20_000}, evicted=evicted.append)
    keys = [Key("ada", "answer", bytes([i]) * 32) for i in range(10)]
    for key in keys:
        memory.keep(key, bytes(3000), 60, Origin((), ("d",)))
        memory.look(keys[0])
    kept = [key for key in keys if memory.look(key)]
    assert keys[0] in kept and keys[-1] in kept and len(kept) == 5
    assert evicted == [key for key in keys if key not in kept]
    assert await memory.drop_documents([("ada", "d")]) == 5
    memory.keep(keys[0], bytes(20_001), 60, Origin())
    assert memory.look(keys[0]) is None
    assert (await memory.sizes("ada"))["answer"].entries == 0


async def test_what_was_made_from_a_document_is_found_by_it() -> None:
    memory = Memory(SIZES)
    for number, documents in enumerate((("d1", "d1/v1"), ("d1", "d1/v2"), ("d2", "d2/v1"))):
        memory.keep(Key("ada", "answer", bytes([number]) * 32), b"x", 60, Origin(("notes",), documents))
    assert await memory.drop_documents([("bob", "d1/v1")]) == 0
    assert await memory.drop_documents([("ada", "d1/v1"), ("ada", "d3/v1")]) == 1
    assert (await memory.sizes(None))["answer"].entries == 2


def test_an_entrys_name_is_of_one_tenant() -> None:
    name = f"answer-{DIGEST.hex()}"
    assert entry_key("ada", name) == KEY
    assert entry_key("bob", name) == KEY._replace(tenant="bob")
    for wrong in ("", "answer", "answer-", f"other-{DIGEST.hex()}", f"answer-{DIGEST.hex()}00", "answer-" + "g" * 32):
        assert entry_key("ada", wrong) is None


async def test_memory_keeps_nothing_of_entries_that_grew_old_or_were_replaced() -> None:
    now = Now()
    memory = Memory(SIZES, clock=now)
    keys = [Key("ada", "answer", bytes([i]) * 16) for i in range(100)]
    for key in keys:
        memory.keep(key, b"first", 10, Origin(("notes",), (f"d{key.digest[0]}",)))
        memory.keep(key, b"second", 10, Origin(("notes",), (f"e{key.digest[0]}",)))
    assert (await memory.sizes("ada"))["answer"] == Size(100, 600)
    assert (await memory.sizes("bob"))["answer"] == Size()
    now.seconds += 11
    assert all(memory.look(key) is None for key in keys)
    assert (await memory.sizes(None))["answer"] == Size()
    assert (memory._of_document, memory._sizes) == ({}, {})


def test_clearings_without_end_are_held_within_bounds() -> None:
    clearings = Clearings()
    for number in range(1, 20_001):
        one = Scope("eve", ("answer",), digest=number.to_bytes(16))
        clearings.add([Clearing(number, one if number % 1000 else Scope("eve"))])
    assert len(clearings._latest) <= 1000 + len(LAYERS)
    assert clearings.drop(Key("eve", "answer", bytes(16)), Origin(), 19_999)
    assert not clearings.drop(Key("ada", "answer", bytes(16)), Origin(), 0)
