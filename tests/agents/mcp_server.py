"""An MCP server for tests: over stdio when it is run, over HTTP where a test serves `server`."""

import os
from typing import Any

from mcp.server.mcpserver import Context, MCPServer

server: Any = MCPServer("tests")


@server.tool()
def add(a: int, b: int) -> str:
    """Adds two numbers."""
    return f"{a} + {b} = {a + b}"


@server.tool()
def fail(words: str) -> str:
    """Fails."""
    raise ValueError(words)


@server.tool()
def end() -> str:
    """Ends the server's process."""
    os._exit(3)


@server.tool()
def table() -> dict[str, int]:
    """Gives a table."""
    return {"a": 1}


@server.tool(name="not a name")
def unnameable() -> str:
    """Has a name that no model takes."""
    return ""


@server.tool()
async def key(context: Context) -> str:
    """Gives back the key of the call, and what the environment holds."""
    meta: Any = context.request_context.meta or {}
    given = dict(meta).get("ragents/idempotency_key")
    return f"{given} {os.environ.get('GREETING', 'silence')} {'SECRET' in os.environ}"


if __name__ == "__main__":
    server.run()
