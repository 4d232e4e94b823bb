"""kill -9 of PostgreSQL or of its parent: nothing acknowledged is lost, and the next start just works."""

import asyncio
import os
import select
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from ragents_server.connections import launcher, pidfile
from ragents_server.connections.launcher import embedded_postgres
from ragents_server.connections.postgres import UNAVAILABLE, open_pool
from ragents_server.errors import ConfigurationError
from tests.postgres_servers import data_folder

INSERTING = Path(__file__).with_name("inserting.py")
WRITERS = 8


@pytest.fixture
def data() -> Iterator[Path]:
    with data_folder(ready=True) as folder:
        yield folder


def postmaster(data: Path) -> int:
    found = pidfile.running(data / "postgres" / "cluster")
    assert found is not None
    return found


def ended_within(descriptor: int, seconds: float) -> bool:
    return bool(select.select([descriptor], [], [], seconds)[0])


class Writers:
    """Writers that note what they sent, what was acknowledged and what they were left in the dark about."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._next = iter(range(10**9))
        self.in_flight: set[int] = set()
        self.acknowledged: set[int] = set()
        self.unknown: set[int] = set()
        self.progress = asyncio.Condition()

    async def write(self) -> None:
        while True:
            number = next(self._next)
            self.in_flight.add(number)
            try:
                await self._pool.execute("INSERT INTO entry VALUES ($1)", number)
            except UNAVAILABLE:
                self.unknown.add(number)
                await asyncio.sleep(0.01)
            else:
                self.acknowledged.add(number)
            self.in_flight.discard(number)
            async with self.progress:
                self.progress.notify_all()

    async def more(self, rows: int) -> None:
        """Wait until so many more rows are acknowledged."""
        target = len(self.acknowledged) + rows
        async with asyncio.timeout(60), self.progress:
            await self.progress.wait_for(lambda: len(self.acknowledged) >= target)


def first_process(data: Path) -> list[int]:
    """Its backends finish what they do, and end."""
    return [postmaster(data)]


def every_process(data: Path) -> list[int]:
    """As a power cut: a commit ends between any two of its instructions."""
    first = postmaster(data)
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return [first, *map(int, children)]


@pytest.mark.parametrize("victims", [first_process, every_process])
async def test_killing_postgres_loses_no_acknowledged_row_and_it_comes_back_at_the_same_url(
    data: Path, victims: Callable[[Path], list[int]]
) -> None:
    async with embedded_postgres(data) as url, open_pool(url, size=WRITERS) as pool:
        await pool.execute("CREATE TABLE entry (id bigint PRIMARY KEY)")
        writers = Writers(pool)
        at_kill: set[int] = set()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(writers.write()) for _ in range(WRITERS)]
            for _ in range(3):
                await writers.more(200)
                at_kill |= writers.in_flight
                for process in victims(data):
                    os.kill(process, signal.SIGKILL)
                await writers.more(50)
            for task in tasks:
                task.cancel()
        kept = {row["id"] for row in await pool.fetch("SELECT id FROM entry")}
    assert len(at_kill) >= 3, "no commit was in flight at a kill"
    assert writers.unknown or victims is first_process, "no writer noticed a kill"
    assert writers.acknowledged - kept == set()


@asynccontextmanager
async def inserting(data: Path, rows: int, loop: str) -> AsyncIterator[Process]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, str(INSERTING), str(data), str(rows), loop]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, env=environment, limit=2**20)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_killing_the_server_ends_postgres_and_loses_no_acknowledged_row(data: Path, loop: str) -> None:
    async with inserting(data, 10**6, loop) as process:
        assert process.stdout is not None
        lines = [await process.stdout.readline() for _ in range(1000)]
        watched = os.pidfd_open(postmaster(data))
        process.kill()
        lines += (await process.stdout.read()).splitlines()
    said = [line.split() for line in lines]
    sent, done = (
        {int(words[1]) for words in said if words[0] == what and len(words) == 2} for what in (b"sent", b"done")
    )
    assert len(sent - done) >= 1, "no commit was in flight at the kill"
    try:
        async with embedded_postgres(data) as url, open_pool(url) as pool:
            kept = {row["id"] for row in await pool.fetch("SELECT id FROM entry")}
            assert ended_within(watched, 0), "a second PostgreSQL was started beside the first"
    finally:
        os.close(watched)
    assert len(done) >= 400
    assert done - kept == set()


async def test_postgres_ends_within_seconds_of_its_killed_server(data: Path) -> None:
    async with inserting(data, 10**6, "asyncio") as process:
        assert process.stdout is not None
        await process.stdout.readline()
        watched = os.pidfd_open(postmaster(data))
        process.kill()
        await process.stdout.read()
    try:
        assert await asyncio.to_thread(ended_within, watched, 6)
    finally:
        os.close(watched)


async def killed_server_with_a_stopped_postgres(data: Path) -> int:
    async with inserting(data, 10**6, "asyncio") as process:
        assert process.stdout is not None
        await process.stdout.readline()
        orphan = postmaster(data)
        os.kill(orphan, signal.SIGSTOP)
        process.kill()
        await process.stdout.read()
    return orphan


async def test_a_restart_waits_for_the_dying_postgres(data: Path) -> None:
    orphan = await killed_server_with_a_stopped_postgres(data)
    restart = asyncio.create_task(started(data))
    try:
        done, _ = await asyncio.wait([restart], timeout=0.5)
        assert not done
    finally:
        os.kill(orphan, signal.SIGCONT)
    assert await restart not in (orphan, None)


async def started(data: Path) -> int:
    async with embedded_postgres(data):
        return postmaster(data)


async def test_a_restart_does_not_wait_for_ever(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orphan = await killed_server_with_a_stopped_postgres(data)
    monkeypatch.setattr(launcher, "LOCK_SECONDS", 0.1)
    try:
        with pytest.raises(ConfigurationError, match=rf"in use by a PostgreSQL \(process {orphan}\)"):
            await started(data)
    finally:
        os.kill(orphan, signal.SIGKILL)


async def test_a_killed_initdb_leaves_nothing_that_a_start_stumbles_over(data: Path) -> None:
    shutil.rmtree(data / "postgres")
    async with inserting(data, 0, "asyncio") as process:
        async with asyncio.timeout(30):
            while not list((data / "postgres").glob("cluster.new-*/base")):  # noqa: ASYNC110
                await asyncio.sleep(0)
        process.kill()
    assert not (data / "postgres" / "cluster").exists()
    async with embedded_postgres(data) as url, open_pool(url) as pool:
        assert await pool.fetchval("SELECT 1") == 1


async def test_a_living_process_with_the_number_of_the_killed_postgres_is_no_obstacle(data: Path) -> None:
    async with embedded_postgres(data):
        written = (data / "postgres" / "cluster" / "postmaster.pid").read_text()
    left = data / "postgres" / "cluster" / "postmaster.pid"
    somebody = await asyncio.create_subprocess_exec("sleep", "60", user=left.parent.owner())
    try:
        left.write_text("\n".join([str(somebody.pid), *written.splitlines()[1:]]) + "\n")
        async with asyncio.timeout(10):
            assert await started(data) != somebody.pid
    finally:
        somebody.kill()
        await somebody.wait()
