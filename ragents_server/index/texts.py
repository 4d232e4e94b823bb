"""The stored text of a document, put together again from its passages."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from ragents_client.v1.answer_pb2 import Passage, Span
from ragents_client.v1.document_pb2 import Document
from ragents_server.index.conditions import to_filter
from ragents_server.index.rows import Row, to_struct
from ragents_server.index.search import Scope
from ragents_server.index.statements import Pool, statements

PART = 8_000  # bytes of a document's text in which the passages of one part begin
NEAR = 5  # names


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a document's text: passages in their order, none of which repeats the one before."""

    document: Document
    number: int  # from 1
    parts: int
    passages: tuple[Passage, ...]


class Texts:
    """Reads what is stored of documents; somebody else's are as absent as those that never were."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, scope: Scope, document: str, number: int) -> Part | None:
        """Part `number` of the document with this name or id; without passages behind the end, None without document.

        It is of one version: where a put comes in between there are no passages.
        """
        conditions = to_filter(scope.conditions, given=4)
        sql = statements("texts")
        find = sql["find"].format(conditions=conditions.sql)
        arguments = (scope.tenant, list(scope.collections), _id(document), document, *conditions.arguments)
        row = await self._pool.fetchrow(find, *arguments)
        if row is None:
            return None
        found = Document(
            id=row["id"].hex,
            collection=row["collection"],
            name=row["name"],
            media_type=row["media_type"],
            metadata=to_struct(row["metadata"]),
        )
        size: int = await self._pool.fetchval(sql["size"], row["id"])
        start = (number - 1) * PART
        rows = await self._pool.fetch(sql["read"], row["id"], row["version"], start, start + PART)
        passages = tuple(_passages(rows, found, row["version"]))
        return Part(found, number, max(1, -(-size // PART)), passages)

    async def near(self, scope: Scope, name: str) -> list[str]:
        """Names of documents that hold `name`."""
        conditions = to_filter(scope.conditions, given=4)
        sql = statements("texts")["near"].format(conditions=conditions.sql)
        rows = await self._pool.fetch(sql, scope.tenant, list(scope.collections), name, NEAR, *conditions.arguments)
        return [row["name"] for row in rows]


def _id(document: str) -> UUID | None:
    try:
        return UUID(hex=document)
    except ValueError:
        return None


def _passages(rows: Iterable[Row], document: Document, version: str) -> Iterator[Passage]:
    """The rows as passages, each from where those before it end."""
    for row in rows:
        passage = Passage(
            document=document,
            version=version,
            first_page=row["first_page"],
            last_page=row["last_page"],
            first_line=row["first_line"],
            heading=row["heading"],
            span=Span(start=row["span_start"], end=row["span_end"]),
            text=row["text"],
        )
        _begin(passage, row["told"])
        if passage.text.strip():
            yield passage


def _begin(passage: Passage, start: int) -> None:
    """Cuts off what stands before byte `start` of the document."""
    repeated = passage.text.encode()[: max(0, start - passage.span.start)].decode(errors="ignore")
    passage.text = passage.text[len(repeated) :]
    passage.span.start += len(repeated.encode())
    if passage.first_line:
        passage.first_line += repeated.count("\n")
