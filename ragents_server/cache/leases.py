"""Who leads in making an entry, among replicas: a key in Redis that expires, and that only its holder may move."""

from ragents_server.cache import redis_keys
from ragents_server.cache.redis import unavailable
from ragents_server.cache.stores import Key
from ragents_server.connections.redis import Redis

RENEW = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('PEXPIRE', KEYS[1], ARGV[2]) or 0"
RELEASE = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"


class Leases:
    """Leases on entries. Raises CacheUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def take(self, key: Key, token: str, seconds: float) -> bool:
        """Whether the lease is now the token's."""
        name = redis_keys.lease(key)
        with unavailable():
            return bool(await self._redis.call(name, "SET", name, token, "NX", "PX", int(seconds * 1000)))

    async def renew(self, key: Key, token: str, seconds: float) -> bool:
        """Whether it still is, for so many seconds more."""
        name = redis_keys.lease(key)
        with unavailable():
            return bool(await self._redis.call(name, "EVAL", RENEW, 1, name, token, int(seconds * 1000)))

    async def release(self, key: Key, token: str) -> None:
        """Ends the token's lease."""
        name = redis_keys.lease(key)
        with unavailable():
            await self._redis.call(name, "EVAL", RELEASE, 1, name, token)

    async def held(self, key: Key) -> bool:
        """Whether anybody leads."""
        name = redis_keys.lease(key)
        with unavailable():
            return bool(await self._redis.call(name, "EXISTS", name))
