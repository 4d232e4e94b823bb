"""A Redis for checkpoints: one that may evict is refused, one that is away is waited for, and costs no turn later."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

from ragents_client import AsyncClient, StateUnavailable
from tests.postgres_servers import data_folder
from tests.redis_servers import free_port, valkey_server
from tests.services.processes import NOT_SERVING, READINESS, SERVING, checked, finished, health, serving
from tests.talking_agents import AGENTS

ECHO = "echo"


@pytest.fixture
def data() -> Iterator[Path]:
    with data_folder(ready=True) as folder:
        yield folder


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_redis_that_may_evict_ends_the_start_with_one_line(data: Path, policy: str) -> None:
    async with valkey_server("--maxmemory", "100mb", "--maxmemory-policy", policy) as redis:
        status, _, said = await finished(data=data, checkpoints=redis.url)
    last = said.strip().splitlines()[-1]
    assert status == 78
    assert last.startswith("ragents-server: RAGENTS_CHECKPOINTS: ") and policy in last and "noeviction" in last


async def test_a_redis_that_forbids_config_is_asked_otherwise(data: Path) -> None:
    async with valkey_server("--maxmemory-policy", "allkeys-lfu", "--rename-command", "CONFIG", "") as redis:
        status, _, said = await finished(data=data, checkpoints=redis.url)
    assert status == 78 and "allkeys-lfu" in said


async def test_a_redis_that_is_away_at_start_is_waited_for(data: Path) -> None:
    port = free_port()
    settings: dict[str, Any] = {"data": data, "checkpoints": f"redis://127.0.0.1:{port}", "agents": AGENTS}
    async with serving(**settings) as running, grpc.aio.insecure_channel(running.address) as channel:
        await running.until_it_says("the Redis of the checkpoints does not answer yet")
        assert await checked(channel, READINESS) == NOT_SERVING
        async with valkey_server(port=port), AsyncClient(running.address) as rag:
            await health(channel, SERVING)
            assert (await rag.run(ECHO, "one", thread_id="mine")).answer.text == "0: one"


async def test_while_the_redis_is_away_turns_are_unavailable_and_afterwards_whole(data: Path) -> None:
    async with valkey_server() as redis:
        settings: dict[str, Any] = {
            "data": data,
            "checkpoints": redis.url,
            "agents": AGENTS,
            "checkpoints_timeout": 0.5,
        }
        async with serving(**settings) as running, grpc.aio.insecure_channel(running.address) as channel:
            await health(channel, SERVING)
            async with AsyncClient(running.address) as rag:
                await rag.run(ECHO, "one", thread_id="mine")
                with redis.stopped():
                    with pytest.raises(StateUnavailable):
                        await rag.run(ECHO, "two", thread_id="mine")
                    with pytest.raises(StateUnavailable):
                        await rag.get_thread("mine")
                assert await _answered(rag, "three") == "1: three"
                assert [one.question for one in (await rag.get_thread("mine")).exchanges] == ["one", "three"]


async def _answered(rag: AsyncClient, text: str) -> str:
    """The answer, once the server has found that its Redis is back."""
    async with asyncio.timeout(30):
        while True:
            try:
                return cast(str, (await rag.run(ECHO, text, thread_id="mine", request_id=text)).answer.text)
            except StateUnavailable:
                await asyncio.sleep(0.1)
