"""Limits in a Redis that all replicas share: one script decides, on the server's clock, in one slot of a cluster.

Decisions that wait at the same time share one round trip.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import cache
from hashlib import blake2b, sha1
from importlib import resources
from typing import Any

from ragents_server.connections.redis import Argument, Command, Redis, RedisUnavailable
from ragents_server.limits.law import Asked, Bucket, Decision, Owner, calls_at_once
from ragents_server.limits.local import PROMISED

PREFIX = "ragents:limits"
MOST_WAITING = 10_000
MOST_TOGETHER = 128  # in one round trip
MICRO = 1e6  # microseconds a second

Waiting = tuple[str, Sequence[Argument], "asyncio.Future[Any]"]  # the script, its keys and arguments, the reply


class SharedLimiter:
    """Raises RedisUnavailable and RedisRefused."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._lines: dict[str, _Line] = {}  # of each server

    async def decide(self, asked: Asked) -> Decision:
        """Takes all tokens, or none."""
        arguments: list[Argument] = [asked.cost, _micro(asked.most_wait), asked.lease, _micro(asked.seconds)]
        arguments += [*asked.concurrency, _micro(PROMISED)]
        for bucket in asked.buckets:
            arguments += [1 + bucket.of_tenant, bucket.name, f"{bucket.interval * MICRO:.6f}", bucket.capacity]
        reply = await self._run("decide", asked.owner, arguments)
        admitted, wait, place, remaining, reset = map(int, reply)
        told, number = "", 0
        if place < 0:
            number = asked.concurrency[-place - 1]
            told = calls_at_once(number, of_tenant=place == -2)
        elif asked.buckets:
            told, number = asked.buckets[place].told, asked.buckets[place].limit
        return Decision(bool(admitted), wait / MICRO, told, number, remaining, reset / MICRO, place < 0)

    async def settle(self, owner: Owner, buckets: Sequence[Bucket], tokens: int, lease: str = "") -> None:
        """Takes so many tokens more, or gives them back where the number is negative; ends the lease."""
        arguments: list[Argument] = [tokens, lease]
        for bucket in buckets:
            arguments += [1 + bucket.of_tenant, bucket.name, f"{bucket.interval * MICRO:.6f}"]
        await self._run("settle", owner, arguments)

    async def _run(self, script: str, owner: Owner, arguments: Sequence[Argument]) -> Any:
        keys = keys_of(owner)
        server = self._redis.server(keys[0])
        line = self._lines.get(server)
        if line is None:
            line = self._lines[server] = _Line(self._redis)
        return await line.ask((script, (*keys, *arguments), asyncio.get_running_loop().create_future()))


class _Line:
    """Those who wait for one server; one round trip at a time, the more share the next one."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting = deque[Waiting]()
        self._task: asyncio.Task[None] | None = None

    async def ask(self, one: Waiting) -> Any:
        if len(self._waiting) >= MOST_WAITING:
            raise RedisUnavailable("too many decisions wait")
        self._waiting.append(one)
        if self._task is None or self._task.done():
            self._task = self._redis.spawn(self._send())
            self._task.add_done_callback(self._ended)
        return await one[2]

    async def _send(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(MOST_TOGETHER, len(self._waiting)))]
            batch = [one for one in batch if not one[2].done()]
            try:
                if batch:
                    replies = await self._redis.pipeline(str(batch[0][1][0]), _commands(batch))
                    for (_, _, future), reply in zip(batch, replies, strict=True):
                        if not future.done():
                            future.set_result(reply)
            except Exception as error:  # noqa: BLE001 - whoever waits is told, whatever it is
                _fail(batch, error)
            finally:
                _fail(batch, RedisUnavailable("the connections to Redis were closed"))

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """One that is cancelled before it begins runs nothing."""
        if task.cancelled():
            _fail(list(self._waiting), RedisUnavailable("the connections to Redis were closed"))
            self._waiting.clear()


def keys_of(owner: Owner) -> tuple[str, str, str, str]:
    """Of the user's and the tenant's buckets and leases; all in the tenant's slot, whatever the names hold."""
    tenant, user = _short(owner.tenant), _short(f"{owner.tenant}\0{owner.user}")
    tag = f"{PREFIX}:{{{tenant}}}"
    return f"{tag}:u:{user}", f"{tag}:t", f"{tag}:ul:{user}", f"{tag}:tl"


def _short(name: str) -> str:
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _commands(batch: Sequence[Waiting]) -> list[Command]:
    """The first call of each script brings its text, so that the server knows it."""
    brought, commands = set[str](), list[Command]()
    for name, arguments, _ in batch:
        text, digest = _script(name)
        head = ("EVALSHA", digest) if name in brought else ("EVAL", text)
        brought.add(name)
        commands.append((*head, 4, *arguments))
    return commands


@cache
def _script(name: str) -> tuple[str, str]:
    text = (resources.files("ragents_server.limits") / "lua" / f"{name}.lua").read_text(encoding="utf-8")
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()


def _fail(batch: Sequence[Waiting], error: Exception) -> None:
    for _, _, future in batch:
        if not future.done():
            future.set_exception(error)
            future.exception()  # seen: whoever is cancelled right now never looks


def _micro(seconds: float) -> int:
    return int(min(max(seconds, 0.0), 1e9) * MICRO)
