"""One put of a document inside its transaction."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from uuid import UUID

from ragents_client.v1.document_pb2 import (
    PUT_OUTCOME_CREATED,
    PUT_OUTCOME_UNCHANGED,
    PUT_OUTCOME_UPDATED,
    Document,
    PutOutcome,
)
from ragents_server.index.chunk import Chunk
from ragents_server.index.collections import Home, find_home, require_model
from ragents_server.index.lexical import PassageTerms, fitting_pivot, term_changes, weights
from ragents_server.index.locks import collection_key, document_key
from ragents_server.index.rows import to_document, to_json
from ragents_server.index.statements import Connection, statements
from ragents_server.index.terms import ANALYZER

LEASE = timedelta(minutes=2)
"""How long a put may take to make its vectors before somebody else does; each batch of vectors renews it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a put has left: the document, and the passages whose vectors are to be made for `generation`."""

    document: Document
    outcome: PutOutcome.ValueType
    generation: int
    passages: tuple[int, ...]  # ids in the order of the chunks; empty when the passages stayed as they were


def document_id(tenant: str, collection: str, name: str) -> str:
    """32 hexadecimal digits that depend on nothing but the three."""
    digest = hashlib.sha256()
    for part in (tenant.encode(), collection.encode(), name.encode()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:32]


class Put:
    """One put inside its transaction."""

    def __init__(
        self,
        connection: Connection,
        tenant: str,
        document: Document,
        chunks: Sequence[Chunk],
        analyzed: Sequence[PassageTerms],
    ) -> None:
        self._connection = connection
        self._tenant = tenant
        self._document = document
        self._chunks = chunks
        self._analyzed = analyzed
        self._id = UUID(hex=document_id(tenant, document.collection, document.name))
        self._metadata = to_json(document.metadata)
        self._sql = statements("documents")

    async def run(self, model: tuple[str, int]) -> tuple[Stored, int | None]:
        """The result, and the collection's new epoch where anything changed."""
        await hold(self._connection, self._tenant, self._document.collection, self._id.hex)
        home = await self._home(model)
        require_model(self._document.collection, (home.embedding_model, home.dimension), model)
        current = await self._connection.fetchrow(self._sql["current"], self._id, self._metadata)
        if current is not None and current["version"] == self._document.version:
            same = current["same_metadata"] and current["media_type"] == self._document.media_type
            return await self._keep(home, unchanged=same)
        return await self._replace(home, is_new=current is None)

    async def _home(self, model: tuple[str, int]) -> Home:
        """The first put makes the collection; nobody can delete it now, since the lock is shared."""
        tenant, name = self._tenant, self._document.collection
        if (home := await find_home(self._connection, tenant, name)) is not None:
            return home
        pivot = fitting_pivot(self._analyzed)
        await self._connection.execute(statements("collections")["create"], tenant, name, *model, ANALYZER, pivot)
        created = await find_home(self._connection, tenant, name)
        if created is None:
            raise RuntimeError(f"the collection {name} vanished under its lock")
        return created

    async def _keep(self, home: Home, *, unchanged: bool) -> tuple[Stored, int | None]:
        if unchanged:
            return await self._stored(home, PUT_OUTCOME_UNCHANGED, ()), None
        await self._connection.execute(
            self._sql["update_metadata"], self._id, self._metadata, self._document.media_type
        )
        stored = await self._stored(home, PUT_OUTCOME_UPDATED, ())
        return stored, await self._changed(home, 0, 0, 0)

    async def _replace(self, home: Home, *, is_new: bool) -> tuple[Stored, int | None]:
        gone = (0, 0) if is_new else await forget_passages(self._connection, self._id)
        await self._write_document(home)
        passages = await self._write_passages()
        await self._write_terms(home, passages)
        stored = await self._stored(home, PUT_OUTCOME_CREATED if is_new else PUT_OUTCOME_UPDATED, passages)
        added = sum(passage.length for passage in self._analyzed)
        return stored, await self._changed(home, int(is_new), len(passages) - gone[0], added - gone[1])

    async def _write_document(self, home: Home) -> None:
        document = self._document
        await self._connection.execute(
            self._sql["write"],
            self._id,
            home.id,
            document.name,
            document.version,
            document.media_type,
            document.size,
            self._metadata,
            len(self._chunks),
            LEASE,
        )

    async def _write_passages(self) -> tuple[int, ...]:
        rows = await self._connection.fetch(self._sql["reserve"], len(self._chunks))
        ids = tuple(row[0] for row in rows)
        records = [
            (
                identity,
                self._id,
                chunk.start,
                chunk.end,
                chunk.first_page,
                chunk.last_page,
                chunk.first_line,
                chunk.heading,
                chunk.text,
                list(chain.from_iterable(chunk.sentences)),
            )
            for identity, chunk in zip(ids, self._chunks, strict=True)
        ]
        await self._connection.copy_records_to_table("passages", records=records)
        return ids

    async def _write_terms(self, home: Home, passages: Sequence[int]) -> None:
        records = [
            (identity, home.id, self._id, terms.length, home.pivot, list(terms.keys), weights(terms, home.pivot))
            for identity, terms in zip(passages, self._analyzed, strict=True)
        ]
        await self._connection.copy_records_to_table("passage_terms", records=records)
        changes = list(term_changes(home.id, self._analyzed))
        await self._connection.copy_records_to_table("term_changes", records=changes)

    async def _changed(self, home: Home, *by: int) -> int:
        epoch: int = await self._connection.fetchval(statements("collections")["changed"], home.id, *by)
        return epoch

    async def _stored(self, home: Home, outcome: PutOutcome.ValueType, passages: tuple[int, ...]) -> Stored:
        row = await self._connection.fetchrow(self._sql["get"], self._id, self._tenant)
        if row is None:
            raise RuntimeError(f"the document {self._id.hex} vanished under its lock")
        return Stored(to_document(row), outcome, home.generation, passages)


async def hold(connection: Connection, tenant: str, collection: str, document: str) -> None:
    await connection.execute(
        statements("collections")["lock"], collection_key(tenant, collection), document_key(document)
    )


async def forget_passages(connection: Connection, document: UUID) -> tuple[int, int]:
    """Delete the passages of a document; how many they were, and their summed length."""
    sql = statements("documents")
    await connection.execute(sql["remember_removal"], document)
    await connection.execute(sql["forget_terms"], document)
    row = await connection.fetchrow(sql["measure"], document)
    await connection.execute(sql["delete_passages"], document)
    return (row["passages"], row["terms"]) if row else (0, 0)
