"""Puts documents into a server and asks it questions, many at once but bounded, and says how far it is."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from ragents_client import AsyncClient, PutEvent, between
from ragents_client.uploads import Source
from ragents_client.v1 import Answer, Passage

AT_ONCE = 8  # questions under way
EVERY = 10.0  # seconds between signs of life
MOST = 100  # passages that may be asked for
PART = 250  # documents that are asked apart from the others

Item = TypeVar("Item")
Result = TypeVar("Result")


class PutError(Exception):
    """A document that holds text was refused: the figures would not be those of the set."""


class Service:
    """One collection of a running server; `name` is the set's, for what is said meanwhile."""

    def __init__(self, client: AsyncClient, name: str, collection: str) -> None:
        self._client = client
        self._name = name
        self._collection = collection
        self.documents: dict[str, str] = {}  # the set's own ids by the names on the server
        self.passages = 0
        self.cut = 0  # documents of several passages

    async def put_texts(self, texts: Mapping[str, str]) -> None:
        """Puts texts by id; those without a word are left out."""
        self.documents |= {f"{quote(name, safe='')}.txt": name for name, text in texts.items() if text.strip()}
        await self._put([Source(name, texts[own].encode()) for name, own in self.documents.items()])

    async def put_files(self, files: Mapping[str, Path]) -> None:
        """Puts files by name."""
        self.documents |= {name: name for name in files}
        await self._put([Source(name, path) for name, path in files.items()])

    async def _put(self, sources: Sequence[Source]) -> None:
        progress = Progress(f"{self._name}: put", len(sources))

        def told(event: PutEvent) -> None:
            if event.is_result:
                progress.step()

        results = await self._client.put_documents(sources, collection=self._collection, progress=told)
        for result in results:
            if result.document is None:
                failure = result.failure.message if result.failure else "no result"
                raise PutError(f"{self._name}: {result.name}: {failure}")
            self.passages += result.document.passages
            self.cut += result.document.passages > 1
        progress.end()

    async def retrieve(self, questions: Iterable[str]) -> list[list[Passage]]:
        """The best 100 passages for each question, by fused score."""

        async def ask(question: str) -> list[Passage]:
            return await self._client.retrieve(question, collections=self._collection, top_k=MOST)

        return await in_order(f"{self._name}: retrieve", ask, list(questions))

    async def lexical(self, questions: Sequence[str]) -> list[list[tuple[str, float]]]:
        """Documents with the BM25 of their passages, for each question, from 250 documents at a time.

        The 100 best by fused score miss some of the best by BM25 alone where there are many more; of 250 they do not.
        Conditions change what is searched, not how rare a word is.
        """
        names = sorted(self.documents)
        parts = [names[at : at + PART] for at in range(0, len(names), PART)]

        async def ask(question_and_part: tuple[str, list[str]]) -> list[tuple[str, float]]:
            question, part = question_and_part
            inside = [between("name", part[0], part[-1])]
            passages = await self._client.retrieve(
                question, collections=self._collection, conditions=inside, top_k=MOST
            )
            return [(self.documents[one.document.name], one.score.lexical) for one in passages if one.score.lexical > 0]

        asked = [(question, part) for question in questions for part in parts]
        found = await in_order(f"{self._name}: retrieve in {len(parts)} parts", ask, asked)
        return [sum(found[at : at + len(parts)], []) for at in range(0, len(found), len(parts))]

    async def answer(self, questions: Iterable[str]) -> list[Answer]:
        """The answer to each question."""

        async def ask(question: str) -> Answer:
            return await self._client.query(question, collections=self._collection)

        return await in_order(f"{self._name}: ask", ask, list(questions))

    async def clear(self) -> None:
        """Drops the collection, so that sets do not meet in the index."""
        await self._client.delete_collection(self._collection)


class Progress:
    """Lines on standard error: a sign of life now and then, and at last how long it took."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._began = self._said = time.monotonic()

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        if time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            print(f"{self._what} {self._done} of {self._total}", file=sys.stderr)

    def end(self) -> None:
        """All are done."""
        print(f"{self._what} {self._done} in {time.monotonic() - self._began:.1f} s", file=sys.stderr)


async def in_order(
    what: str, work: Callable[[Item], Awaitable[Result]], items: Sequence[Item], at_once: int = AT_ONCE
) -> list[Result]:
    """`work` of each item, in the items' order, so many at once; the first failure ends all."""
    left, done, progress = iter(range(len(items))), dict[int, Result](), Progress(what, len(items))

    async def worker() -> None:
        for index in left:
            done[index] = await work(items[index])
            progress.step()

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())
    progress.end()
    return [done[index] for index in range(len(items))]
