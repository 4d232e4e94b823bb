"""What is looked at to know how a part is. No look asks a model's provider, whose answers cost money."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from ragents_client.v1.health_pb2 import (
    COMPONENT_STATE_DEGRADED,
    COMPONENT_STATE_DOWN,
    COMPONENT_STATE_OFF,
    COMPONENT_STATE_UNSPECIFIED,
    COMPONENT_STATE_UP,
    ComponentState,
)
from ragents_server.connections.breaker import State
from ragents_server.connections.redis import Redis, RedisRefused, RedisUnavailable
from ragents_server.models.upstream import Upstream

SLOW = 0.5  # seconds; a database that takes longer for nothing is not well

PROBE = """
SELECT current_setting('server_version') AS version,
       pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' AS read_only
"""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen."""

    state: ComponentState.ValueType
    detail: str  # one sentence, without secrets
    seconds: float = 0.0  # that its last answer took; 0 where it is not asked


class Part(Protocol):
    """One that is looked at. A look that raises or takes too long says that the part is down."""

    name: str

    async def look(self) -> Look:
        """How it is now."""
        ...

    async def aclose(self) -> None:
        """Gives back what it has open."""
        ...


class Told:
    """A part that knows itself how it is."""

    def __init__(self, name: str, tell: Callable[[], Look]) -> None:
        self.name = name
        self._tell = tell

    async def look(self) -> Look:
        """What it says."""
        return self._tell()

    async def aclose(self) -> None:
        """Nothing is open."""


class Database:
    """PostgreSQL, over a connection of its own: the pool's may all be at work, which is no fault of the database.

    `connect` opens one, an asyncpg connection.
    """

    name = "database"

    def __init__(self, connect: Callable[[], AbstractAsyncContextManager[Any]], *, embedded: bool) -> None:
        self.state: ComponentState.ValueType = COMPONENT_STATE_UNSPECIFIED  # as seen last
        self._connect = connect
        self._what = ", embedded" if embedded else ""
        self._opened: AbstractAsyncContextManager[Any] | None = None
        self._connection: Any = None

    async def look(self) -> Look:
        """Whether it answers, how fast, and whether it takes changes."""
        try:
            look = await self._look()
        except BaseException:
            self.state = COMPONENT_STATE_DOWN
            await self.aclose()
            raise
        self.state = look.state
        return look

    async def _look(self) -> Look:
        if self._connection is None:
            self._opened = self._connect()
            self._connection = await self._opened.__aenter__()
        began = time.monotonic()
        found = await self._connection.fetchrow(PROBE)
        seconds = time.monotonic() - began
        what = f"PostgreSQL {found['version'].split()[0]}{self._what}"
        if found["read_only"]:
            return Look(COMPONENT_STATE_DEGRADED, f"{what}, takes no changes: it is read-only", seconds)
        if seconds > SLOW:
            return Look(COMPONENT_STATE_DEGRADED, f"{what}, answers slowly", seconds)
        return Look(COMPONENT_STATE_UP, what, seconds)

    async def aclose(self) -> None:
        """At once: one that hangs does not say goodbye."""
        connection, self._connection, opened, self._opened = self._connection, None, self._opened, None
        if connection is not None:
            connection.terminate()
        if opened is not None and connection is not None:
            with suppress(Exception):
                await opened.__aexit__(None, None, None)


class SharedRedis:
    """A Redis; `without` is the state that the part is in while it is away, and `meanwhile` what happens then."""

    def __init__(self, name: str, redis: Redis, *, without: ComponentState.ValueType, meanwhile: str) -> None:
        self.name = name
        self._redis = redis
        self._without = without
        self._meanwhile = meanwhile

    async def look(self) -> Look:
        """Whether it answers; the first look that fails closes the way to it for all who use it."""
        began = time.monotonic()
        try:
            await self._redis.call("ragents", "EXISTS", "ragents")
        except RedisRefused:
            return Look(self._without, f"the Redis refuses requests: {self._meanwhile}")
        except RedisUnavailable:
            return Look(self._without, f"the Redis does not answer: {self._meanwhile}")
        seconds = time.monotonic() - began
        if self._redis.away:
            return Look(COMPONENT_STATE_DEGRADED, f"a server of the cluster is away: {self._meanwhile}", seconds)
        return Look(COMPONENT_STATE_UP, "Redis", seconds)

    async def aclose(self) -> None:
        """The connection is its users'."""


def models(upstreams: Sequence[Upstream], otherwise: str) -> Callable[[], Look]:
    """Of models in this order of choice, as their breakers tell; `otherwise` is done where there are none."""

    def tell() -> Look:
        if not upstreams:
            return Look(COMPONENT_STATE_OFF, otherwise)
        serving = next((one for one in upstreams if one.breaker.state is State.CLOSED), None)
        first = upstreams[0]
        if serving is first:
            return Look(COMPONENT_STATE_UP, first.model, first.usual)
        if serving is not None:
            said = f"{first.model} fails and is left alone for a while, {serving.model} answers meanwhile"
            return Look(COMPONENT_STATE_DEGRADED, said, serving.usual)
        if any(one.breaker.state is State.HALF_OPEN for one in upstreams):
            return Look(COMPONENT_STATE_DEGRADED, f"{first.model} failed and is on trial", first.usual)
        return Look(COMPONENT_STATE_DOWN, f"{first.model} fails and is left alone for a while")

    return tell


def always(state: ComponentState.ValueType, detail: str) -> Callable[[], Look]:
    """Of what is in this process, or not there."""
    return lambda: Look(state, detail)
