"""Files that say who callers are: JSON, from what names a credential to its caller."""

import json
from pathlib import Path
from typing import Any

from ragents_server.caller import PRIORITIES, SCOPES, Caller
from ragents_server.errors import ConfigurationError

FIELDS = {"tenant", "user", "scopes", "collections", "priority", "quota", "tools"}


def read_rows(path: Path, *, setting: str, names: str) -> dict[str, Any]:
    """The rows of a setting's file by `names`, at least one; ConfigurationError says what is wrong."""
    try:
        rows = json.loads(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"{setting}: cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise ConfigurationError(f"{setting}: {path} is not JSON") from None
    if not isinstance(rows, dict) or not rows:
        raise ConfigurationError(f"{setting}: {path} must map {names} to callers")
    return rows


def caller_in(row: Any, where: str) -> Caller:
    """One row as a Caller; `where` begins the ConfigurationError."""
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
