"""A chat model of the test's own: an OpenAI-compatible server that quotes the first passage, and notes who asked."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from aiohttp import web

from tests.openai_server import Fault, Messages, OpenAIServer, Reply

FIRST_PASSAGE = re.compile(r"passage 1 begins\n\(.*?\)\n(.*?)\n--- \w+ passage 1 ends", re.DOTALL)
SENTENCE = re.compile(r".*?[.](?=\s|$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Generation:
    """A request to the model: who sent it, by the key that it came with, and when."""

    sender: str
    began: float


@dataclass(slots=True)
class Model(OpenAIServer):
    """Answers after `delay` seconds, the same to the same passages; `broken`: with status 500.

    Each answer takes a share of up to `spread` more or less than `delay`, at random.
    """

    delay: float = 0.0
    spread: float = 0.0
    broken: bool = False
    generations: list[Generation] = field(default_factory=list)
    working: Counter[str] = field(default_factory=Counter)  # requests that are not answered yet, by who sent them
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    _more: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Notes the request when it comes, answers it later."""
        sender = request.headers.get("Authorization", "").removeprefix("Bearer ")
        async with self._more:
            self.generations.append(Generation(sender, monotonic()))
            self._more.notify_all()
        self.working[sender] += 1
        try:
            await asyncio.sleep(self.seconds())
            return await OpenAIServer.chat(self, request)
        finally:
            self.working[sender] -= 1

    def seconds(self) -> float:
        """What the next answer takes."""
        return self.delay * (1 + self.spread * self.chance.uniform(-1, 1))

    async def asked(self, times: int) -> Generation:
        """The request of this number, from 1; waits for it."""
        async with self._more:
            await self._more.wait_for(lambda: len(self.generations) >= times)
        return self.generations[times - 1]

    def answer(self, messages: Messages) -> str | Reply | Fault:
        """The first sentence of the first passage, cited."""
        if self.broken:
            return Fault()
        passage = FIRST_PASSAGE.search(messages[-1]["content"])
        sentence = SENTENCE.match(passage[1]) if passage else None
        return f"{sentence[0][:-1]} [1]." if sentence else "NOT_ANSWERED"


@dataclass(slots=True)
class OneLine(Model):
    """Works for so many at once; the others wait as they came."""

    at_once: int = 1
    _free: asyncio.Semaphore | None = None

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Waits before it is asked."""
        self._free = self._free or asyncio.Semaphore(self.at_once)
        async with self._free:
            return await Model.chat(self, request)


@asynccontextmanager
async def chat_model(model: Model) -> AsyncIterator[Model]:
    """The model on a free port of loopback; its `url` is the base URL."""
    model.answers = model.answer
    app = web.Application(client_max_size=2**20)
    app.router.add_post("/v1/chat/completions", model.chat)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        model.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield model
    finally:
        await runner.cleanup()
