"""Collections: named sets of documents of one tenant, each with the one model that its vectors are made by."""

from collections.abc import Sequence
from dataclasses import dataclass

from ragents_client.v1.document_pb2 import Collection
from ragents_server.errors import ModelMismatch
from ragents_server.index.locks import collection_key
from ragents_server.index.page_tokens import after_token, page_token
from ragents_server.index.rows import to_collection
from ragents_server.index.statements import Connection, Pool, statements


@dataclass(frozen=True, slots=True)
class Home:
    """What a change of documents needs to know of their collection."""

    id: int
    embedding_model: str
    dimension: int
    generation: int
    pivot: float


class Collections:
    """The collections of all tenants; somebody else's are as absent as those that never were."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get(self, tenant: str, name: str) -> Collection | None:
        """One collection."""
        row = await self._pool.fetchrow(statements("collections")["get"], tenant, name)
        return to_collection(row) if row else None

    async def list(
        self, tenant: str, *, page_size: int, token: str = "", granted: Sequence[str] = ()
    ) -> tuple[list[Collection], str]:
        """A page of collections by name, of the granted ones where any are named, and the next page's token or ""."""
        after = after_token(token, "collections", tenant)
        only = list(granted) or None
        rows = await self._pool.fetch(statements("collections")["list"], tenant, after, only, page_size + 1)
        found = [to_collection(row) for row in rows[:page_size]]
        return found, page_token(found[-1].name, "collections", tenant) if len(rows) > page_size else ""

    async def delete(self, tenant: str, name: str) -> int | None:
        """Delete a collection with all that is in it; the number of documents, None where there was no collection."""
        sql = statements("collections")
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(sql["lock_alone"], collection_key(tenant, name))
            home = await find_home(connection, tenant, name)
            if home is None:
                return None
            await connection.execute(sql["remember_removals"], home.id)
            await connection.execute(sql["delete_counts"], home.id)
            await connection.execute(sql["delete_changes"], home.id)
            documents: int = await connection.fetchval(sql["delete"], home.id)
            return documents


async def find_home(connection: Connection, tenant: str, name: str) -> Home | None:
    """The collection as the current transaction sees it."""
    row = await connection.fetchrow(statements("collections")["find"], tenant, name)
    return Home(**row) if row else None


def require_model(name: str, stored: tuple[str, int], given: tuple[str, int]) -> None:
    """Raise ModelMismatch unless the collection's vectors are of the given model and dimension."""
    if stored != given:
        raise ModelMismatch(
            f"collection {name} was embedded by {stored[0]} ({stored[1]} dimensions), not by {given[0]} ({given[1]})"
        )
