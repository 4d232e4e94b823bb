"""How many replicas share the limits: each tells a Redis every few seconds that it is there, and counts the others."""

import asyncio
import logging
import secrets

from ragents_server.connections.redis import Redis, RedisRefused, RedisUnavailable

KEY = "ragents:limits:replicas"
PAUSE = 1.0  # seconds
SILENT = 5.0  # seconds after which one has gone
COUNT = """
local now = redis.call('TIME')[1] * 1
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('EXPIRE', KEYS[1], 60)
return redis.call('ZCARD', KEYS[1])
"""

log = logging.getLogger(__name__)


class Replicas:
    """The number seen last; at least the `processes` of this server, each of which is one."""

    def __init__(self, redis: Redis, processes: int = 1) -> None:
        self._redis = redis
        self._name = secrets.token_hex(8)
        self._least = self._seen = processes

    def __call__(self) -> int:
        """How many there are."""
        return self._seen

    async def keep(self) -> None:
        """Tells and counts, for ever; while the Redis is away the last number holds."""
        while True:
            try:
                seen = int(await self._redis.call(KEY, "EVAL", COUNT, 1, KEY, self._name, int(SILENT)))
                self._seen = max(self._least, seen)
            except (RedisUnavailable, RedisRefused) as error:
                log.debug("replicas are not counted: %s", error)
            await asyncio.sleep(PAUSE)
