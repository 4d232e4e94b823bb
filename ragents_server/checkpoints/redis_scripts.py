"""The scripts that a Redis runs for us, each a step that nothing comes between."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha1
from importlib import resources
from typing import Any

from ragents_server.checkpoints.redis_rows import keys
from ragents_server.connections.redis import Argument, Command, Redis, RedisRefused

PARTS = {"put": ("thread", "retain", "put"), "prune": ("thread", "retain", "prune")}  # of others: thread and their own
UNKNOWN = ("NOSCRIPT", "No matching script")  # how redis-py tells that a server does not have a script


@dataclass(frozen=True, slots=True)
class Script:
    """A script and what it is called by."""

    text: str
    digest: str


@cache
def read_script(name: str) -> Script:
    """From the files in `lua/`, read once."""
    folder = resources.files("ragents_server.checkpoints") / "lua"
    parts = PARTS.get(name, ("thread", name))
    text = "\n".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in parts)
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


@dataclass(frozen=True)
class Call:
    """A script to run on one thread."""

    name: str
    thread: str
    arguments: Sequence[Argument]

    @cached_property
    def keys(self) -> list[str]:
        """Of the thread."""
        return keys(self.thread)

    @property
    def size(self) -> int:
        """About so many bytes."""
        return sum(len(one) for one in self.arguments if isinstance(one, bytes))

    def command(self, *, whole: bool) -> Command:
        """By its digest, or as a whole for a server that does not know it."""
        script = read_script(self.name)
        head = ("EVAL", script.text) if whole else ("EVALSHA", script.digest)
        return (*head, len(self.keys), *self.keys, *self.arguments)


class Scripts:
    """Runs scripts; raises RedisUnavailable or RedisRefused. Where a script is unknown all of them are sent once more.

    A script that is run twice does nothing the second time.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def call(self, call: Call) -> Any:
        """The reply."""
        try:
            return await self._redis.call(call.keys[0], *call.command(whole=False))
        except RedisRefused as error:
            if not str(error).startswith(UNKNOWN):
                raise
        return await self._redis.call(call.keys[0], *call.command(whole=True))

    async def run(self, calls: Sequence[Call]) -> Sequence[Any]:
        """The replies to calls about threads of one server, in one round trip."""
        key = calls[0].keys[0]
        try:
            return await self._redis.pipeline(key, [call.command(whole=False) for call in calls])
        except RedisRefused as error:
            if not str(error).startswith(UNKNOWN):
                raise
        first = {call.name: at for at, call in reversed(list(enumerate(calls)))}
        commands = [call.command(whole=first[call.name] == at) for at, call in enumerate(calls)]
        return await self._redis.pipeline(key, commands)
