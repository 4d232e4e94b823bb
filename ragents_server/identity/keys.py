"""Static API keys: a file that maps the SHA-256 of a token to its caller."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ragents_server.caller import PRIORITIES, SCOPES, Caller
from ragents_server.errors import ConfigurationError
from ragents_server.identity.tokens import hash_token

HASH = re.compile(r"[0-9a-f]{64}")
FIELDS = {"tenant", "user", "scopes", "collections", "priority", "quota", "tools"}


class Keys:
    """Knows a caller by the hash of the token; a token itself is nowhere kept."""

    def __init__(self, callers: Mapping[str, Caller]) -> None:
        self._callers = dict(callers)

    async def authenticate(self, token: str) -> Caller | None:
        """The token's caller. The look-up is by hash, so its time tells nothing about a token."""
        return self._callers.get(hash_token(token).hex())


def read_keys(path: Path) -> Keys:
    """Reads `{"<sha256>": {"tenant": …, "user": …, "scopes": […], …}}`; ConfigurationError says what is wrong."""
    try:
        rows = json.loads(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"RAGENTS_KEYS: cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise ConfigurationError(f"RAGENTS_KEYS: {path} is not JSON") from None
    if not isinstance(rows, dict) or not rows:
        raise ConfigurationError(f"RAGENTS_KEYS: {path} must map SHA-256 hashes of tokens to callers")
    return Keys({key: _caller(key, row) for key, row in rows.items()})


def _caller(key: str, row: Any) -> Caller:
    """One row as a Caller; the hash is shortened in errors."""
    where = f"RAGENTS_KEYS: key {key[:8]}…"
    if not HASH.fullmatch(key):
        raise ConfigurationError(f"{where} is not a SHA-256 in 64 lower-case hexadecimal digits")
    if not isinstance(row, dict) or not isinstance(row.get("tenant"), str) or not row["tenant"]:
        raise ConfigurationError(f"{where} needs a tenant")
    if unknown := set(row) - FIELDS:
        raise ConfigurationError(f"{where} has the unknown field {min(unknown)!r}")
    scopes, collections = _texts(row.get("scopes", ["ask"])), _texts(row.get("collections", []))
    if scopes is None or not scopes <= set(SCOPES):
        raise ConfigurationError(f"{where}: scopes must be a list of {', '.join(SCOPES)}")
    if collections is None:  # a bare string would grant its letters
        raise ConfigurationError(f"{where}: collections must be a list of names")
    tools = _texts(row.get("tools", []))
    if tools is None:  # a misread list would allow every tool
        raise ConfigurationError(f"{where}: tools must be a list of names")
    if not all(isinstance(row.get(name, "x"), str) and row.get(name, "x") for name in ("user", "quota")):
        raise ConfigurationError(f"{where}: user and quota must be text")
    priority = row.get("priority", "NORMAL")
    if priority not in PRIORITIES:
        raise ConfigurationError(f"{where}: priority must be one of {', '.join(PRIORITIES)}")
    return Caller(
        tenant=row["tenant"],
        user=str(row.get("user", row["tenant"])),
        scopes=scopes,
        collections=collections,
        priority=priority,
        quota=str(row.get("quota", "default")),
        tools=tools,
    )


def _texts(given: Any) -> frozenset[str] | None:
    """A list of texts as a set, None for anything else."""
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        return None
    return frozenset(given)
