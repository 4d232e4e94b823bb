"""`ragents-server keys`: makes, lists and revokes API keys, on the database itself."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ragents_server.caller import Caller
from ragents_server.connections.postgres import is_unavailable, open_pool
from ragents_server.connections.statements import Connection
from ragents_server.errors import ConfigurationError, RagentsError, StateUnavailable
from ragents_server.identity.stored_keys import create_key, list_keys, revoke_key
from ragents_server.operations import migrate_schema, say
from ragents_server.settings import Settings
from ragents_server.wiring import database

COLUMNS = (
    "id",
    "state",
    "tenant",
    "user",
    "scopes",
    "collections",
    "priority",
    "quota",
    "tools",
    "label",
    "created",
    "expires",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key to be made."""

    caller: Caller
    label: str
    expires_in: timedelta | None


async def create(settings: Settings, wanted: Wanted, *, as_json: bool) -> int:
    """Makes a key; its token goes to standard output, this once, and its id to standard error."""
    async with _connected(settings) as connection:
        key, token = await create_key(connection, wanted.caller, label=wanted.label, expires_in=wanted.expires_in)
    if as_json:
        say(json.dumps({"id": key, "token": token}))
    else:
        say(token)
        _tell(f"made {key}")
    if "keys" not in settings.identities:
        _tell("a server honours it with RAGENTS_IDENTITY=keys")
    return 0


async def show(settings: Settings, *, as_json: bool) -> int:
    """Lists all keys, with neither tokens nor hashes."""
    async with _connected(settings) as connection:
        now = await connection.fetchval("SELECT now()")
        keys = [{"state": _state(key, now)} | key for key in await list_keys(connection)]
    if as_json:
        say(json.dumps(keys, default=datetime.isoformat))
        return 0
    say("\t".join(COLUMNS))
    for key in keys:
        say("\t".join(_cell(key[name]) for name in COLUMNS))
    return 0


async def revoke(settings: Settings, key: str) -> int:
    """Revokes a key; 1 when there is none of this id."""
    async with _connected(settings) as connection:
        found = await revoke_key(connection, key)
    say(f"revoked {key}; servers refuse it within a minute" if found else f"there is no key {key}")
    return 0 if found else 1


def _state(key: dict[str, Any], now: datetime) -> str:
    if key["revoked"] is not None:
        return "revoked"
    return "expired" if key["expires"] is not None and key["expires"] <= now else "active"


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return ",".join(value) if isinstance(value, list) else str(value or "")


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[Connection]:
    """A connection to the database, brought up to this release; beside an embedded server to that server's own."""
    async with database(settings, beside_server=True) as url:
        try:
            await migrate_schema(url)
            async with (
                open_pool(url, size=1, command_timeout=settings.database_timeout) as pool,
                pool.acquire() as connection,
            ):
                yield connection
        except Exception as error:
            if isinstance(error, (RagentsError, ConfigurationError)) or not is_unavailable(error):
                raise
            raise StateUnavailable("the database does not answer") from error


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - the command's own voice
