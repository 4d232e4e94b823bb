"""`ragents top` beside a real server under calls."""

import asyncio
import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ragents_client import Client
from ragents_client.command.overview import overview, screen
from ragents_client.command.readings import Replica
from ragents_client.command.top import look
from tests.postgres_servers import embedded_database, free_port
from tests.servers import server_thread
from tests.services.processes import ready

TOP = [sys.executable, "-c", "from ragents_client.command import main; main()", "top"]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, str]]:
    """Its address, and its metrics' address, while somebody asks it all the time."""
    metrics = f"127.0.0.1:{free_port()}"
    over = threading.Event()
    with server_thread(metrics_listen=metrics) as address, Client(address) as rag:

        def ask() -> None:
            rag.put_documents([("quokka.txt", b"The quokka lives on Rottnest Island.")])
            while not over.is_set():
                rag.query("Where does the quokka live?")

        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(ask)
            try:
                yield address, metrics
            finally:
                over.set()
                asking.result(30)


def test_in_a_pipe_it_looks_once(ragents: Any, server: tuple[str, str]) -> None:
    address, metrics = server
    result = ragents("--server", address, "top", "--metrics", metrics, "--interval", "1")
    assert result.exit_code == 0, result.output
    for word in ("calls/s", "Query", "p95", "slots", "cache hits", metrics, "MiB"):
        assert word in result.stdout
    assert "does not answer" not in result.stdout


def test_as_json_it_has_all_figures(ragents: Any, server: tuple[str, str]) -> None:
    address, metrics = server
    gone = f"127.0.0.1:{free_port()}"
    words = ("top", "--metrics", metrics, "--metrics", gone, "--interval", "1", "--json")
    seen = json.loads(ragents("--server", address, *words).stdout)
    assert seen["calls"] > 1
    assert seen["methods"]["Query"] > 1
    assert 0 < seen["latency"][0] <= seen["latency"][1] <= seen["latency"][2]
    assert seen["hits"]["answer"] > 0.5
    assert seen["slots"] > 0
    assert seen["failures"] == 0
    assert seen["breakers"] == []
    one, other = seen["replicas"]
    assert one["answers"]
    assert one["bytes"] > 1e6
    assert not other["answers"]


def test_without_metrics_it_says_what_to_set(ragents: Any) -> None:
    result = ragents("top", "--metrics", f"127.0.0.1:{free_port()}")
    assert result.exit_code == 4
    assert "RAGENTS_METRICS_LISTEN" in result.stderr
    assert ragents("top", "--metrics", "nonsense").exit_code == 2


def test_on_a_terminal_it_goes_on_until_ctrl_c(server: tuple[str, str]) -> None:
    address, metrics = server
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    words = [*TOP, "--server", address, "--metrics", metrics, "--interval", "0.3"]
    with subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    ) as running:
        os.close(theirs)
        shown = b""
        while shown.count(b" over 0.3 s") < 3:
            shown += os.read(ours, 65536)
        running.send_signal(2)
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:
            pass
        os.close(ours)
        assert running.wait(30) in {0, 130}
    assert b"Traceback" not in shown


async def test_a_replica_that_dies_is_told_and_the_others_go_on() -> None:
    metrics = f"127.0.0.1:{free_port()}"
    with ThreadPoolExecutor(1) as pool:
        async with embedded_database() as url, ready(database=url, metrics_listen=metrics) as (running, _):
            replicas = await asyncio.to_thread(look, pool, [Replica(metrics)])
            assert overview(replicas).replicas[0]["answers"]
            running.process.kill()
            await running.process.wait()
            replicas = await asyncio.to_thread(look, pool, replicas)
            seen = overview(replicas)
            assert seen.replicas == [{"address": metrics, "answers": False}]
            assert screen(seen, None, 1.0) is not None
