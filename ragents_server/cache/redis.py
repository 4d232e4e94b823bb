"""The store that replicas share: entries in Redis, found by tenant, layer, collection and document."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from ragents_server.cache import redis_keys
from ragents_server.cache.redis_index import among, listed, storing
from ragents_server.cache.redis_reads import Reads
from ragents_server.cache.stores import LAYERS, CacheUnavailable, Key, Origin, Scope, Size
from ragents_server.connections.redis import Command, Redis, RedisRefused, RedisUnavailable

MOST_COMMANDS = 500  # in one round trip
SCAN_SECONDS = 30.0  # for one pass over all keys


class RedisStore:
    """Plays `Store` and `Counts`. Every wait is bounded by the Redis it is given."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._reads = Reads(redis)
        self._measuring: dict[str | None, asyncio.Task[dict[str, Size]]] = {}

    async def get(self, key: Key) -> bytes | None:
        """The entry's bytes."""
        try:
            return await self._reads.get(redis_keys.entry(key))
        except (RedisUnavailable, RedisRefused) as error:
            raise CacheUnavailable(str(error)) from None

    async def put(self, key: Key, entry: bytes, seconds: float, origin: Origin) -> None:
        """Keeps the entry for so many seconds at most."""
        name, milliseconds = redis_keys.entry(key), int(seconds * 1000)
        if milliseconds > 0:
            with unavailable():
                await self.redis.call(name, *storing(name, entry, milliseconds, origin))

    async def delete(self, key: Key) -> None:
        """Forgets the entry; its name in an index expires."""
        name = redis_keys.entry(key)
        with unavailable():
            await self.redis.call(name, "UNLINK", name)

    async def drop(self, scope: Scope) -> int:
        """Forgets what the scope names; the number of entries."""
        with unavailable():
            async with asyncio.timeout(SCAN_SECONDS):
                return await self._drop(scope)

    async def drop_documents(self, documents: Sequence[tuple[str, str]]) -> int:
        """Forgets what was made from these documents, each a tenant and an id; the number of entries."""
        with unavailable():
            async with asyncio.timeout(SCAN_SECONDS):
                starts = [
                    (redis_keys.of_document(redis_keys.tag(tenant, shard), document),)
                    for tenant, document in documents
                    for shard in redis_keys.SHARDS
                ]
                present = await self._present(starts)
                return sum([await self._drop_listed(indexes, LAYERS) for indexes in present])

    async def sizes(self, tenant: str | None) -> Mapping[str, Size]:
        """What is stored of a tenant, or of all of them, by layer; who asks at the same time shares a pass."""
        task = self._measuring.get(tenant)
        if task is None:
            task = self._measuring[tenant] = self.redis.spawn(self._measure(tenant))
            task.add_done_callback(lambda done: self._measured(tenant, done))
        with unavailable():
            return await asyncio.shield(task)

    async def add(self, counts: Iterable[tuple[str, str, str, int]]) -> None:
        """Adds rows of tenant, layer, what is counted and how many."""
        sums: dict[str, Counter[str]] = defaultdict(Counter)
        for tenant, layer, what, number in counts:
            for name in (redis_keys.counts(tenant), redis_keys.counts(None)):
                sums[name][f"{layer}:{what}"] += number
        with unavailable():
            await self._each(
                {
                    name: [("HINCRBY", name, field, number) for field, number in rows.items()]
                    for name, rows in sums.items()
                }
            )

    async def read(self, tenant: str | None) -> Mapping[tuple[str, str], int]:
        """The sums by layer and what is counted, of a tenant or of all of them."""
        name = redis_keys.counts(tenant)
        with unavailable():
            fields = await self.redis.call(name, "HGETALL", name)
        return {_counted(field): int(number) for field, number in fields.items()}

    def _measured(self, tenant: str | None, task: "asyncio.Task[dict[str, Size]]") -> None:
        del self._measuring[tenant]
        if not task.cancelled():
            task.exception()  # seen: perhaps nobody waits any more

    async def _drop(self, scope: Scope) -> int:
        if scope.tenant is not None and scope.digest:
            return await self._drop_entries(scope, scope.tenant)
        if scope.collection or scope.document:
            return await self._drop_of(scope)
        dropped = 0
        rest = f"*:{scope.digest.hex()}" if scope.digest else "*"
        everything = set(scope.layers) >= set(LAYERS) and not scope.digest
        async for names in self.redis.scan(redis_keys.pattern(scope.tenant, rest)):
            entries = [name for name in names if redis_keys.layer_of(name) in scope.layers]
            indexes = [name for name in names if everything and redis_keys.INDEX.fullmatch(name)]
            dropped += await self._unlink(entries)
            await self._unlink(indexes)
        return dropped

    async def _drop_entries(self, scope: Scope, tenant: str) -> int:
        """One digest's entries, where they are in the indexes that the scope names."""
        names = [redis_keys.entry(Key(tenant, layer, scope.digest)) for layer in scope.layers]
        if not names:
            return 0
        indexes = _indexes(redis_keys.start_of(names[0]), scope)
        return await self._unlink(await among(names, self.redis, indexes))

    async def _drop_of(self, scope: Scope) -> int:
        """What the indexes of a collection, a document or both list, in every slot of every tenant that has them."""
        dropped = 0
        async for start in self._starts(scope):
            for indexes in await self._present([_indexes(start, scope)]):
                dropped += await self._drop_listed(indexes, scope.layers, scope.digest)
        return dropped

    async def _starts(self, scope: Scope) -> AsyncIterator[str]:
        """What names begin with in the slots to look at: of the tenant, or of all that have such an index."""
        if scope.tenant is not None:
            for shard in redis_keys.SHARDS:
                yield redis_keys.tag(scope.tenant, shard)
            return
        rest = (
            f"c:{redis_keys.literal(scope.collection)}"
            if scope.collection
            else f"d:{redis_keys.literal(scope.document)}"
        )
        async for names in self.redis.scan(redis_keys.pattern(None, rest)):
            for name in names:
                yield redis_keys.start_of(name)

    async def _present(self, indexes: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        """Those of which all exist, asked for in few round trips."""
        names = {name for several in indexes for name in several}
        replies = await self._each({name: [("EXISTS", name)] for name in names})
        return [several for several in indexes if all(replies[name][0] for name in several)]

    async def _drop_listed(self, indexes: Sequence[str], layers: Sequence[str], digest: bytes = b"") -> int:
        dropped = 0
        async for names in listed(self.redis, indexes, layers):
            chosen = [name for name in names if name.endswith(digest.hex())]
            if chosen:
                removals = [("UNLINK", *chosen), *(("ZREM", index, *chosen) for index in indexes)]
                dropped += (await self.redis.pipeline(indexes[0], removals))[0]
        return dropped

    async def _unlink(self, names: Sequence[str]) -> int:
        replies = await self._each({name: [("UNLINK", name)] for name in names})
        return sum(reply for several in replies.values() for reply in several)

    async def _measure(self, tenant: str | None) -> dict[str, Size]:
        entries, sizes = Counter[str](), Counter[str]()
        async with asyncio.timeout(SCAN_SECONDS):
            async for names in self.redis.scan(redis_keys.pattern(tenant, "*")):
                ours = {name: layer for name in names if (layer := redis_keys.layer_of(name))}
                lengths = await self._each({name: [("STRLEN", name)] for name in ours})
                for name, layer in ours.items():
                    if length := lengths[name][0]:  # else it has just expired
                        entries[layer] += 1
                        sizes[layer] += length
        return {layer: Size(entries[layer], sizes[layer]) for layer in LAYERS}

    async def _each(self, commands: Mapping[str, Sequence[Command]]) -> dict[str, list[int]]:
        """The replies to each key's commands, in few round trips to each server."""
        servers: dict[str, list[tuple[str, Command]]] = defaultdict(list)
        for name, several in commands.items():
            servers[self.redis.server(name)] += [(name, command) for command in several]
        replies: dict[str, list[int]] = defaultdict(list)
        for rows in servers.values():
            for at in range(0, len(rows), MOST_COMMANDS):
                page = rows[at : at + MOST_COMMANDS]
                answers = await self.redis.pipeline(page[0][0], [command for _, command in page])
                for (name, _), answer in zip(page, answers, strict=True):
                    replies[name].append(answer)
        return replies


@contextmanager
def unavailable() -> Iterator[None]:
    """Says of Redis what the roles say of any store."""
    try:
        yield
    except (RedisUnavailable, RedisRefused, TimeoutError) as error:
        raise CacheUnavailable(str(error) or "it took too long") from None


def _indexes(start: str, scope: Scope) -> tuple[str, ...]:
    """The indexes that the scope names, in one slot; the smaller one first."""
    document = (redis_keys.of_document(start, scope.document),) if scope.document else ()
    collection = (redis_keys.of_collection(start, scope.collection),) if scope.collection else ()
    return document + collection


def _counted(field: bytes) -> tuple[str, str]:
    layer, _, what = field.decode().partition(":")
    return layer, what
