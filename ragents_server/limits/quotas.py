"""Quotas: what each class of callers may use, from plain settings and a file of one's own."""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ragents_server.errors import ConfigurationError
from ragents_server.limits.law import Quota

DEFAULT, LOCAL = "default", "local"
NAMES = {field.name for field in fields(Quota)}
MOST = 10**9


class Quotas:
    """Quotas by class; a class that nobody has set is `default`, and `local` has no limits unless it is set."""

    def __init__(self, usual: Quota, own: Mapping[str, Quota | None]) -> None:
        self._usual = own.get(DEFAULT) or usual
        self._own: dict[str, Quota | None] = {LOCAL: None, **own}

    def of(self, name: str) -> Quota | None:
        """The quota of a class, None where it has no limits."""
        return self._own.get(name, self._usual)

    def shared_by(self, processes: int, *, named: bool) -> "Quotas":
        """What each of so many processes gives out by itself, so that all together never exceed a limit.

        `named`: callers have credentials, so that other classes than `local` count. Raises ConfigurationError for a
        limit that is too small to be shared.
        """
        if processes == 1:
            return self
        counting = self._own if named else {LOCAL: self._own[LOCAL]}
        shares: dict[str, Quota | None] = {
            name: quota and _share(name, quota, processes) for name, quota in counting.items()
        }
        return Quotas(_share(DEFAULT, self._usual, processes) if named else self._usual, shares)


def _share(name: str, quota: Quota, processes: int) -> Quota:
    for field in fields(quota):
        if 0 < (limit := getattr(quota, field.name)) < processes:
            raise ConfigurationError(
                f"RAGENTS_PROCESSES: {processes} processes cannot share the quota {name}'s {field.name} of {limit}; "
                "set RAGENTS_LIMITS, or fewer processes"
            )
    return quota.share(processes)


def read_quotas(path: Path | None, usual: Quota) -> Quotas:
    """Reads `{"gold": {"requests_per_minute": 600, …}}`; what is not named there is as usual.

    Raises ConfigurationError.
    """
    if path is None:
        return Quotas(usual, {})
    try:
        rows = json.loads(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"RAGENTS_QUOTAS: cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise ConfigurationError(f"RAGENTS_QUOTAS: {path} is not JSON") from None
    if not isinstance(rows, dict):
        raise ConfigurationError(f"RAGENTS_QUOTAS: {path} must map classes to their limits")
    return Quotas(usual, {name: _quota(name, row, usual) for name, row in rows.items()})


def _quota(name: str, row: Any, usual: Quota) -> Quota:
    if not isinstance(row, dict):
        raise ConfigurationError(f"RAGENTS_QUOTAS: {name} must be an object of limits")
    if unknown := set(row) - NAMES:
        known = ", ".join(sorted(NAMES))
        raise ConfigurationError(f"RAGENTS_QUOTAS: {name} has the unknown limit {min(unknown)!r}; known: {known}")
    for limit, value in row.items():
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
            raise ConfigurationError(f"RAGENTS_QUOTAS: {name}: {limit} must be a whole number, 0 for none")
    return Quota(**{limit: row.get(limit, getattr(usual, limit)) for limit in NAMES})
