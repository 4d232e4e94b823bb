"""The way to one Redis server: open until a request fails, then closed until a task of ours finds it answering."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from ragents_server.connections.breaker import Breaker, State

SHORTEST_PAUSE, LONGEST_PAUSE = 0.25, 5.0  # seconds between two looks at a server that is away

# Errors that say that the server cannot serve now, rather than that the command is wrong.
AWAY = ("BUSY", "LOADING", "MASTERDOWN", "CLUSTERDOWN")

T = TypeVar("T")

logger = logging.getLogger(__name__)


class RedisUnavailable(Exception):
    """Redis is away, too slow or not understood, and so is everybody's Redis call until it answers again."""


class RedisRefused(Exception):
    """A healthy Redis refuses this command: no memory left, read-only, not permitted, wrong type."""


class Tasks:
    """Tasks that end with their owner."""

    def __init__(self) -> None:
        self._running = set[asyncio.Task[Any]]()
        self._ended = False

    def spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Starts a task and keeps it; after the end it is cancelled before it begins."""
        task = asyncio.create_task(work)
        if self._ended:
            task.cancel()
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def end(self) -> None:
        """Cancels them all, and waits until they are gone."""
        self._ended = True
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class Guard:
    """Makes requests, each of `timeout` seconds at most; the first that fails for want of a server closes the way.

    `probe` asks the server something about the key of that request; no request of a caller ever is the trial.
    """

    def __init__(self, name: str, probe: Callable[[str], Awaitable[object]], *, timeout: float, tasks: Tasks) -> None:
        self._name = name
        self._probe = probe
        self._timeout = timeout
        self._tasks = tasks
        self._breaker = Breaker(
            pause=SHORTEST_PAUSE,
            longest=LONGEST_PAUSE,
            jitter=lambda: random.uniform(0.8, 1.0),  # noqa: S311 - spreads replicas, guards nothing
        )
        self._away = ""  # why

    @property
    def away(self) -> bool:
        """Whether the way is closed."""
        return self._breaker.state is not State.CLOSED

    async def ask(self, key: str, call: Callable[..., Awaitable[T]], *arguments: Any, **options: Any) -> T:
        """What the call gives. Raises RedisUnavailable or RedisRefused."""
        if self._breaker.state is not State.CLOSED:
            raise RedisUnavailable(self._away)
        try:
            async with asyncio.timeout(self._timeout) as limit:
                return await call(*arguments, **options)
        except TimeoutError:
            # Where our own loop was held up, the answer may have been there in time.
            late = asyncio.get_running_loop().time() - (limit.when() or 0.0)
            failure: Exception = RedisUnavailable("no answer in time")
            if late > self._timeout / 2:
                raise failure from None
        except Exception as error:  # noqa: BLE001 - only redis-py runs here, and a wrong reply may break it anywhere
            failure = meaning(error)
        if isinstance(failure, RedisUnavailable):
            self._close(key, failure)
        raise failure from None

    def _close(self, key: str, failure: RedisUnavailable) -> None:
        if self._breaker.state is State.CLOSED:
            self._breaker.failed()
            self._away = f"Redis at {self._name} is away: {failure}"
            logger.warning("%s", self._away)
            self._tasks.spawn(self._reopen(key))

    async def _reopen(self, key: str) -> None:
        while self._breaker.state is not State.CLOSED:
            await asyncio.sleep(self._breaker.retry_after())
            if self._breaker.allow():
                if await self._answers(key):
                    self._breaker.succeeded()
                else:
                    self._breaker.failed()
        logger.warning("Redis at %s is back", self._name)

    async def _answers(self, key: str) -> bool:
        """A refusal is an answer too."""
        try:
            await self._probe(key)
        except TimeoutError:
            return False
        except Exception as error:  # noqa: BLE001 - as above
            return isinstance(meaning(error), RedisRefused)
        return True


def meaning(error: Exception) -> RedisUnavailable | RedisRefused:
    """What an exception of redis-py says about the server."""
    from redis import exceptions

    if isinstance(error, exceptions.ResponseError | exceptions.DataError):
        # Which class an error has, and whether its text still begins with its code, depends on redis-py's release.
        word = getattr(error, "status_code", None) or str(error).partition(" ")[0]
        if word in AWAY:
            return RedisUnavailable(str(error))
        if word == "MOVED":
            return RedisRefused("the key is elsewhere: a cluster's URL begins with redis+cluster://")
        return RedisRefused(str(error))
    if isinstance(error, exceptions.ClusterError | exceptions.RedisClusterException):  # whose texts may show a command
        return RedisUnavailable(f"its cluster is not complete ({type(error).__name__})")
    return RedisUnavailable(f"{type(error).__name__}: {error}"[:200])
