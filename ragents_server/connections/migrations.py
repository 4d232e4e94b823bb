"""Brings a database's schema up to this release: numbered SQL files, each applied once, by the first replica."""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources.abc import Traversable

import asyncpg

from ragents_server.connections.postgres import open_connection
from ragents_server.errors import ConfigurationError

LOCK = 7236834117920817  # any number that nobody else takes in this database: "ragents" on a telephone's keys, and some
LEAST_VECTOR = (0, 7)  # halfvec and sparsevec
STATEMENT_SECONDS = 600.0  # building an index on a large table; also how long a replica waits for the one that applies

TABLE = """
CREATE TABLE IF NOT EXISTS ragents_migrations (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: `NNNN_name.sql`."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Tell whether the file is still the one that was applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read(folder: Traversable) -> list[Migration]:
    """Return the folder's migrations in order; the numbers must differ, so that every release has the same order."""
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    numbers = [file.name[:4] for file in files if re.fullmatch(r"\d{4}_\w+\.sql", file.name)]
    if len(set(numbers)) != len(files):
        raise ValueError(f"not numbered NNNN_name.sql, or twice the same number: {[file.name for file in files]}")
    return [Migration(file.name.removesuffix(".sql"), file.read_text("utf-8")) for file in files]


async def migrate(url: str, folder: Traversable) -> list[str]:
    """Apply what is missing, each file in one transaction, and return the names applied by this call.

    Any number of replicas may call it at once. What a newer release has applied is left alone: schema changes expand
    first and contract a release later. Raises ConfigurationError when an applied file was changed since.
    """
    migrations = read(folder)
    async with open_connection(url, command_timeout=STATEMENT_SECONDS) as connection:
        applied = await _applied(connection)
        missing = [migration for migration in migrations if not _is_in(applied, migration)]
        return [migration.name for migration in missing if await _apply(connection, migration)]


async def require_vector(url: str) -> str:
    """Make sure that the database has the extension `vector`, new enough, and return its version."""
    async with open_connection(url, command_timeout=STATEMENT_SECONDS) as connection:
        try:
            async with connection.transaction():
                await _lock(connection)
                await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except asyncpg.InsufficientPrivilegeError as error:
            raise ConfigurationError(
                "the database has no extension vector and its user may not add it: "
                "a superuser has to run CREATE EXTENSION vector in it once"
            ) from error
        except (asyncpg.UndefinedFileError, asyncpg.FeatureNotSupportedError) as error:
            raise ConfigurationError(
                "the database server has no pgvector: install 0.7 or newer on it (Debian: postgresql-NN-pgvector)"
            ) from error
        version = await connection.fetchval("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    if _numbers(version) < LEAST_VECTOR:
        raise ConfigurationError(
            f"the database has pgvector {version}, not 0.7: install a newer one and run ALTER EXTENSION vector UPDATE"
        )
    return str(version)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


async def _applied(connection: asyncpg.Connection) -> dict[str, str]:
    if not await connection.fetchval("SELECT to_regclass('ragents_migrations')"):
        return {}
    rows = await connection.fetch("SELECT name, checksum FROM ragents_migrations")
    return {row["name"]: row["checksum"] for row in rows}


def _is_in(applied: dict[str, str], migration: Migration) -> bool:
    found = applied.get(migration.name)
    if found is not None and found != migration.checksum:
        raise ConfigurationError(
            f"migration {migration.name} was applied to this database with other text: "
            "install the release that made the database, or a newer one"
        )
    return found is not None


async def _apply(connection: asyncpg.Connection, migration: Migration) -> bool:
    """Apply it unless another replica did so while we waited for the lock, which ends with the transaction."""
    async with connection.transaction():
        await _lock(connection)
        await connection.execute(TABLE)
        if _is_in(await _applied(connection), migration):
            return False
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO ragents_migrations (name, checksum) VALUES ($1, $2)", migration.name, migration.checksum
        )
    return True


async def _lock(connection: asyncpg.Connection) -> None:
    """One replica at a time; and it must not stand for long in front of the queries of those that serve already."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
    await connection.execute("SET LOCAL lock_timeout = '30s'")
