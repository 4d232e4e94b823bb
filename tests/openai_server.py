"""An OpenAI-compatible HTTP server on loopback whose answers a test decides: chat, streamed or whole, and embeddings.

`answers` gets the messages of a request and returns the text, or what happens instead: a `Reply` with its own words,
calls of tools, pace and end, or a `Fault`. `embed` gets the texts of a request and returns vectors.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from aiohttp import web

Messages = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool; its arguments are JSON, or what a test wants instead."""

    name: str
    arguments: str = "{}"
    id: str = "call_1"


@dataclass(frozen=True, slots=True)
class Reply:
    """A text that is streamed piece by piece, and the calls behind it."""

    pieces: Sequence[str] = ()
    calls: Sequence[Call] = ()
    finish: str = "stop"  # finish_reason; empty: none is told
    cut: Literal["", "quietly", "hard"] = ""  # after the pieces: the stream ends well formed, or the connection breaks
    hold: bool = False  # after the pieces nothing more comes until the caller leaves
    wait: asyncio.Event | None = None  # before the pieces, for this


@dataclass(frozen=True, slots=True)
class Fault:
    """An error instead of an answer; `hang` never answers."""

    status: int = 500
    body: str = '{"error": {"message": "it broke", "type": "server_error"}}'
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False


Answers = Callable[[Messages], str | Reply | Fault]


def any_text(messages: Messages) -> str:
    return "Nothing was scripted."


def hashed(texts: Sequence[str]) -> list[list[float]]:
    """One vector a text, the same each time, not of unit length."""
    seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) for text in texts]
    return [(3 * np.random.default_rng(seed).standard_normal(16)).tolist() for seed in seeds]


@dataclass(slots=True)
class OpenAIServer:
    """A running server: what it will say, what it was asked, and who left."""

    url: str = ""
    answers: Answers = any_text
    embed: Callable[[list[str]], list[list[float]] | Fault] = hashed
    requests: list[dict[str, Any]] = field(default_factory=list)  # bodies
    keys: list[str] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)  # a reply is held, or a fault hangs
    headers: list[dict[str, str]] = field(default_factory=list)  # of each request
    left: asyncio.Event = field(default_factory=asyncio.Event)  # a caller went away before the end

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await self._read(request)
        answer = self.answers(body["messages"])
        if isinstance(answer, Fault):
            return await self._fault(answer)
        reply = Reply(words(answer)) if isinstance(answer, str) else answer
        return await self._stream(request, body, reply) if body.get("stream") else whole(body, reply)

    async def embeddings(self, request: web.Request) -> web.StreamResponse:
        body = await self._read(request)
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        vectors = self.embed(texts)
        if isinstance(vectors, Fault):
            return await self._fault(vectors)
        rows = [{"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(vectors)]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        return web.json_response({"object": "list", "model": body["model"], "data": rows, "usage": usage})

    async def _read(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.requests.append(body)
        self.keys.append(request.headers.get("Authorization", "").removeprefix("Bearer "))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        return body

    async def _fault(self, fault: Fault) -> web.Response:
        if fault.hang:
            await self._hold(asyncio.Event())
        return web.Response(
            status=fault.status, text=fault.body, content_type="application/json", headers=fault.headers
        )

    async def _stream(self, request: web.Request, body: dict[str, Any], reply: Reply) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if reply.wait is not None:
            await self._hold(reply.wait)
        for piece in reply.pieces:
            await response.write(event(body, choice({"content": piece})))
        for delta in (delta for index, call in enumerate(reply.calls) for delta in called(index, call)):
            await response.write(event(body, choice({"tool_calls": [delta]})))
        if reply.hold:
            await self._hold(asyncio.Event())
        if reply.cut == "hard" and request.transport is not None:
            request.transport.abort()
        if not reply.cut:
            await response.write(event(body, choice({}, finish_of(reply) or None)))
            await response.write(event(body, usage=usage_of(body, reply)))
            await response.write(b"data: [DONE]\n\n")
        return response

    async def _hold(self, until: asyncio.Event) -> None:
        self.held.set()
        try:
            await until.wait()
        except asyncio.CancelledError:
            self.left.set()  # the handler is cancelled when its caller goes away
            raise


def words(text: str) -> list[str]:
    """A text as a model streams it, in pieces that are neither words nor sentences."""
    return [text[i : i + 5] for i in range(0, len(text), 5)]


def called(index: int, call: Call) -> list[dict[str, Any]]:
    """A call as it is streamed: its name first, then its arguments in pieces that are no JSON."""
    opening = {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
    return [opening, *({"index": index, "function": {"arguments": piece}} for piece in words(call.arguments))]


def finish_of(reply: Reply) -> str:
    return "tool_calls" if reply.calls and reply.finish == "stop" else reply.finish


def choice(delta: dict[str, Any], finish: str | None = None) -> list[dict[str, Any]]:
    return [{"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}]


def event(body: dict[str, Any], choices: Sequence[Any] = (), usage: dict[str, int] | None = None) -> bytes:
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    return f"data: {json.dumps({**chunk, 'choices': list(choices), 'usage': usage})}\n\n".encode()


def usage_of(body: dict[str, Any], reply: Reply) -> dict[str, int]:
    read = sum(len((message.get("content") or "").split()) for message in body["messages"])
    written = len(reply.pieces) + len(reply.calls)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def whole(body: dict[str, Any], reply: Reply) -> web.Response:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(reply.pieces)}
    if reply.calls:
        made = [{"name": call.name, "arguments": call.arguments} for call in reply.calls]
        ids = [call.id for call in reply.calls]
        calls = zip(ids, made, strict=True)
        message["tool_calls"] = [{"id": one, "type": "function", "function": function} for one, function in calls]
    choices = [{"index": 0, "message": message, "finish_reason": finish_of(reply)}]
    answer = {"id": "1", "object": "chat.completion", "created": 1, "model": body["model"], "choices": choices}
    return web.json_response({**answer, "usage": usage_of(body, reply)})


@asynccontextmanager
async def openai_server(answers: Answers = any_text) -> AsyncIterator[OpenAIServer]:
    """Run a server on a free port of loopback; its `url` is the base URL."""
    server = OpenAIServer(answers=answers)
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/v1/chat/completions", server.chat)
    app.router.add_post("/v1/embeddings", server.embeddings)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield server
    finally:
        await runner.cleanup()
