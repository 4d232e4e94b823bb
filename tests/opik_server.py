"""A server on loopback that takes what Opik's API takes and keeps it: traces, spans, scores; Opik's SDK reads there."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Record = dict[str, Any]


@dataclass
class Recorded:
    """What was sent; with `status` another one than 204 nothing is kept, with `hangs` nothing is answered."""

    url: str = ""
    status: int = 204
    hangs: bool = False
    asked: int = 0
    told: list[str] = field(default_factory=list)  # each record as it came, taken or not
    headers: list[dict[str, str]] = field(default_factory=list)
    traces: list[Record] = field(default_factory=list)
    spans: list[Record] = field(default_factory=list)
    scores: list[Record] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, found: Callable[[], Record | None]) -> Record:
        """What `found` finds, once it has come."""
        async with asyncio.timeout(20):
            while (one := found()) is None:
                self.news.clear()
                await self.news.wait()
        return one

    async def trace(self, name: str, tag: str = "") -> Record:
        """The first trace of that name, with the tag, once it and its root have come."""

        def found() -> Record | None:
            roots = {span["id"] for span in self.spans}
            told = (one for one in self.traces if one["name"] == name and one["id"] in roots)
            return next((one for one in told if not tag or tag in one["tags"]), None)

        return await self.until(found)

    async def span(self, name: str) -> Record:
        """The first span of that name, once it has come."""
        return await self.until(lambda: next((one for one in self.spans if one["name"] == name), None))

    def tree(self, trace: Record) -> dict[str, list[str]]:
        """Names of the spans under each name, in the order of their begin."""
        spans = sorted((one for one in self.spans if one["trace_id"] == trace["id"]), key=lambda one: one["start_time"])
        names = {one["id"]: one["name"] for one in spans}
        found: dict[str, list[str]] = {}
        for one in spans:
            found.setdefault(names.get(one.get("parent_span_id"), ""), []).append(one["name"])
        return found


@asynccontextmanager
async def opik_server() -> AsyncIterator[Recorded]:
    """A server that records."""
    recorded = Recorded()

    async def take(request: web.Request) -> web.Response:
        recorded.asked += 1
        if recorded.hangs:
            await asyncio.sleep(60)
        body = await request.read()  # aiohttp has unpacked it
        told = json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        recorded.told += [json.dumps(one) for kind in told.values() for one in kind]
        if recorded.status == 204:
            recorded.headers.append({name.lower(): value for name, value in request.headers.items()})
            recorded.traces += told.get("traces", [])
            recorded.spans += told.get("spans", [])
            recorded.scores += told.get("scores", [])
            recorded.news.set()
        return web.Response(status=recorded.status)

    def page(records: list[Record]) -> web.Response:
        lines = "".join(f"{json.dumps(one)}\n" for one in records)
        return web.Response(body=lines.encode(), content_type="application/octet-stream")

    async def search_traces(request: web.Request) -> web.Response:
        asked = await request.json()
        return page([] if asked.get("last_retrieved_id") else recorded.traces)

    async def search_spans(request: web.Request) -> web.Response:
        asked = await request.json()
        found = [one for one in recorded.spans if one["trace_id"] == asked["trace_id"]]
        return page([] if asked.get("last_retrieved_id") else found)

    async def one_trace(request: web.Request) -> web.Response:
        found = [one for one in recorded.traces if one["id"] == request.match_info["id"]]
        return web.json_response(found[0]) if found else web.Response(status=404)

    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/api/v1/private/traces/batch", take)
    app.router.add_post("/api/v1/private/spans/batch", take)
    app.router.add_put("/api/v1/private/traces/feedback-scores", take)
    app.router.add_post("/api/v1/private/traces/search", search_traces)
    app.router.add_post("/api/v1/private/spans/search", search_spans)
    app.router.add_get("/api/v1/private/traces/{id}", one_trace)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    recorded.url = f"http://127.0.0.1:{port}/api"
    try:
        yield recorded
    finally:
        await runner.cleanup()
