"""The supervisor with processes that do nothing, whose words the test says: joint truth, followers, giving up, ends."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from ragents_server.errors import EX_CONFIG
from ragents_server.processes import messages
from ragents_server.processes.link import Link
from ragents_server.processes.supervisor import DEATHS, EX_SOFTWARE, Supervisor
from ragents_server.processes.worker import Worker

SLEEPS = ("sleep", "300")


@pytest.fixture(autouse=True)
def heard_interrupts() -> Iterator[None]:
    """Processes hear SIGINT, though whoever runs the tests in the background has it ignored, which they inherit."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Crew:
    """Starts processes for a supervisor, and speaks for them; the newest of each number."""

    def __init__(self, *commands: tuple[str, ...], silence: float = 60.0) -> None:
        self.workers: dict[int, Worker] = {}
        self.begun: list[tuple[int, bool]] = []
        self._commands = commands
        self._silence = silence
        self._opened: list[Link] = []
        self._links: dict[int, Link] = {}
        self._told: dict[int, asyncio.Queue[bool]] = {}
        self._tasks = set[asyncio.Task[None]]()
        self._moved = asyncio.Condition()

    async def begin(self, number: int, first: bool) -> Worker:
        ours, theirs = socket.socketpair()
        command = self._commands[min(number, len(self._commands) - 1)]
        process = await asyncio.create_subprocess_exec(*command)
        worker = Worker(number, process, await messages.opened(ours), first=first, silence=self._silence)
        link, told = Link(await messages.opened(theirs)), asyncio.Queue[bool]()
        self._opened.append(link)
        self._links[number], self._told[number] = link, told
        self._keep(link.listen())
        self._keep(link.follow(told.put))
        async with self._moved:
            self.workers[number] = worker
            self.begun.append((number, first))
            self._moved.notify_all()
        return worker

    async def until_begun(self, count: int) -> None:
        async with asyncio.timeout(10), self._moved:
            await self._moved.wait_for(lambda: len(self.begun) >= count)

    def say(self, number: int, message: bytes) -> None:
        self._links[number].say(message)

    async def hears(self, number: int, all_ready: bool) -> None:
        """Returns when the process has been told so."""
        async with asyncio.timeout(10):
            while await self._told[number].get() is not all_ready:
                pass

    def hears_nothing(self, number: int) -> bool:
        return self._told[number].empty()

    def _keep(self, coroutine: "Coroutine[None, None, None]") -> None:
        self._tasks.add(asyncio.create_task(coroutine))

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for link in self._opened:
            await link.aclose()


@asynccontextmanager
async def supervised(crew: Crew, processes: int = 2) -> AsyncIterator[tuple[Supervisor, "asyncio.Task[int]"]]:
    """A supervisor that runs until the block ends."""
    supervisor = Supervisor(processes, crew.begin)
    running = asyncio.create_task(supervisor.run())
    try:
        await crew.until_begun(processes)
        yield supervisor, running
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await crew.aclose()
    assert all(worker.process.returncode is not None for worker in crew.workers.values())


async def ready(crew: Crew) -> None:
    """Both say so, and hear that both have."""
    for number in (0, 1):
        crew.say(number, messages.READY)
    for number in (0, 1):
        await crew.hears(number, True)


async def test_all_are_ready_when_each_is_and_all_hear_of_one_that_is_not() -> None:
    crew = Crew(SLEEPS)
    async with supervised(crew) as (supervisor, _):
        crew.say(0, messages.READY)
        await crew.hears(0, False)
        assert not supervisor.all_ready
        crew.say(1, messages.READY)
        for number in (0, 1):
            await crew.hears(number, True)
        crew.say(1, messages.NOT_READY)
        for number in (0, 1):
            await crew.hears(number, False)


async def test_one_that_dies_does_not_count_nor_does_its_follower_until_it_listens() -> None:
    crew = Crew(SLEEPS)
    async with supervised(crew) as (supervisor, _):
        await ready(crew)
        crew.workers[1].process.kill()
        await crew.until_begun(3)
        assert crew.begun[2] == (1, False)
        await crew.hears(1, True)  # so that it can tell clients the truth from its first moment on
        assert supervisor.all_ready
        crew.say(1, messages.NOT_READY)
        await crew.hears(0, False)
        crew.say(1, messages.READY)
        await crew.hears(0, True)


async def test_one_that_leaves_does_not_count() -> None:
    crew = Crew(SLEEPS)
    async with supervised(crew) as (supervisor, _):
        await ready(crew)
        crew.say(1, messages.LEAVING)
        crew.say(1, messages.NOT_READY)
        async with asyncio.timeout(10):
            while crew.workers[1].ready:  # noqa: ASYNC110 - nobody is told, which is the point
                await asyncio.sleep(0.01)
        assert supervisor.all_ready


async def test_one_that_is_silent_is_killed_and_followed() -> None:
    crew = Crew(SLEEPS, silence=2.0)
    async with supervised(crew) as (_, _):
        await ready(crew)
        silent = crew.workers[1].process

        async def lives() -> None:
            while True:
                crew.say(0, messages.ALIVE)
                await asyncio.sleep(0.2)

        living = asyncio.create_task(lives())
        await crew.until_begun(3)
        living.cancel()
        assert silent.returncode == -signal.SIGKILL
        assert crew.begun[2] == (1, False)
        assert crew.workers[0].process.returncode is None


async def test_one_that_starts_may_be_silent_for_longer() -> None:
    crew = Crew(SLEEPS, silence=1.0)
    async with supervised(crew) as (_, running):
        _, waiting = await asyncio.wait([running], timeout=2.5)
        assert waiting
        assert len(crew.begun) == 2


async def test_processes_that_keep_dying_end_the_server() -> None:
    crew = Crew(SLEEPS, (sys.executable, "-c", "raise SystemExit(3)"))
    async with supervised(crew) as (_, running), asyncio.timeout(30):
        assert await running == EX_SOFTWARE
        assert [number for number, _ in crew.begun].count(1) == DEATHS
        assert crew.workers[0].process.returncode == -signal.SIGKILL


async def test_a_wrong_configuration_is_not_tried_again() -> None:
    crew = Crew(SLEEPS, (sys.executable, "-c", f"raise SystemExit({EX_CONFIG})"))
    async with supervised(crew) as (_, running), asyncio.timeout(30):
        assert await running == EX_CONFIG
        assert len(crew.begun) == 2


@pytest.mark.parametrize(("lame_duck", "number"), [(True, signal.SIGTERM), (False, signal.SIGINT)])
async def test_all_are_told_before_they_end(lame_duck: bool, number: signal.Signals) -> None:
    crew = Crew(SLEEPS)
    async with supervised(crew) as (supervisor, running):
        await ready(crew)
        async with asyncio.timeout(10):
            await supervisor.stop(lame_duck=lame_duck, seconds=10)
            assert await running == 0
        for one in (0, 1):
            await crew.hears(one, False)
            assert crew.workers[one].process.returncode == -number
        assert len(crew.begun) == 2


async def test_one_that_does_not_end_is_killed() -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    crew = Crew((sys.executable, "-c", deaf), SLEEPS)
    async with supervised(crew) as (supervisor, running):
        async with asyncio.timeout(20):
            while signal.SIGTERM not in _ignored(crew.workers[0].process.pid):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.01)
            await supervisor.stop(lame_duck=True, seconds=0.5)
            assert await running == 0
        assert crew.workers[0].process.returncode == -signal.SIGKILL
        assert crew.workers[1].process.returncode == -signal.SIGTERM


def _ignored(pid: int) -> set[int]:
    """The signals that a process ignores."""
    status = Path(f"/proc/{pid}/status").read_text()
    mask = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigIgn"))
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}
