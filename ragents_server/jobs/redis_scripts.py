"""The queue's keys in a Redis, and the scripts that it runs for us, each a step that nothing comes between.

All keys are of one slot: of a cluster one server has the whole queue.
"""

from functools import cache
from hashlib import sha1
from importlib import resources
from typing import Any

from ragents_server.connections.redis import Argument, Redis, RedisRefused

PREFIX = "ragents:{jobs}:"
QUEUE = tuple(
    PREFIX + name
    for name in ("seq", "ready:0", "ready:1", "ready:2", "ready:3", "away", "tokens", "tries", "dead", "counts")
)
AWAY, DEAD, COUNTS = QUEUE[5], QUEUE[8], QUEUE[9]
UNKNOWN = ("NOSCRIPT", "No matching script")  # how redis-py tells that a server does not have a script


def batch_keys(batch: str) -> tuple[str, str, str]:
    """Of one batch: its facts, its questions and their outcomes, by index."""
    return f"{PREFIX}batch:{batch}", f"{PREFIX}questions:{batch}", f"{PREFIX}outcomes:{batch}"


@cache
def read_script(name: str) -> tuple[str, str]:
    """The script's text and digest, from the files in `lua/`, read once."""
    folder = resources.files("ragents_server.jobs") / "lua"
    text = "\n".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in ("head", name))
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()


async def run_script(redis: Redis, name: str, batch: str, *arguments: Argument) -> Any:
    """Its reply; sent as a whole to a server that does not know it. An empty `batch` stands for none."""
    text, digest = read_script(name)
    keys = QUEUE if not batch else QUEUE + batch_keys(batch)
    try:
        return await redis.call(QUEUE[0], "EVALSHA", digest, len(keys), *keys, *arguments)
    except RedisRefused as error:
        if not str(error).startswith(UNKNOWN):
            raise
    return await redis.call(QUEUE[0], "EVAL", text, len(keys), *keys, *arguments)
