"""The tools that read the caller's documents: `retrieve` and `open_document`.

Both stay within the turn's question: its collections, as far as they are granted, and its conditions.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import Field

from ragents_client.v1.answer_pb2 import Question
from ragents_server.agents.tools.functions import tool_of
from ragents_server.agents.tools.tool import NOTHING, Outcome, Tool
from ragents_server.caller import Caller
from ragents_server.connections.postgres import is_unavailable
from ragents_server.errors import InvalidRequest, NotFound, RagentsError, StateUnavailable
from ragents_server.index.search import Scope
from ragents_server.index.texts import Part, Texts
from ragents_server.models.plain import clean
from ragents_server.rag.citations import source
from ragents_server.rag.retrieval import Found, Retriever

LONGEST_QUERY = 2_000  # characters
MOST_PASSAGES = 20


def retrieve(retriever: Retriever) -> Tool:
    """The tool `retrieve`."""

    async def retrieve(
        query: Annotated[str, Field(description="What to search for, as a question or in its words.")],
        caller: Caller,
        question: Question,
        collections: Annotated[
            list[str] | None, Field(description="Only these collections; leave it out to search all there are.")
        ] = None,
        top_k: Annotated[
            int | None, Field(ge=1, le=MOST_PASSAGES, description="How many passages; leave it out for the usual.")
        ] = None,
    ) -> Outcome:
        """Searches the user's documents and returns the passages that fit best, numbered for citation."""
        found = await search(retriever, question, caller, query, collections=collections, top_k=top_k)
        if not found.passages:
            return Outcome(NOTHING)
        places = dict.fromkeys(source(passage) for passage in found.passages)
        return Outcome(f"Found: {'; '.join(places)}.", found.passages)

    return tool_of(retrieve)


async def search(
    retriever: Retriever,
    question: Question,
    caller: Caller,
    query: str,
    *,
    collections: Sequence[str] | None = None,
    top_k: int | None = None,
) -> Found:
    """What is found for `query` within the turn's question; raises StateUnavailable when the database is away."""
    query = clean(query).strip()[:LONGEST_QUERY]
    if not query:
        raise InvalidRequest("the query is empty")
    asked = Question()
    asked.CopyFrom(question)
    asked.text = query
    asked.ClearField("collections")
    asked.collections.extend(_within(question, caller, collections))
    if top_k is not None:
        asked.top_k = top_k
    with _reading():
        return await retriever(asked, caller)


async def searched(retriever: Retriever, question: Question, caller: Caller, given: Mapping[str, Any]) -> Found:
    """What a call of `retrieve` with these arguments, which was made, finds."""
    collections, top_k = given.get("collections"), given.get("top_k")
    return await search(
        retriever,
        question,
        caller,
        str(given.get("query", "")),
        collections=None if collections is None else [str(name) for name in collections],
        top_k=None if top_k is None else int(top_k),
    )


def open_document(texts: Texts) -> Tool:
    """The tool `open_document`."""

    async def open_document(
        document: Annotated[str, Field(description="The document's name as passages show it, or its id.")],
        caller: Caller,
        question: Question,
        part: Annotated[int, Field(ge=1, le=100_000, description="Which part of a long document, from 1.")] = 1,
    ) -> Outcome:
        """Reads one of the user's documents, a part at a time, as passages numbered for citation."""
        document = clean(document).strip()
        scope = Scope(caller.tenant, tuple(_within(question, caller, None)), tuple(question.conditions))
        with _reading():
            found = await texts.read(scope, document, part)
            near = [] if found or not document else await texts.near(scope, document)
        if found is None:
            meant = f"; did you mean {' or '.join(near)}?" if near else ""
            raise NotFound(f"there is no such document{meant}")
        return Outcome(_told(found), found.passages, answers=True)

    return tool_of(open_document)


def _told(part: Part) -> str:
    if not part.passages:
        return f"{part.document.name} has {part.parts} parts; there is nothing in part {part.number}."
    return f"{part.document.name}, part {part.number} of {part.parts}."


def _within(question: Question, caller: Caller, chosen: Sequence[str] | None) -> list[str]:
    """The turn's collections, or those of them that were chosen; never one that is not granted (any more)."""
    granted = [name for name in question.collections if caller.may_use(name)]
    if chosen is None:
        return granted
    if unknown := [name for name in chosen if name not in granted]:
        raise InvalidRequest(f"there is no collection {unknown[0][:128]!r} here; there are: {', '.join(granted)}")
    return list(dict.fromkeys(chosen)) or granted


@contextmanager
def _reading() -> Iterator[None]:
    """Tells a database that is away as what it is: no failure of a tool, but the run cannot go on."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, RagentsError) and is_unavailable(error):
            raise StateUnavailable("the database is away, or whether it has the change is unknown") from error
        raise
