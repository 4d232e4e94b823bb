"""A function as a tool: its arguments' schema from its type hints, its texts from its docstring.

Parameters of the types `Caller` and `Question`, and one named `idempotency_key`, are filled in by the server: a model
neither sees nor sets them. A function that is no coroutine runs in a thread of its own, which nothing can end: when it
does not come back it is left behind, and the tool takes no further call once `STUCK` threads of it are.
"""

import asyncio
import contextvars
import inspect
import json
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from ragents_client.v1.answer_pb2 import Question
from ragents_server.agents.tools.tool import Outcome, Tool, Use
from ragents_server.caller import Caller
from ragents_server.errors import ConfigurationError, InvalidRequest, Overloaded
from ragents_server.models.plain import plain

STUCK = 4  # threads of one function that did not come back
MOST_TOLD = 5  # violations
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")  # what every provider takes
_PARAMETER = re.compile(r"^[ \t]*(?::param )?\*{0,2}(\w+)(?:[ \t]*\([^)]*\))?:[ \t]+(\S.*)$", re.MULTILINE)
_KEY = "idempotency_key"


def tool_of(
    function: Callable[..., Any],
    *,
    name: str = "",
    timeout: float = 30.0,
    longest: int = 20_000,
    approval: bool = False,
) -> Tool:
    """The function as a tool; ConfigurationError says why it cannot be one."""
    name = name or getattr(function, "__name__", "")
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"the tool {name!r} needs a name of at most 64 letters, digits, '_' or '-'")
    description = inspect.getdoc(function) or ""
    if not description.strip():
        raise ConfigurationError(f"the tool {name} needs a docstring: it is what a model knows of it")
    arguments, filled = _arguments(function, name, description)
    schema = arguments.model_json_schema()
    schema.pop("title", None)
    function = function if inspect.iscoroutinefunction(function) else _threaded(function, name)

    async def call(given: Mapping[str, Any], use: Use) -> Outcome:
        try:
            checked = arguments.model_validate(_whole(given))
        except ValidationError as error:
            raise _not_fitting(name, error) from None
        values = {field: getattr(checked, field) for field in arguments.model_fields}
        return outcome(await function(**values, **{parameter: fill(use) for parameter, fill in filled.items()}))

    return Tool(name, _first_part(description), schema, call, timeout=timeout, longest=longest, approval=approval)


def outcome(value: Any) -> Outcome:
    """What a function returned; anything but text and an Outcome as JSON."""
    match value:
        case Outcome():
            return value
        case str():
            return Outcome(value)
        case None:
            return Outcome("Done; it returned nothing.")
        case _:
            return Outcome(json.dumps(plain(to_jsonable_python(value, fallback=str)), ensure_ascii=False))


_Fill = Callable[[Use], Any]
_FILLED: Mapping[Any, _Fill] = {Caller: lambda use: use.caller, Question: lambda use: use.question}


def _arguments(function: Callable[..., Any], name: str, description: str) -> tuple[type[BaseModel], dict[str, _Fill]]:
    """The model of the arguments that a model gives, and how the others are filled in."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise ConfigurationError(f"the tool {name}: its type hints cannot be read: {error}") from None
    told = dict(_PARAMETER.findall(description))
    fields, filled = dict[str, Any](), dict[str, _Fill]()
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ConfigurationError(f"the tool {name}: {parameter} cannot be told to a model")
        hint = hints.get(parameter.name)
        if parameter.name == _KEY:
            filled[_KEY] = lambda use: use.key
        elif hint in _FILLED:
            filled[parameter.name] = _FILLED[hint]
        elif hint is None or parameter.name.startswith("_"):
            raise ConfigurationError(f"the tool {name}: the parameter {parameter.name} needs a type, and no '_' before")
        else:
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (hint, _field(default, told.get(parameter.name)))
    try:
        made = create_model(name, __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=False), **fields)
        made.model_json_schema()
    except Exception as error:  # noqa: BLE001 - pydantic has many words for a type that has no schema
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise ConfigurationError(f"the tool {name}: its arguments have no schema: {first}") from None
    return made, filled


def _field(default: Any, description: str | None) -> FieldInfo:
    field: FieldInfo = Field(default, description=description) if description else Field(default)
    return field


def _first_part(description: str) -> str:
    """What a docstring says before it comes to its parameters, which stand in the schema."""
    text = re.split(r"^\s*(?:Args|Arguments|Parameters|Returns|Raises|:param .*):", description, flags=re.MULTILINE)[0]
    return text.strip() or description.strip()


def _whole(value: Any) -> Any:
    """Numbers of a Struct are doubles: whole ones are integers again."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: _whole(one) for name, one in value.items()}
        case list():
            return [_whole(one) for one in value]
        case _:
            return value


def _not_fitting(name: str, error: ValidationError) -> InvalidRequest:
    violations = {
        ".".join(map(str, one["loc"])) or name: one["msg"]
        for one in error.errors(include_url=False, include_input=False, include_context=False)[:MOST_TOLD]
    }
    told = "; ".join(f"{field}: {text}" for field, text in violations.items())
    return InvalidRequest(f"the arguments of {name} do not fit: {told}"[:1000], violations=violations)


def _threaded(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function in a thread that ends with the process, whatever it is doing then."""
    left = set[threading.Thread]()

    async def call(**values: Any) -> Any:
        left.intersection_update({thread for thread in left if thread.is_alive()})
        if len(left) >= STUCK:
            raise Overloaded(f"{len(left)} earlier calls of {name} have not come back")
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()
        done: asyncio.Future[Any] = loop.create_future()

        def run() -> None:
            try:
                value, error = context.run(function, **values), None
            except BaseException as raised:  # noqa: BLE001 - told to whoever waits
                value, error = None, raised
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, done, value, error)

        thread = threading.Thread(target=run, name=f"tool {name}", daemon=True)
        thread.start()
        try:
            return await done
        except asyncio.CancelledError:
            left.add(thread)
            raise

    return call


def _settle(done: "asyncio.Future[Any]", value: Any, error: BaseException | None) -> None:
    if done.cancelled():
        return
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        done.set_exception(error)
    elif error is not None:  # SystemExit and its like end no server, and StopIteration cannot be set
        done.set_exception(RuntimeError(f"the function ended with {type(error).__name__}"))
    else:
        done.set_result(value)
