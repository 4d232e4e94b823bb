"""The chat model of a test of agents: a new word each time, and who waits for which question's now."""

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from aiohttp import web

from scripts.faulting.model import Model
from tests.openai_server import Messages


@dataclass(slots=True)
class Words(Model):
    """Never says the same twice, so that whatever was made twice is seen; `slow` questions take their own time."""

    asked_for: Counter[str] = field(default_factory=Counter)  # how often, by question
    slow: dict[str, float] = field(default_factory=dict)  # seconds, by question
    waiting: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # questions, by who sent them
    _said: int = 0
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Notes whose question waits, as long as it does."""
        sender = request.headers.get("Authorization", "").removeprefix("Bearer ")
        question: str = (await request.json())["messages"][-1]["content"]
        self.asked_for[question] += 1
        self.waiting[sender].add(question)
        await self._notify()
        try:
            await asyncio.sleep(max(0.0, self.slow.get(question, 0.0) - self.delay))
            return await Model.chat(self, request)
        finally:
            self.waiting[sender].discard(question)

    def answer(self, messages: Messages) -> str:  # noqa: ARG002 - whatever was asked
        """The next word."""
        self._said += 1
        return f"word-{self._said}"

    async def until_waiting(self, sender: str, *questions: str, besides: str = "") -> set[str]:
        """Returns what waits for this sender, once all these do; where none is named, any but `besides`."""

        def waiting() -> set[str]:
            return self.waiting[sender] - {besides}

        async with self._moved:
            await self._moved.wait_for(lambda: bool(waiting()) and waiting().issuperset(questions))
        return waiting()

    async def sender_of(self, question: str) -> str:
        """Who waits for this question's word; returns once somebody does."""

        def senders() -> list[str]:
            return [sender for sender, questions in self.waiting.items() if question in questions]

        async with self._moved:
            await self._moved.wait_for(lambda: bool(senders()))
        return senders()[0]

    async def _notify(self) -> None:
        async with self._moved:
            self._moved.notify_all()
