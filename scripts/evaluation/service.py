"""Puts documents into a server and asks it questions, many at once but bounded, and says how far it is."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from urllib.parse import quote

from ragents_client import AsyncClient, PutEvent, between
from ragents_client.uploads import Source
from ragents_client.v1 import Answer, Passage, Score
from scripts.evaluation.progress import Progress, in_order

MOST = 100  # passages that may be asked for
PART = 250  # documents whose best by either leg are among the 100 best by fused score


class PutError(Exception):
    """A document that holds text was refused: the figures would not be those of the set."""


class Service:
    """One collection of a running server; `name` is the set's, for what is said meanwhile."""

    def __init__(self, client: AsyncClient, name: str, collection: str, part: int = PART) -> None:
        self._client = client
        self._name = name
        self._collection = collection
        self.part = part
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

    async def scores(self, questions: Sequence[str]) -> list[list[tuple[str, Score]]]:
        """The set's own id and the scores of each passage found, for each question, from `part` documents at a time.

        The 100 best by fused score miss some of the best by BM25 alone where there are many more; of 250 they do not.
        Conditions change what is searched, not how rare a word is.
        """
        names = sorted(self.documents)
        parts = [names[at : at + self.part] for at in range(0, len(names), self.part)]

        async def ask(question_and_part: tuple[str, list[str]]) -> list[tuple[str, Score]]:
            question, part = question_and_part
            inside = [between("name", part[0], part[-1])]
            return self.scored(
                await self._client.retrieve(question, collections=self._collection, conditions=inside, top_k=MOST)
            )

        found = await in_order(
            f"{self._name}: retrieve in {len(parts)} parts", ask, [(q, part) for q in questions for part in parts]
        )
        return [list(chain(*found[at : at + len(parts)])) for at in range(0, len(found), len(parts))]

    def scored(self, passages: Iterable[Passage]) -> list[tuple[str, Score]]:
        """The set's own id and the scores of each passage."""
        return [(self.documents[one.document.name], one.score) for one in passages]

    async def answer(self, questions: Iterable[str]) -> list[Answer]:
        """The answer to each question."""

        async def ask(question: str) -> Answer:
            return await self._client.query(question, collections=self._collection)

        return await in_order(f"{self._name}: ask", ask, list(questions))

    async def clear(self) -> None:
        """Drops the collection, so that sets do not meet in the index."""
        await self._client.delete_collection(self._collection)
