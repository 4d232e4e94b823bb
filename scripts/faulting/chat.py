"""A chat model of one's own, as RAGENTS_CHAT_MODEL takes it by import path: the test's model without LangChain.

LangChain costs a server three seconds of CPU to start. The full forms have it; the short ones start as fast as may be.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

import aiohttp

from ragents_server.errors import ModelUnavailable
from ragents_server.models.chat import Finish, Message, Piece


class PlainChat:
    """Plays `ChatModel` with one request of OpenAI's form, answered whole."""

    model = "plain"

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    @classmethod
    @asynccontextmanager
    async def open(
        cls, *, url: str, key: str, temperature: float, max_tokens: int, timeout: float
    ) -> AsyncIterator[Self]:
        """The model at the base URL."""
        del temperature, max_tokens  # it always says the same
        headers, total = {"Authorization": f"Bearer {key}"}, aiohttp.ClientTimeout(total=timeout)
        async with aiohttp.ClientSession(headers=headers, timeout=total) as session:
            yield cls(session, f"{url}/chat/completions")

    async def __call__(self, messages: Sequence[Message]) -> AsyncGenerator[Piece, None]:
        """The answer in one piece."""
        said = [{"role": message.role, "content": message.text} for message in messages]
        try:
            async with self._session.post(self._url, json={"model": self.model, "messages": said}) as response:
                response.raise_for_status()
                answer = await response.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ModelUnavailable(f"the model {self.model} failed: {error}") from error
        yield Piece(answer["choices"][0]["message"]["content"], 1, 1, Finish.DONE)
