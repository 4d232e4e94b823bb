"""Whether a Redis may drop what it keeps to make room: then it must keep nothing that counts."""

import logging
from typing import Any

from ragents_server.connections.redis import Redis, RedisRefused
from ragents_server.errors import ConfigurationError

log = logging.getLogger(__name__)


async def require_noeviction(redis: Redis, setting: str, kept: str) -> None:
    """Raises ConfigurationError where it may drop keys, RedisUnavailable where it is away.

    The error names the setting, and what is kept there. A Redis that does not tell is believed, with a warning.
    """
    policy = await _asked(redis, "CONFIG", "GET", "maxmemory-policy") or await _asked(redis, "INFO", "memory")
    if policy is None:
        log.warning("%s: that Redis does not tell its maxmemory-policy, which must be noeviction", setting)
    elif policy != "noeviction":
        raise ConfigurationError(
            f"{setting}: that Redis drops {kept} when it is full (maxmemory-policy {policy}): "
            "set it to noeviction, or use another one"
        )


async def _asked(redis: Redis, *command: str) -> str | None:
    """The policy in the reply; redis-py gives it in one of several forms. None where the command is forbidden."""
    try:
        reply = await redis.call("ragents", *command)
    except RedisRefused:
        return None
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
    return {_text(name).replace("_", "-"): _text(value) for name, value in pairs}.get("maxmemory-policy")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
