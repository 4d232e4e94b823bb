"""The pool of connections to PostgreSQL, embedded or yours, and what it means when one fails."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg
from pgvector.asyncpg import register_vector

from ragents_server.errors import ConfigurationError

CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 5.0
IDLE_SECONDS = 300.0

SESSION = {
    "application_name": "ragents",
    "plan_cache_mode": "force_custom_plan",  # a generic plan ignores which tenant is asked for: 39 ms instead of 3.4
    "jit": "off",  # compiling costs more than any of our statements
}

# The state store is away, or the outcome of a statement is unknown.
UNAVAILABLE: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,  # a connection or pool that closed before or under the statement
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InsufficientResourcesError,  # too many connections, disk full, out of memory
    asyncpg.LockNotAvailableError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,  # a failover left us at the standby
)

# What no retry heals: the address or the credentials are wrong.
MISCONFIGURED: tuple[type[Exception], ...] = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.exceptions.ClientConfigurationError,
    ValueError,
)


def is_unavailable(error: BaseException) -> bool:
    """Tell whether the state store is away or the outcome unknown, rather than the statement or its arguments wrong."""
    return isinstance(error, UNAVAILABLE)


def is_refused(error: BaseException) -> bool:
    """Tell whether the server refused the statement as a whole, and stays: nothing of it was done."""
    return isinstance(error, asyncpg.PostgresError) and not is_unavailable(error)


class GuardedPool(asyncpg.Pool):  # type: ignore[misc] # asyncpg has no types
    """A pool whose way to the database is closed, and opened again, by whoever keeps watch over the database.

    Else every call would wait for as long as a statement may take, once for each that it makes.
    """

    away = False  # the database does not answer

    def acquire(self, *, timeout: float | None = None) -> Any:
        """A connection; at once one of UNAVAILABLE while the way is closed. Every statement begins here."""
        if self.away:
            raise ConnectionError("the database is away")
        return super().acquire(timeout=timeout)


@asynccontextmanager
async def open_pool(
    url: str, *, size: int = 10, command_timeout: float = 30.0, statement_cache: int = 100
) -> AsyncIterator[GuardedPool]:
    """Open at most `size` connections, none before it is needed: the server may be away, now or later.

    Open it after the migrations: vector codecs are registered where the extension exists when a connection is made.
    `statement_cache` is 0 behind a PgBouncer in transaction mode, as `?pgbouncer=true` on the URL says too. A session's
    settings and locks are not reset between users of a connection: use SET LOCAL and transaction-level locks only.

    A statement raises one of UNAVAILABLE while nothing answers.
    """
    address, arguments = _connecting(url, statement_cache)
    pool = GuardedPool(
        address,
        min_size=0,  # else asyncpg logs a traceback for each attempt to refill the pool while the server is away
        max_size=size,
        max_queries=50_000,
        loop=None,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        command_timeout=command_timeout,
        max_inactive_connection_lifetime=IDLE_SECONDS,
        init=_register,
        reset=_keep,
        **arguments,
    )
    await pool
    try:
        yield pool
    finally:
        await _closed(pool)


async def _closed(pool: asyncpg.Pool) -> None:
    """Let those who hold a connection give it back, but do not wait for them for ever."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await pool.close()
    except TimeoutError:
        pool.terminate()


@asynccontextmanager
async def open_connection(url: str, *, command_timeout: float) -> AsyncIterator[asyncpg.Connection]:
    """Open one connection of one's own, for what comes before the pool.

    Raises ConfigurationError when the URL, the user or the database is wrong, one of UNAVAILABLE when nothing answers.
    """
    address, arguments = _connecting(url, 0)
    async with _configured():
        connection = await asyncpg.connect(address, command_timeout=command_timeout, **arguments)
    try:
        yield connection
    finally:
        await connection.close(timeout=CLOSE_SECONDS)


def _connecting(url: str, statement_cache: int) -> tuple[str, dict[str, Any]]:
    """PgBouncer refuses session settings at connection time: there they belong to the role (ALTER ROLE … SET)."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    pooled = any(name == "pgbouncer" and value.lower() in ("true", "1") for name, value in query)
    address = parts._replace(query=urlencode([pair for pair in query if pair[0] != "pgbouncer"])).geturl()
    settings = {} if pooled else SESSION
    cache = 0 if pooled else statement_cache
    return address, {"timeout": CONNECT_SECONDS, "server_settings": settings, "statement_cache_size": cache}


@asynccontextmanager
async def _configured() -> AsyncIterator[None]:
    try:
        yield
    except MISCONFIGURED as error:
        # Only what the server said: text about a malformed URL may hold a part of its password.
        reason = (
            str(error) if isinstance(error, asyncpg.PostgresError) else "expected postgresql://user:password@host/name"
        )
        raise ConfigurationError(f"RAGENTS_DATABASE: {reason}") from error


async def _register(connection: asyncpg.Connection) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    schema = await connection.fetchval(
        "SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'"
    )
    if schema is not None:
        await register_vector(connection, schema=schema)


async def _keep(connection: asyncpg.Connection) -> None:
    """Save a round trip at each release; asyncpg itself has rolled an open transaction back by now."""
