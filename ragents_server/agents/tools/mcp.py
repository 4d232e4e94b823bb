"""Tools of MCP servers (Model Context Protocol), as ours; the package `mcp` is imported where servers are set.

The servers stand in a JSON file of the form that other programs use too:

    {"mcpServers": {"files": {"command": "npx", "args": ["…"], "env": {}}, "web": {"url": "https://…", "headers": {}}}}

A tool is called `<server>_<tool>`. A server that does not answer when agents are loaded is left out, and the log says
so; one that goes away later fails its calls until it is back. A call that broke off is not made again: nobody knows
whether it was done.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from ragents_server.agents.tools.tool import Outcome, Tool, Use
from ragents_server.errors import ConfigurationError, InvalidRequest, Overloaded
from ragents_server.models.plain import clean

log = logging.getLogger(__name__)

SETTING = "RAGENTS_MCP"
CONNECT = 15.0  # seconds until a server must have told its tools
MOST_TOOLS = 128  # of one server
_DESCRIPTION = 2_000  # characters
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,31}")
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FIELDS = {"command", "args", "env", "cwd", "url", "headers"}
_KEY = "ragents/idempotency_key"
_CLOSED = -32_000  # JSON-RPC's code where the connection ended


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is: a command to start, or a URL."""

    name: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def read_places(path: Path) -> list[Place]:
    """The servers in the file; ConfigurationError says what is wrong with it."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["mcpServers"]
    except OSError as error:
        raise ConfigurationError(f"{SETTING}: cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError(f'{SETTING}: {path} is not JSON with "mcpServers"') from None
    if not isinstance(rows, dict):
        raise ConfigurationError(f'{SETTING}: "mcpServers" in {path} must map names to servers')
    return [_place(name, row) for name, row in rows.items()]


def _place(name: str, row: Any) -> Place:
    where = f"{SETTING}: the server {name!r}"
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{where} needs a name of at most 32 letters, digits or '-'")
    if not isinstance(row, dict) or set(row) - _FIELDS or ("command" in row) == ("url" in row):
        raise ConfigurationError(f"{where} needs either a command with args, env and cwd, or a url with headers")
    args, env, headers = row.get("args", []), row.get("env", {}), row.get("headers", {})
    shaped = isinstance(args, list) and isinstance(env, dict) and isinstance(headers, dict)
    texts = [row.get(one) or "" for one in ("command", "url", "cwd")]
    if not shaped or not all(isinstance(one, str) for one in [*texts, *args, *env.values(), *headers.values()]):
        raise ConfigurationError(f"{where}: command, url and cwd, the args, env and headers, all are text")
    return Place(name, **{**row, "args": tuple(args)})


@asynccontextmanager
async def open_tools(places: Sequence[Place], *, timeout: float, longest: int) -> AsyncIterator[list[Tool]]:
    """The tools of all servers that answer; `timeout` and `longest` are of one call, as any tool's."""
    if places:
        _package()
    async with AsyncExitStack() as stack:
        servers = [_Server(place) for place in places]
        for server in servers:
            stack.push_async_callback(server.aclose)
        found = await asyncio.gather(*(_tools(server, timeout, longest) for server in servers))
        yield [tool for tools in found for tool in tools]


async def _tools(server: "_Server", timeout: float, longest: int) -> list[Tool]:
    try:
        async with asyncio.timeout(CONNECT):
            listed = await server.list_tools()
    except Exception as error:  # noqa: BLE001 - the other servers' tools are of use without this one's
        log.error("MCP server %s does not tell its tools (%s); agents do without them", server.place.name, _why(error))
        return []
    return [tool for one in listed if (tool := _tool(server, one, timeout, longest)) is not None]


def _tool(server: "_Server", listed: Any, timeout: float, longest: int) -> Tool | None:
    name = f"{server.place.name}_{listed.name}"
    if not _TOOL_NAME.fullmatch(name):
        log.error("MCP server %s: the tool %r has a name that no model takes", server.place.name, listed.name)
        return None

    async def call(given: Mapping[str, Any], use: Use) -> Outcome:
        return _outcome(await server.call(listed.name, given, use.key))

    told = clean(listed.description or listed.title or name)[:_DESCRIPTION]
    return Tool(name, told, listed.input_schema, call, timeout=timeout, longest=longest)


def _outcome(result: Any) -> Outcome:
    """A result's text; of anything else only what it is."""
    parts = [
        block.text if block.type == "text" else getattr(getattr(block, "resource", None), "text", f"({block.type})")
        for block in result.content
    ]
    text = "\n".join(parts)
    if not parts and result.structured_content is not None:
        text = json.dumps(result.structured_content, ensure_ascii=False)
    if result.is_error:
        raise InvalidRequest(clean(text)[:1000] or "the tool failed")
    return Outcome(text)


class _Server:
    """One server's connection, which lives in a task of its own and is made again when it is needed."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._connecting = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._client: asyncio.Future[Any] | None = None

    async def list_tools(self) -> list[Any]:
        """Its tools, page by page."""
        client, found, cursor = await self._connected(), list[Any](), None
        while len(found) < MOST_TOOLS:
            page = await client.list_tools(cursor=cursor)
            found += page.tools
            if (cursor := page.next_cursor) is None:
                break
        return found[:MOST_TOOLS]

    async def call(self, tool: str, arguments: Mapping[str, Any], key: str) -> Any:
        """What a tool returned. Raises InvalidRequest where the server refuses, Overloaded where it is away."""
        mcp = _package()
        try:
            client = await self._connected()
            return await client.call_tool(tool, dict(arguments), meta={_KEY: key})
        except mcp.MCPError as error:
            if error.error.code != _CLOSED:
                raise InvalidRequest(clean(error.error.message)[:1000] or "the server refused the call") from error
            raise await self._away(error) from error
        except Exception as error:
            raise await self._away(error) from error

    async def aclose(self) -> None:
        """Ends the connection, and the process where it is one."""
        task, self._task, self._client = self._task, None, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _away(self, error: Exception) -> Overloaded:
        log.warning("MCP server %s is away: %s", self.place.name, _why(error))
        async with self._connecting:
            await self.aclose()
        return Overloaded(f"the server of {self.place.name} does not answer")

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._task is None or self._task.done() or self._client is None:
                await self.aclose()
                self._client = asyncio.get_running_loop().create_future()
                self._task = asyncio.create_task(self._keep(self._client), name=f"MCP server {self.place.name}")
            async with asyncio.timeout(CONNECT):
                await asyncio.wait([self._client, self._task], return_when=asyncio.FIRST_COMPLETED)
            if not self._client.done():
                self._task.result()  # raises what it ended with
                raise ConnectionError("the connection ended")
            return self._client.result()

    async def _keep(self, opened: "asyncio.Future[Any]") -> None:
        """Holds the connection open: it must be closed by the task that opened it."""
        async with AsyncExitStack() as stack:
            opened.set_result(await stack.enter_async_context(await self._transport(stack)))
            await asyncio.Event().wait()

    async def _transport(self, stack: AsyncExitStack) -> Any:
        mcp, place = _package(), self.place
        if place.command:
            env = dict(place.env) or None
            parameters = mcp.StdioServerParameters(
                command=place.command, args=list(place.args), env=env, cwd=place.cwd, encoding_error_handler="replace"
            )
            return mcp.Client(parameters)
        if not place.headers:
            return mcp.Client(place.url)
        http = import_module("httpx2")
        client = await stack.enter_async_context(http.AsyncClient(headers=dict(place.headers), timeout=None))
        return mcp.Client(
            import_module("mcp.client.streamable_http").streamable_http_client(place.url, http_client=client)
        )


def _package() -> Any:
    try:
        return import_module("mcp")
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{SETTING}: the package {error.name} is missing; install ragents-grpc[mcp]") from None


def _why(error: BaseException) -> str:
    """What went wrong, without what a server may quote."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return type(error).__name__
