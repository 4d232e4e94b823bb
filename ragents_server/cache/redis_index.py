"""Which entries in Redis were made from a collection or a document: sorted sets of names, by when they expire."""

from collections.abc import AsyncIterator, Sequence

from ragents_server.cache import redis_keys
from ragents_server.cache.stores import Origin
from ragents_server.connections.redis import Command, Redis

PAGE = 500  # names

# Stores the entry, adds its name to each index, forgets the names there that have expired, and lets each index live as
# long as its last: one step, so that no clearing comes between.
# SET comes first: a full server refuses it only while the script has written nothing yet.
STORE = """
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for number = 2, #KEYS do
    local index = KEYS[number]
    redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
    redis.call('ZADD', index, now + ARGV[2], KEYS[1])
    local last = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')
    redis.call('PEXPIREAT', index, string.format('%.0f', last[2] + 1000))
end
return 0
"""


def storing(name: str, entry: bytes, milliseconds: int, origin: Origin) -> Command:
    """The command that stores an entry, and lists it where it was made from something."""
    start = redis_keys.start_of(name)
    indexes = [
        *(redis_keys.of_collection(start, collection) for collection in origin.collections),
        *(redis_keys.of_document(start, document) for document in origin.documents),
    ]
    if not indexes:
        return "SET", name, entry, "PX", milliseconds
    return "EVAL", STORE, 1 + len(indexes), name, *indexes, entry, milliseconds


async def listed(redis: Redis, indexes: Sequence[str], layers: Sequence[str]) -> AsyncIterator[list[str]]:
    """The names of entries of these layers that are in all of these indexes of one slot, in pages.

    All that are listed from beginning to end come, some perhaps twice; names may be taken out between two pages.
    """
    first, *others = indexes
    cursor = 0
    while True:
        cursor, page = await redis.call(first, "ZSCAN", first, cursor, "COUNT", PAGE)
        names = [name.decode() for name, _ in page]
        names = await among([name for name in names if redis_keys.layer_of(name) in layers], redis, others)
        if names:
            yield names
        if not cursor:
            break


async def among(names: Sequence[str], redis: Redis, indexes: Sequence[str]) -> list[str]:
    """Those of the names that are in all of these indexes."""
    left = list(names)
    for index in indexes:
        scores = await redis.pipeline(index, [("ZSCORE", index, name) for name in left]) if left else []
        left = [name for name, score in zip(left, scores, strict=True) if score is not None]
    return left
