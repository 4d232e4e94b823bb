"""Two processes as one server, and one page of metrics."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest

from ragents_client.v1 import DocumentServiceStub, ListDocumentsRequest
from tests.metrics_page import Page, read, read_when
from tests.postgres_servers import data_folder, free_port
from tests.services.processes import SERVING, health, serving

OWN = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]  # a connection of its own, nothing mended
LIST = {"grpc_method": "ListDocuments", "grpc_code": "OK"}
CALLS = 16


@pytest.fixture
def data() -> Iterator[Path]:
    with data_folder(ready=True) as folder:
        yield folder


def handled(page: Page) -> float:
    return page.total("grpc_server_handled_total", **LIST)


async def call(address: str) -> None:
    async with grpc.aio.insecure_channel(address, OWN) as channel:
        await DocumentServiceStub(channel).ListDocuments(ListDocumentsRequest(), timeout=20)


async def test_the_page_adds_up_what_each_process_counts_and_loses_nothing_of_one_that_dies(data: Path) -> None:
    metrics = f"127.0.0.1:{free_port()}"
    async with serving(processes=2, data=data, metrics_listen=metrics, executions=8) as running:
        async with grpc.aio.insecure_channel(running.address, OWN) as channel:
            await health(channel, SERVING)
        for _ in range(CALLS):
            await call(running.address)
        page = await read_when(metrics, lambda page: handled(page) >= CALLS)
        assert handled(page) == CALLS
        assert page.total("ragents_slots") == 8
        assert page.total("ragents_build_info") == 1
        assert page.total("grpc_server_handling_seconds_bucket", le="+Inf", grpc_method="ListDocuments") == CALLS
        assert page.text.count("# TYPE ragents_build_info ") == 1

        workers = [one for one in psutil.Process(running.process.pid).children() if "work" in one.cmdline()]
        assert len(workers) == 2
        os.kill(workers[0].pid, signal.SIGKILL)
        workers[0].wait(20)
        assert handled(await read_when(metrics, lambda page: page.total("ragents_slots") == 4)) == CALLS
        page = await read_when(metrics, lambda page: page.total("ragents_slots") == 8)
        assert handled(page) == CALLS
    with pytest.raises(OSError, match="refused"):
        read(metrics)


@pytest.mark.parametrize("processes", [1, 2])
async def test_the_page_is_there_until_the_end_of_a_drain(data: Path, processes: int) -> None:
    metrics = f"127.0.0.1:{free_port()}"
    async with serving(processes=processes, data=data, metrics_listen=metrics, lame_duck=3) as running:
        async with grpc.aio.insecure_channel(running.address, OWN) as channel:
            await health(channel, SERVING)
        running.process.send_signal(signal.SIGTERM)
        for _ in range(processes):
            await running.until_it_says("draining")
        page = await asyncio.to_thread(read, metrics)
        assert page.total("ragents_build_info") == 1
        assert await running.ended(20) == 0
    with pytest.raises(OSError, match="refused"):
        read(metrics)
