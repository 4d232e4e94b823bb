"""`ragents doctor`: what it finds of servers that are well, ill, elsewhere or something else."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ragents_client import PermissionDenied, RateLimited, Unauthenticated
from ragents_client.channel import release
from ragents_client.testing import scripted_server
from ragents_client.v1 import (
    COMPONENT_STATE_DEGRADED,
    COMPONENT_STATE_DOWN,
    COMPONENT_STATE_UP,
    Component,
    GetHealthResponse,
    ListCollectionsResponse,
)
from tests.servers import keys_file, server_thread


def health(*components: Component, version: str = release(), drift: float = 0.0) -> GetHealthResponse:
    at = Timestamp()
    at.FromMilliseconds(int((time.time() + drift) * 1000))
    return GetHealthResponse(version=version, components=components, time=at)


def found(result: Any) -> dict[str, list[str]]:
    """Verdicts by what they are about."""
    rows: dict[str, list[str]] = {}
    for one in json.loads(result.stdout):
        rows.setdefault(one["about"], []).append(one["verdict"])
    return rows


def test_a_real_server_is_well(ragents: Any, grpc_server: str) -> None:
    result = ragents("doctor", grpc_server, "--json")
    rows = found(result)
    assert set(rows) >= {"address", "connection", "tls", "health", "credentials", "versions", "parts", "round trip"}
    assert {verdict for verdicts in rows.values() for verdict in verdicts} == {"ok"}
    assert result.exit_code == 0


def test_a_server_with_keys_wants_a_token_and_says_so(ragents: Any, tmp_path: Path) -> None:
    keys = keys_file(tmp_path, ada={"tenant": "acme", "user": "ada"})
    with server_thread(keys=keys) as address:
        result = ragents("doctor", address)
    assert result.exit_code == 1
    assert "ok\thealth\tSERVING" in result.stdout
    assert "fail\tcredentials" in result.stdout
    assert "Set RAGENTS_TOKEN or --token-file" in result.stdout


def test_a_port_where_nothing_listens_ends_the_examination(ragents: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listened on
        result = ragents("doctor", f"127.0.0.1:{taken.getsockname()[1]}", "--json")
    assert result.exit_code == 1
    assert found(result) == {"address": ["ok"], "connection": ["fail"]}


def test_a_name_without_an_address_is_told(ragents: Any) -> None:
    result = ragents("doctor", "dns:///nowhere.invalid:50051", "--json")
    assert found(result) == {"address": ["fail"]}
    assert result.exit_code == 1


@contextmanager
def speaking(hello: bytes) -> Iterator[str]:
    """Something that listens, says so much, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(hello)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def test_something_else_that_listens_there_is_no_server_of_ours(ragents: Any) -> None:
    with speaking(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address:
        result = ragents("doctor", address, "--json", "--timeout", "2")
    rows = found(result)
    assert rows["connection"] == ["ok"]
    assert rows["health"] == ["fail"]
    assert result.exit_code == 1


def test_parts_in_trouble_other_releases_and_clocks_are_told(ragents: Any) -> None:
    down = Component(name="queue", state=COMPONENT_STATE_DOWN, detail="the Redis does not answer")
    slow = Component(name="cache", state=COMPONENT_STATE_DEGRADED, detail="alone")
    well = Component(name="database", state=COMPONENT_STATE_UP)
    told = health(down, slow, well, version="9.9.9", drift=-120)
    with scripted_server({"GetHealth": told, "ListCollections": ListCollectionsResponse()}) as server:
        result = ragents("doctor", server.address, "--json")
    rows = found(result)
    assert rows["parts"] == ["fail", "warn"]
    assert rows["versions"] == ["warn"]
    assert rows["clock"] == ["warn"]
    assert result.exit_code == 1
    clock = next(one for one in json.loads(result.stdout) if one["about"] == "clock")
    assert clock["said"].startswith("the server's is -1")
    assert "NTP" in clock["advice"]


@pytest.mark.parametrize(
    ("error", "about", "verdict"),
    [
        (Unauthenticated("the key is revoked"), "credentials", "fail"),
        (PermissionDenied("asking needs the scope ask"), "credentials", "warn"),
    ],
)
def test_what_a_key_may_not_is_told(ragents: Any, error: Exception, about: str, verdict: str) -> None:
    with scripted_server({"GetHealth": error, "ListCollections": error}) as server:
        result = ragents("doctor", server.address, "--json")
    assert found(result)[about] == [verdict]


def test_a_spent_limit_is_a_warning(ragents: Any) -> None:
    spent = RateLimited("500 requests a minute are spent", retry_after=3.0)
    with scripted_server({"GetHealth": health(), "ListCollections": spent}) as server:
        result = ragents("doctor", server.address, "--json")
    assert found(result)["limits"] == ["warn"]
    assert result.exit_code == 0


def test_on_a_terminal_each_finding_has_its_mark(on_a_terminal: Any) -> None:
    down = Component(name="queue", state=COMPONENT_STATE_DOWN, detail="\x1b[2Jthe Redis does not answer")
    with scripted_server({"GetHealth": health(down), "ListCollections": ListCollectionsResponse()}) as server:
        status, shown = on_a_terminal("doctor", server.address)
    assert status == 1
    assert "✓" in shown
    assert "✗" in shown
    assert "\x1b[2J" not in shown
