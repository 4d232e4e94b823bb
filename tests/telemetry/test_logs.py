"""What the log says of a server that is called: as lines of JSON, and as lines for people."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from ragents_client.v1 import DocumentServiceStub, QueryRequest, QueryServiceStub, Question
from ragents_server.signals import name_call
from ragents_server.telemetry.logs import formatter
from tests.openai_server import Fault, openai_server
from tests.postgres_servers import data_folder
from tests.services import calls
from tests.services.processes import Running, ready

NONE = [("grpc.enable_retries", 0)]
TEXT = b"The quokka lives on Rottnest Island."
QUESTION = "Where does the quokka live?"
IDS = (("x-request-id", "request-7"), ("traceparent", f"00-{'ab' * 16}-{'cd' * 8}-01"))


@pytest.fixture
def data() -> Iterator[Path]:
    with data_folder(ready=True) as folder:
        yield folder


def rows(running: Running) -> list[dict[str, Any]]:
    """The lines, each of which must be JSON."""
    return [json.loads(line) for line in "".join(running.log).splitlines()]


async def query(channel: grpc.aio.Channel, text: str) -> None:
    await QueryServiceStub(channel).Query(QueryRequest(question=Question(text=text)), metadata=IDS, timeout=20)


def line(text: str, *arguments: object, extra: dict[str, object] | None = None, **how: Any) -> str:
    """What a logger writes."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(formatter(**how))
    logger = logging.Logger("ragents_server.part")
    logger.addHandler(handler)
    try:
        raise ValueError("the secret sauce")
    except ValueError as error:
        logger.warning(text, *arguments, extra=extra, exc_info=error if "oh" in text else None)
    return written.getvalue()


async def test_each_call_has_a_line_of_json_with_its_ids_and_nothing_of_what_was_asked(data: Path) -> None:
    given = {"log_format": "auto", "log_calls": "all"}  # auto: standard error is no terminal here
    async with ready(data=data, **given) as (running, channel):
        await query(channel, QUESTION)
        with pytest.raises(grpc.aio.AioRpcError):
            await query(channel, "")
        running.process.terminate()
        assert await running.ended() == 0
    ended = [row for row in rows(running) if row["message"] == "call ended" and row["method"].endswith("/Query")]
    assert [(row["code"], row["level"], row.get("reason")) for row in ended] == [
        ("OK", "info", None),
        ("INVALID_ARGUMENT", "info", "INVALID_REQUEST"),
    ]
    assert all(row["request_id"] == "request-7" and row["trace_id"] == "ab" * 16 for row in ended)
    assert 0 < ended[0]["seconds"] < 20
    assert "quokka" not in "".join(running.log)


async def test_by_default_only_the_servers_own_faults_have_a_line(data: Path) -> None:
    async with openai_server(lambda _: Fault(500)) as model:
        chat = {"chat_model": "openai:gpt-test", "chat_url": model.url, "chat_key": "none"}
        async with ready(data=data, log_format="json", **chat) as (running, channel):
            async for _ in DocumentServiceStub(channel).PutDocuments(iter(calls.whole("a.txt", TEXT)), timeout=60):
                pass
            for text in ("", QUESTION):
                with pytest.raises(grpc.aio.AioRpcError):
                    await query(channel, text)
            running.process.terminate()
            assert await running.ended() == 0
    ended = [row for row in rows(running) if row["message"] == "call ended"]
    assert [(row["code"], row["reason"], row["level"]) for row in ended] == [
        ("UNAVAILABLE", "MODEL_UNAVAILABLE", "warning")
    ]


def test_a_line_for_people_ends_with_what_was_said_and_whose_call_it_was() -> None:
    plain = line("it listens on %s", "127.0.0.1:1", as_json=False, process=3)
    assert plain.split(maxsplit=2)[2] == "[3] WARNING ragents_server.part: it listens on 127.0.0.1:1\n"
    name_call("request-7", "trace-7")
    facts = {"code": "OK", "passage": "text of a document"}
    told = line("call ended", extra=facts, as_json=False)
    assert told.endswith("call ended code=OK request_id=request-7 trace_id=trace-7\n")


def test_an_exception_is_told_without_the_values_of_variables() -> None:
    hidden = "a password"
    for as_json in (True, False):
        told = line("oh", as_json=as_json)
        assert "ValueError: the secret sauce" in told
        assert "in line" in told
        assert hidden not in told


def test_a_secret_that_a_library_tells_is_masked() -> None:
    secret = 'hunter2"hunter2'
    for as_json in (True, False):
        told = line("refused: %s", secret, as_json=as_json, secrets=[secret, ""])
        assert "hunter2" not in told
        assert "refused: ***" in told
