"""SQL of a package: files in its `sql/`, each a series of statements headed by `-- name: …`."""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TypeAlias

import asyncpg
from asyncpg import Record
from asyncpg.pool import PoolConnectionProxy

Pool: TypeAlias = "asyncpg.Pool[Record]"
Connection: TypeAlias = "PoolConnectionProxy[Record]"


@cache
def read_statements(package: str, noun: str) -> Mapping[str, str]:
    """The statements of `package`/sql/`noun`.sql by name, read once."""
    text = (resources.files(package) / "sql" / f"{noun}.sql").read_text(encoding="utf-8")
    _, *parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))
