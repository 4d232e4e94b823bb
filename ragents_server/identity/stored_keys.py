"""API keys in the database: looked up by hash, trusted for a while, and how they are made, listed and revoked."""

import asyncio
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg

from ragents_server.caller import Caller
from ragents_server.connections.postgres import is_unavailable
from ragents_server.connections.statements import Connection, Pool, read_statements
from ragents_server.errors import Overloaded, StateUnavailable
from ragents_server.identity.tokens import TOKEN, hash_token, new_token

TRUST = 30.0  # seconds; with the time of a look-up, a revocation holds within a minute
REMEMBERED = 10_000  # keys, and as many that are none
LOOKUPS = 4  # at once, so that strangers never hold the whole pool
WAITING = 500  # look-ups in all; further ones are refused
LOOKUP_SECONDS = 5.0  # that one may take, its wait included


@dataclass(slots=True)
class _Known:
    caller: Caller | None
    until: float  # on the clock


class _Memory:
    """What the latest look-ups told; the least recently used makes room."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    def get(self, digest: bytes, now: float) -> _Known | None:
        """What is known and still to be trusted."""
        if (known := self._known.get(digest)) is None or known.until <= now:
            return None
        self._known.move_to_end(digest)
        return known

    def put(self, digest: bytes, known: _Known) -> None:
        """Remembers it as the most recently used."""
        self._known[digest] = known
        self._known.move_to_end(digest)
        while len(self._known) > self._size:
            self._known.popitem(last=False)

    def __len__(self) -> int:
        return len(self._known)


class StoredKeys:
    """Knows callers by the keys in the database.

    An answer is trusted for `trust` seconds, so long does a revoked key still pass at most. Callers with the same token
    share a look-up. Tokens that are none push out of memory only each other.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        trust: float = TRUST,
        remembered: int = REMEMBERED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._sql = read_statements("ragents_server.identity", "api_keys")
        self._trust = trust
        self._clock = clock
        self._keys, self._strangers = _Memory(remembered), _Memory(remembered)
        self._slots = asyncio.Semaphore(LOOKUPS)
        self._lookups: dict[bytes, asyncio.Task[Caller | None]] = {}

    async def authenticate(self, token: str) -> Caller | None:
        """The token's caller; StateUnavailable when the database is away, Overloaded when too many are looked up."""
        if TOKEN.fullmatch(token) is None:
            return None  # none of ours, whatever it is
        digest, now = hash_token(token), self._clock()
        if known := self._keys.get(digest, now) or self._strangers.get(digest, now):
            return known.caller
        if (lookup := self._lookups.get(digest)) is None:
            lookup = self._begin(digest)
        return await asyncio.shield(lookup)  # whoever leaves leaves the others theirs

    def _begin(self, digest: bytes) -> "asyncio.Task[Caller | None]":
        if len(self._lookups) >= WAITING:
            raise Overloaded("too many credentials are being looked up", retry_after=1.0)
        lookup = self._lookups[digest] = asyncio.create_task(self._look_up(digest), name="looking up a key")
        lookup.add_done_callback(lambda done: self._ended(digest, done))
        return lookup

    def _ended(self, digest: bytes, lookup: "asyncio.Task[Caller | None]") -> None:
        del self._lookups[digest]
        if not lookup.cancelled():
            lookup.exception()  # seen, though all who waited have left

    async def _look_up(self, digest: bytes) -> Caller | None:
        """Asks the database. Trust counts from before the question: what it tells may be as old."""
        try:
            async with asyncio.timeout(LOOKUP_SECONDS), self._slots:
                asked = self._clock()
                row = await self._pool.fetchrow(self._sql["find"], digest)
        except Exception as error:
            if is_unavailable(error) or isinstance(error, asyncpg.UndefinedTableError):  # not migrated yet
                raise StateUnavailable("the credential cannot be looked up now") from error
            raise
        if row is None or not hmac.compare_digest(row["sha256"], digest):
            self._strangers.put(digest, _Known(None, asked + self._trust))
            return None
        left = self._trust if row["seconds_left"] is None else min(self._trust, row["seconds_left"])
        caller = _caller(row)
        self._keys.put(digest, _Known(caller, asked + left))
        return caller

    async def aclose(self) -> None:
        """Ends the look-ups under way."""
        lookups = list(self._lookups.values())
        for lookup in lookups:
            lookup.cancel()
        if lookups:
            await asyncio.wait(lookups)


@asynccontextmanager
async def open_stored_keys(pool: Pool, *, trust: float) -> AsyncIterator[StoredKeys]:
    """The keys of the pool's database."""
    keys = StoredKeys(pool, trust=trust)
    try:
        yield keys
    finally:
        await keys.aclose()


async def create_key(
    connection: Connection, caller: Caller, *, label: str = "", expires_in: timedelta | None = None
) -> tuple[str, str]:
    """Stores a fresh key of the caller's; its id and its token, which nothing tells a second time."""
    key, token = f"key_{secrets.token_hex(8)}", new_token()
    await connection.execute(
        read_statements("ragents_server.identity", "api_keys")["create"],
        key,
        hash_token(token),
        caller.tenant,
        caller.user,
        sorted(caller.scopes),
        sorted(caller.collections),
        caller.priority,
        caller.quota,
        sorted(caller.tools),
        label,
        expires_in,
    )
    return key, token


async def list_keys(connection: Connection) -> list[dict[str, Any]]:
    """All keys, the oldest first, with neither their tokens nor the hashes of these."""
    rows = await connection.fetch(read_statements("ragents_server.identity", "api_keys")["list"])
    return [{"user" if name == "user_id" else name: value for name, value in row.items()} for row in rows]


async def revoke_key(connection: Connection, key: str) -> bool:
    """Revokes the key for good; whether there is one of this id."""
    found = await connection.fetchval(read_statements("ragents_server.identity", "api_keys")["revoke"], key)
    return found is not None


def _caller(row: Mapping[str, Any]) -> Caller:
    return Caller(
        tenant=row["tenant"],
        user=row["user_id"],
        scopes=frozenset(row["scopes"]),
        collections=frozenset(row["collections"]),
        priority=row["priority"],
        quota=row["quota"],
        tools=frozenset(row["tools"]),
    )
