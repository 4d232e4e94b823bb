"""Which fields the documents of some collections have, as far as a bounded sample of them tells."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from ragents_server.index.statements import Pool, statements

SAMPLE = 1000  # documents, of all collections together
NAME = 64  # characters of a field's name
VALUE = 80  # characters of a value that is told
VALUES = 20  # of a field
FIELDS = 64
NAMED = 20  # documents found by name
REMEMBERED = 256

Kind = Literal["string", "number", "bool"]
_KINDS: dict[str, Kind] = {"string": "string", "number": "number", "boolean": "bool"}


@dataclass(frozen=True, slots=True)
class Field:
    """A field by which documents can be chosen.

    A field with values of two kinds is two of these. `values` are the most frequent short ones, as they are stored;
    `complete`: no document has another one. `dates`: all values are dates of ISO 8601, perhaps of a year or a month.
    """

    name: str
    kind: Kind
    values: tuple[str, ...] = ()
    complete: bool = False
    dates: bool = False


class Fields:
    """The fields of all tenants' documents. What was read is kept for as long as the collections do not change."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._kept: OrderedDict[tuple[str, tuple[tuple[int, int], ...]], tuple[Field, ...]] = OrderedDict()

    async def of(self, tenant: str, collections: Sequence[str]) -> tuple[Field, ...]:
        """Those of the collections, the ones that most documents have first; `media_type` before all."""
        sql = statements("fields")
        rows = await self._pool.fetch(sql["scope"], tenant, list(set(collections)))
        if not rows:
            return ()
        key = tenant, tuple((row["id"], row["epoch"]) for row in rows)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        each = max(SAMPLE // len(rows), 1)
        whole = all(row["documents"] <= each for row in rows)
        found = await self._pool.fetch(
            sql["sampled"], tenant, [row["id"] for row in rows], each, NAME, VALUE, VALUES, FIELDS
        )
        fields = tuple(
            Field(
                name=row["key"],
                kind=_KINDS[row["kind"]],
                values=tuple(row["values"] or ()),
                complete=whole and row["several"] <= len(row["values"] or ()),
                dates=row["dates"],
            )
            for row in found
            if row["own"] or row["key"] not in {"media_type", "name"}  # which cannot be asked for
        )
        self._kept[key] = fields
        if len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)
        return fields

    async def named(self, tenant: str, collections: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
        """The full names of documents that are called so in any case, with or without folders; at most `NAMED`."""
        wanted = [name.lower() for name in names if "\0" not in name]
        if not wanted:
            return ()
        rows = await self._pool.fetch(statements("fields")["named"], tenant, list(set(collections)), wanted, NAMED)
        return tuple(cast(str, row["name"]) for row in rows)
