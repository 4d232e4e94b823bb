"""Authors of two tenants, by the shipped client: each changes a document, asks for it and talks about it.

An author knows what it was told, and holds everything it hears against that. Both tenants use the same names.
"""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from time import monotonic

from ragents_client import AsyncClient, RagentsError
from ragents_client.errors import NotFound, ThreadBusy, Unavailable
from ragents_client.v1 import Passage

PAUSE = 0.05  # seconds before a call is sent again
PATIENCE = 60.0  # seconds within which a turn must have been answered
AGENT = "simple"
WORD = re.compile(r"\b([a-z]+)word([0-9]+)of([0-9]+)x\b")
WRONG = ("lost", "stale", "foreign", "doubled", "failed")


@dataclass(slots=True)
class Heard:
    """What came of all calls: answered by name, excused failures, and what must not be, in words."""

    answered: Counter[str] = field(default_factory=Counter)
    excused: int = 0
    wrong: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    windows: list[list[float]] = field(default_factory=list)  # beginning and end of the times that excuse a failure

    @contextmanager
    def excusing(self, healing: float) -> Iterator[None]:
        """What is under way inside the block, or within so many seconds after it, may be UNAVAILABLE."""
        window = [monotonic(), inf]
        self.windows.append(window)
        try:
            yield
        finally:
            window[1] = monotonic() + healing

    def failed(self, name: str, began: float, error: RagentsError) -> None:
        """A call that failed; one that a fault explains is counted, any other is blamed."""
        explained = any(began <= end and monotonic() >= start for start, end in self.windows)
        if explained and isinstance(error, Unavailable):
            self.excused += 1
        else:
            self.wrong["failed"].append(f"{name}: {type(error).__name__}: {error}")


@dataclass(eq=False, slots=True)
class Author:
    """One of a tenant's; `may` are the editions that its document may have, after all that it was told."""

    client: AsyncClient
    tenant: str
    number: int
    heard: Heard
    edition: int = 0
    may: set[int] = field(default_factory=set)
    told: bool = False  # that one of them is there
    thread: str = ""
    said: list[str] = field(default_factory=list)  # questions that were answered, in their order

    async def work(self, stopped: asyncio.Event) -> None:
        """One thing after the other, until it is to stop; what was begun is ended."""
        while not stopped.is_set():
            await self._change()
            for asking in (self._retrieve, self._query, self._retrieve):
                await asking()
            await self._talk()
            await asyncio.sleep(PAUSE)

    async def look(self) -> None:
        """What is there in the end: the document as it was left, and every answered turn, once."""
        await self._retrieve()
        if not self.thread:
            return
        kept = [one.question for one in (await self.client.get_thread(self.thread)).exchanges]
        times = Counter(kept)
        for question in self.said:
            if question not in times:
                self.heard.wrong["lost"].append(f"{self.tenant}: {question!r} was answered and is not kept")
        self.heard.wrong["doubled"] += [f"{self.tenant}: {one!r}" for one, number in times.items() if number > 1]

    @property
    def _shelf(self) -> str:
        return f"shelf-{self.number}"

    @property
    def _question(self) -> str:
        return f"What is the mark on the shelf of author {self.number}?"

    async def _change(self) -> None:
        self.edition += 1
        word = f"{self.tenant}word{self.edition}of{self.number}x"
        text = f"The mark on the shelf of author {self.number} is {word}. It was painted there in spring."
        began = monotonic()
        try:
            put = await self.client.put_documents([("mark.txt", text.encode())], collection=self._shelf)
            if failures := [one.failure for one in put if one.failure]:
                raise Unavailable(failures[0].message)
        except RagentsError as error:
            self.may.add(self.edition)  # it may be there, or not
            self.heard.failed("put_documents", began, error)
        else:
            self.may, self.told = {self.edition}, True
            self.heard.answered["put_documents"] += 1

    async def _retrieve(self) -> None:
        await self._ask("retrieve", lambda: self.client.retrieve(self._question, collections=[self._shelf]))

    async def _query(self) -> None:
        async def asked() -> Sequence[Passage]:
            return (await self.client.query(self._question, collections=[self._shelf])).passages

        await self._ask("query", asked)

    async def _ask(self, name: str, ask: Callable[[], object]) -> None:
        began = monotonic()
        try:
            passages: Sequence[Passage] = await ask()  # type: ignore[misc]
        except NotFound as error:
            if self.told:
                self.heard.wrong["lost"].append(f"{name} of {self.tenant} {self.number}: {error}")
        except RagentsError as error:
            self.heard.failed(name, began, error)
        else:
            self.heard.answered[name] += 1
            self._judge(name, " ".join(one.text for one in passages))

    def _judge(self, name: str, text: str) -> None:
        shown = {(tenant, int(edition), int(number)) for tenant, edition, number in WORD.findall(text)}
        if foreign := {one for one in shown if one[0] != self.tenant or one[2] != self.number}:
            self.heard.wrong["foreign"].append(f"{name} of {self.tenant} {self.number}: {foreign}")
        editions = {edition for tenant, edition, _ in shown if tenant == self.tenant}
        if not editions and self.told:
            self.heard.wrong["lost"].append(f"{name} of {self.tenant} {self.number}: nothing of {self.may}")
        elif not editions <= self.may:
            self.heard.wrong["stale"].append(f"{name} of {self.tenant} {self.number}: {editions}, not {self.may}")

    async def _talk(self) -> None:
        """A turn, sent again under its request_id until it is answered."""
        request = f"{self.number}-{len(self.said)}-{self.edition}"
        question = f"{self._question} This is question {self.edition}."
        until = monotonic() + PATIENCE
        while True:
            began = monotonic()
            try:
                run = await self.client.run(
                    AGENT, question, thread_id=self.thread, request_id=request, collections=[self._shelf]
                )
            except (Unavailable, ThreadBusy) as error:
                if monotonic() > until:
                    self.heard.wrong["failed"].append(f"a turn was not answered within {PATIENCE:g} s: {error}")
                    return
                if isinstance(error, Unavailable):
                    self.heard.failed("run", began, error)
                await asyncio.sleep(PAUSE)
            except RagentsError as error:
                self.heard.failed("run", began, error)
                return
            else:
                self.thread = run.thread_id
                self.said.append(question)
                self.heard.answered["run"] += 1
                return
