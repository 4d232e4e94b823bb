"""The log: one line for each thing that happened, with the ids of the call that it happened for.

JSON where a machine reads it, text on a terminal. Whatever is logged with `logging` goes through here. Of what is
logged beside a line's text only FACTS are told, and of an exception its traceback without the values of variables.
"""

import json
import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from structlog.dev import Column, ConsoleRenderer, KeyValueColumnFormatter, plain_traceback
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, Processor

from ragents_server.signals import current_call

Told = Callable[[object], str]
FACTS = ("method", "code", "seconds", "reason")
SHORTEST = 8  # characters of a secret that is looked for in lines; what is shorter may be a word
MASKED = "***"
DIM, BRIGHT, PLAIN = "\x1b[2m", "\x1b[1m", "\x1b[0m"


def configure(level: str, form: str, *, process: int | None = None, secrets: Iterable[str] = ()) -> None:
    """Begins to log on standard error; `form` is `auto`, `text` or `json`, `process` this one's number, if it has one.

    Secrets are told as MASKED, should a library's message ever hold one.
    """
    as_json = form == "json" or (form == "auto" and not sys.stderr.isatty())
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(as_json=as_json, color=sys.stderr.isatty(), process=process, secrets=secrets))
    logging.basicConfig(level=level, handlers=[handler])
    if level != "DEBUG":
        logging.getLogger("httpx").setLevel("WARNING")  # it tells every request, with its URL


def formatter(
    *, as_json: bool, color: bool = False, process: int | None = None, secrets: Iterable[str] = ()
) -> ProcessorFormatter:
    """Makes a line of a record."""
    stamp = structlog.processors.TimeStamper(
        fmt="iso" if as_json else "%Y-%m-%d %H:%M:%S.%f", utc=as_json, key="timestamp"
    )
    before: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        stamp,
        ExtraAdder(allow=FACTS),
        _with_call(process),
    ]
    last: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.EventRenamer("message")]
    rendering: list[Processor] = [*last, structlog.processors.JSONRenderer()] if as_json else [_text(color)]
    after: list[Any] = [ProcessorFormatter.remove_processors_meta, *rendering, _masking(secrets)]
    return ProcessorFormatter(foreign_pre_chain=before, processors=after)


def _with_call(process: int | None) -> Processor:
    def add(_logger: Any, _method: str, event: EventDict) -> EventDict:
        if process is not None:
            event["process"] = process
        if (call := current_call()) is not None:
            event["request_id"], event["trace_id"] = call
        return event

    return add


def _text(color: bool) -> ConsoleRenderer:
    """Time, level, logger, what happened, then the rest as key=value."""

    def column(
        key: str, style: str, prefix: str = "", postfix: str = "", told: Callable[[object], str] = str
    ) -> Column:
        chosen, reset = (style, PLAIN) if color else ("", "")
        return Column(key, KeyValueColumnFormatter(None, chosen, reset, told, prefix=prefix, postfix=postfix))

    rest = KeyValueColumnFormatter(
        key_style=DIM if color else "", value_style="", reset_style=PLAIN if color else "", value_repr=str
    )
    return ConsoleRenderer(
        exception_formatter=plain_traceback,  # the other one shows the values of variables
        columns=[
            column("timestamp", DIM),
            column("process", DIM, "[", "]"),
            column("level", BRIGHT, told=_loud),
            column("logger", DIM, postfix=":"),
            column("event", BRIGHT),
            Column("", rest),
        ],
    )


def _loud(level: object) -> str:
    return str(level).upper()


def _masking(secrets: Iterable[str]) -> Callable[[Any, str, str], str]:
    long = {secret for secret in secrets if len(secret) >= SHORTEST}
    forms = sorted(long | {json.dumps(secret)[1:-1] for secret in long}, key=len, reverse=True)

    def masked(_logger: Any, _method: str, line: str) -> str:
        for form in forms:
            line = line.replace(form, MASKED)
        return line

    return masked
