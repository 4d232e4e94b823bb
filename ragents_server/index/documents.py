"""Documents and their passages: put, get, list and delete, each in one transaction."""

import asyncio
import logging
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from ragents_client.v1.document_pb2 import Document
from ragents_server.index.chores import chores_due, do_chores
from ragents_server.index.chunk import Chunk
from ragents_server.index.collections import find_home
from ragents_server.index.lexical import Keys
from ragents_server.index.page_tokens import after_token, page_token
from ragents_server.index.put import Put, Stored, forget_passages, hold
from ragents_server.index.rows import to_document
from ragents_server.index.statements import Connection, Pool, statements

log = logging.getLogger(__name__)


class Documents:
    """The documents of all tenants; somebody else's are as absent as those that never were."""

    def __init__(self, pool: Pool, *, embedding_model: str, dimension: int) -> None:
        self._pool = pool
        self._model = (embedding_model, dimension)

    async def put(self, tenant: str, document: Document, chunks: Sequence[Chunk]) -> Stored:
        """Store a document with its passages, searchable by words from the commit on.

        Of `document` collection, name, version, media_type, size and metadata are read. The same version is not stored
        again, at most its metadata. Raises ModelMismatch, or InvalidRequest for metadata that JSON cannot hold.
        """
        keys = Keys(tenant, document.collection)
        analyzed = await asyncio.to_thread(keys.analyze, [chunk.words for chunk in chunks])
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                put = Put(connection, tenant, document, chunks, analyzed)
                stored, epoch = await put.run(self._model)
            if epoch is not None and chores_due(epoch):
                await self._do_chores(connection, tenant, document.collection)
        return stored

    async def _do_chores(self, connection: Connection, tenant: str, collection: str) -> None:
        """The put is committed: whatever happens here, the next chores make up for it."""
        try:
            await do_chores(connection, tenant, collection)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            log.warning("folding term counts failed, the next change tries again: %s", error)

    async def get(self, tenant: str, document: str) -> Document | None:
        """A document by its id; None for what is no id at all."""
        try:
            identity = UUID(hex=document)
        except ValueError:
            return None
        row = await self._pool.fetchrow(statements("documents")["get"], identity, tenant)
        return to_document(row) if row else None

    async def list(
        self, tenant: str, collection: str, *, prefix: str = "", page_size: int, token: str = ""
    ) -> tuple[list[Document], str]:
        """A page of documents whose names begin with `prefix`, in byte order of names, and the next token or ""."""
        listing = ("documents", tenant, collection, prefix)
        after = after_token(token, *listing)
        rows = await self._pool.fetch(statements("documents")["list"], tenant, collection, prefix, after, page_size + 1)
        found = [to_document(row) for row in rows[:page_size]]
        return found, page_token(found[-1].name, *listing) if len(rows) > page_size else ""

    async def delete(self, tenant: str, document: str) -> bool:
        """Delete a document with all that belongs to it; False where there was none."""
        found = await self.get(tenant, document)
        if found is None:
            return False
        sql = statements("documents")
        async with self._pool.acquire() as connection, connection.transaction():
            await hold(connection, tenant, found.collection, document)
            home = await find_home(connection, tenant, found.collection)
            if home is None or not await connection.fetchval(sql["exists"], UUID(hex=document)):
                return False
            passages, terms = await forget_passages(connection, UUID(hex=document))
            await connection.execute(sql["delete"], UUID(hex=document))
            await connection.execute(statements("collections")["changed"], home.id, -1, -passages, -terms)
        return True
