"""Tools of one's own by import path, and which of all tools need a person's approval."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from ragents_server.agents.tools.functions import tool_of
from ragents_server.agents.tools.tool import Tool
from ragents_server.errors import ConfigurationError

SETTING, APPROVAL = "RAGENTS_TOOLS", "RAGENTS_TOOL_APPROVAL"


def load_tools(paths: Sequence[str], *, timeout: float, longest: int) -> list[Tool]:
    """The tools at `package.module:function`, or `package.module:TOOL` where that is a Tool already."""
    return [_tool(path.strip(), timeout=timeout, longest=longest) for path in paths]


def with_approval(tools: Iterable[Tool], names: Sequence[str]) -> list[Tool]:
    """The tools, those named needing approval; `*` names all."""
    tools = list(tools)
    known = {tool.name for tool in tools}
    if unknown := [name for name in names if name not in known | {"*"}]:  # a misspelt name would let a tool run unasked
        raise ConfigurationError(f"{APPROVAL}: there is no tool {unknown[0]!r}; known: {', '.join(sorted(known))}")
    asked = known if "*" in names else set(names)
    return [replace(tool, approval=tool.approval or tool.name in asked) for tool in tools]


def _tool(path: str, *, timeout: float, longest: int) -> Tool:
    module, colon, attribute = path.partition(":")
    if not (module and colon and attribute):
        raise ConfigurationError(f"{SETTING}: {path!r} is not package.module:function")
    found = _attribute(path, module, attribute)
    if isinstance(found, Tool):
        return found
    if not callable(found):
        raise ConfigurationError(f"{SETTING}: {path} is neither a function nor a Tool")
    try:
        return tool_of(found, timeout=timeout, longest=longest)
    except ConfigurationError as error:
        raise ConfigurationError(f"{SETTING}: {path}: {error}") from None


def _attribute(path: str, module: str, attribute: str) -> Any:
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{SETTING}: {path}: the package {error.name} is missing; install it, or correct the setting"
        ) from None
    except AttributeError:
        raise ConfigurationError(f"{SETTING}: {path}: {module} has no {attribute}") from None
