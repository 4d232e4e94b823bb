"""The model of the test of failing models: it can be made to fail, to hang and to refuse, and notes who still waits."""

import asyncio
from dataclasses import dataclass, field

from aiohttp import web

from scripts.faulting.model import Model
from tests.openai_server import Fault, Messages, Reply


@dataclass(slots=True)
class FailingModel(Model):
    """Answers with `fault` while there is one."""

    fault: Fault | None = None
    waiting: int = 0  # requests that have not ended
    most_waiting: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)  # nobody waits

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Notes a request as long as its connection lasts."""
        self.waiting += 1
        self.idle.clear()
        self.most_waiting = max(self.most_waiting, self.waiting)
        try:
            return await Model.chat(self, request)
        finally:
            self.waiting -= 1
            if not self.waiting:
                self.idle.set()

    def answer(self, messages: Messages) -> str | Reply | Fault:
        """What it says now."""
        return self.fault or Model.answer(self, messages)
