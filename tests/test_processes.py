"""Several processes as one server, each test through real ones: who serves, who dies, and what clients see of it."""

import asyncio
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from ragents_client.v1 import (
    CACHE_OUTCOME_HIT,
    DocumentServiceStub,
    ListCollectionsRequest,
    PutDocumentsRequest,
    QueryRequest,
    QueryServiceStub,
    Question,
)
from tests.postgres_servers import data_folder, free_port
from tests.servers import bearer, keys_file
from tests.services import calls
from tests.services.processes import (
    LIVENESS,
    NOT_SERVING,
    READINESS,
    SERVING,
    Running,
    checked,
    family,
    finished,
    health,
    postmaster,
    serving,
    watching,
)

OWN = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]  # a connection of its own, nothing mended
SHOULD, HAD = b"The quokka lives on Rottnest Island.", b"The quokka lives on Bald Island."
ASK = QueryRequest(question=Question(text="Where does the quokka live?", collections=["animals"]))


@pytest.fixture
def data() -> Iterator[Path]:
    with data_folder(ready=True) as folder:
        yield folder


@asynccontextmanager
async def ready(processes: int = 2, **settings: Any) -> AsyncIterator[Running]:
    """A server whose processes are all ready."""
    async with serving(processes=processes, **settings) as running:
        async with grpc.aio.insecure_channel(running.address, OWN) as channel:
            await health(channel, SERVING)
        yield running


def workers(running: Running) -> list[int]:
    """The processes that serve now."""
    found = []
    for child in psutil.Process(running.process.pid).children():
        try:
            if "work" in child.cmdline():
                found.append(child.pid)
        except psutil.Error:
            continue  # it has just ended
    return found


def connections(running: Running) -> set[tuple[int, int]]:
    """Every connection of a client's: the process that has it, and the client's port."""
    port = int(running.address.rpartition(":")[2])
    return {
        (pid, one.raddr.port)
        for pid in workers(running)
        for one in psutil.Process(pid).net_connections("tcp")
        if one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port
    }


async def connected(stack: AsyncExitStack, running: Running) -> tuple[int, grpc.aio.Channel]:
    """A channel, and the process that it leads to."""
    before = connections(running)
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(running.address, OWN))
    async with asyncio.timeout(10):
        await channel.channel_ready()
    ((pid, _),) = connections(running) - before
    return pid, channel


async def to_each(stack: AsyncExitStack, running: Running, others: set[int] | None = None) -> dict[int, Any]:
    """A channel to every process but `others`: as many connections are made as that takes."""
    wanted, found = set(workers(running)) - (others or set()), dict[int, grpc.aio.Channel]()
    for _ in range(60):
        pid, channel = await connected(stack, running)
        found.setdefault(pid, channel)
        if wanted <= found.keys():
            return found
    raise AssertionError(f"60 connections led to {found.keys()} alone, of {wanted}")


async def lists(channel: grpc.aio.Channel, **how: Any) -> None:
    await DocumentServiceStub(channel).ListCollections(ListCollectionsRequest(), timeout=20, **how)


async def puts(channel: grpc.aio.Channel, content: bytes) -> None:
    async def parts() -> AsyncIterator[PutDocumentsRequest]:
        for part in calls.whole("quokka.txt", content, "animals"):
            yield part

    responses = [one async for one in DocumentServiceStub(channel).PutDocuments(parts(), timeout=60)]
    assert responses[-1].HasField("document")


async def replaced(running: Running, gone: int, seconds: float = 60) -> int:
    """The process that has come in the place of another and listens."""
    await running.until_it_says("listens on")
    async with asyncio.timeout(seconds):
        while gone in (now := workers(running)) or len(now) < 2:  # noqa: ASYNC110 - a process' end sets no event
            await asyncio.sleep(0.05)
    return max(now, key=lambda pid: psutil.Process(pid).create_time())


async def both(running: Running) -> None:
    """Returns when two processes have said that they listen, one of which `serving` has heard."""
    await running.until_it_says("listens on")


async def test_each_process_gets_connections_and_all_tell_the_same_health(data: Path) -> None:
    port = free_port()
    async with ready(3, data=data, health_listen=f"127.0.0.1:{port}") as running, AsyncExitStack() as stack:
        channels = await to_each(stack, running)
        assert len(channels) == 3
        for channel in channels.values():
            await lists(channel)
            assert await checked(channel, READINESS) == SERVING
            assert await checked(channel, LIVENESS) == SERVING
        for _ in range(6):
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", OWN) as probe:
                assert await checked(probe, READINESS) == SERVING
        told = [await watching(channel, SERVING, NOT_SERVING) for channel in channels.values()]
        running.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*told)
        assert await running.ended(20) == 0
        said = "".join(running.log).splitlines()
    for number in range(3):
        assert any(f" [{number}] INFO " in line for line in said)  # which process a line is from


async def test_a_killed_process_costs_the_others_callers_nothing_and_another_comes(data: Path) -> None:
    async with ready(data=data) as running, AsyncExitStack() as stack:
        await both(running)
        channels = await to_each(stack, running)
        dead, alive = channels
        served, over = Counter[str](), asyncio.Event()

        async def load() -> None:
            while not over.is_set():
                await lists(channels[alive])
                served["calls"] += 1
                assert await checked(channels[alive], READINESS) == SERVING

        loading = asyncio.create_task(load())
        psutil.Process(dead).kill()
        follower = await replaced(running, dead)
        found = await to_each(stack, running)
        await lists(found[follower])
        assert await checked(found[follower], READINESS) == SERVING
        over.set()
        await loading
        assert served["calls"] > 10


async def test_the_follower_of_a_killed_process_listens_once_it_is_prepared(data: Path) -> None:
    async with ready(data=data) as running, AsyncExitStack() as stack:
        await both(running)
        dead = workers(running)[0]
        database = psutil.Process(postmaster(data))
        database.suspend()  # it makes no new connections; those that stand work on
        psutil.Process(dead).kill()
        await running.until_it_says("trying again")
        (alive,) = {(await connected(stack, running))[0] for _ in range(20)}
        assert alive in workers(running)
        async with grpc.aio.insecure_channel(running.address, OWN) as channel:
            assert await checked(channel, READINESS) == SERVING
            await lists(channel)
        database.resume()
        follower = await replaced(running, dead)
        await lists((await to_each(stack, running))[follower])


async def test_a_process_that_hangs_is_replaced(data: Path) -> None:
    async with ready(data=data) as running, AsyncExitStack() as stack:
        await both(running)
        hung = workers(running)[0]
        psutil.Process(hung).suspend()
        line = await running.until_it_says("no sign of life")
        assert f"(pid {hung})" in line
        follower = await replaced(running, hung)
        await lists((await to_each(stack, running))[follower])


async def test_a_drain_under_load_fails_no_call(data: Path) -> None:
    async with ready(data=data, lame_duck=1) as running, AsyncExitStack() as stack:
        await both(running)
        every = list((await to_each(stack, running)).values())
        every += [(await connected(stack, running))[1] for _ in range(6)]
        leave = [await watching(channel, SERVING, NOT_SERVING) for channel in every]
        served = Counter[int]()

        async def load(number: int) -> None:
            """As a balancer does: no more calls once it is told."""
            while not leave[number].done():
                await lists(every[number])
                served[number] += 1

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for number in range(len(every)):
                group.create_task(load(number))
            while len(served) < len(every):  # noqa: ASYNC110 - whoever is last
                await asyncio.sleep(0.01)
            running.process.send_signal(signal.SIGTERM)
        assert await running.ended(20) == 0


@pytest.mark.parametrize("processes", [1, 2])
async def test_a_second_server_on_the_port_is_refused(data: Path, processes: int) -> None:
    async with ready(data=data) as running:
        with data_folder(ready=True) as other:
            status, _, said = await finished(data=other, listen=running.address, processes=processes)
    assert status == 78
    assert said.splitlines()[-1].startswith(f"ragents-server: RAGENTS_LISTEN: cannot listen on {running.address}")


async def test_a_port_of_somebody_elses_is_refused(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, _, said = await finished(data=data, processes=2, listen=f"127.0.0.1:{taken.getsockname()[1]}")
    assert status == 78
    assert "another server" in said.splitlines()[-1]


async def test_a_wrong_setting_that_a_process_finds_ends_the_server(data: Path) -> None:
    status, _, said = await finished(data=data, processes=2, embeddings="nothing")
    assert status == 78
    assert "ragents-server: RAGENTS_EMBEDDINGS: there is no 'nothing'" in said
    assert "Traceback" not in said


async def test_limits_are_not_multiplied(data: Path, tmp_path: Path) -> None:
    keys = keys_file(tmp_path, ada={"tenant": "acme", "user": "ada", "scopes": ["ask"]})
    limits = {"requests_per_minute": 1, "burst": 6, "requests_per_hour": 0, "rate_limit_wait": 0}
    refused = await finished(data=data, processes=2, keys=keys, **limits)
    assert refused[0] == 78
    assert "requests_per_minute of 1" in refused[2]
    limits["requests_per_minute"] = 2
    async with ready(data=data, keys=keys, **limits) as running, AsyncExitStack() as stack:
        outcomes = Counter[grpc.StatusCode]()
        for channel in (await to_each(stack, running)).values():
            for _ in range(8):
                call = DocumentServiceStub(channel).ListCollections(ListCollectionsRequest(), metadata=bearer("ada"))
                outcomes[await call.code()] += 1
    assert outcomes == {grpc.StatusCode.OK: 6, grpc.StatusCode.RESOURCE_EXHAUSTED: 10}


async def test_what_is_put_through_one_process_is_seen_at_once_through_the_other(data: Path) -> None:
    async with ready(data=data) as running, AsyncExitStack() as stack:
        await both(running)
        one, other = (await to_each(stack, running)).values()
        for writer, reader in [(one, other), (other, one)] * 3:
            for content, place in ((SHOULD, "Rottnest"), (HAD, "Bald")):
                await puts(writer, content)
                for channel in (reader, writer):
                    answer = (await QueryServiceStub(channel).Query(ASK, timeout=20)).answer
                    assert place in answer.text
        assert (await QueryServiceStub(other).Query(ASK, timeout=20)).cache.outcome == CACHE_OUTCOME_HIT


async def test_nothing_outlives_a_killed_parent(data: Path) -> None:
    async with ready(data=data) as running:
        await both(running)
        everyone = [psutil.Process(pid) for pid in family(running.process.pid)]
        assert len(everyone) > 5  # the parent, two processes with a parser each, PostgreSQL
        psutil.Process(workers(running)[0]).suspend()  # which makes no difference
        running.process.kill()
        await running.process.wait()
        _, left = await asyncio.to_thread(psutil.wait_procs, everyone, 20)
        assert left == []


async def test_ctrl_c_ends_all_at_once(data: Path) -> None:
    async with ready(data=data, lame_duck=60) as running:
        everyone = family(running.process.pid)
        running.process.send_signal(signal.SIGINT)
        assert await running.ended(15) == 0
        assert not any(psutil.pid_exists(one) for one in everyone)
