"""The gate: so many at once, the others wait, and nobody waits for what cannot come."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from ragents_server.admission.gate import Gate
from ragents_server.caller import PRIORITIES, Caller
from ragents_server.errors import DeadlineTooShort, Overloaded
from ragents_server.execution import Execution

LOW, NORMAL, HIGH, CRITICAL = range(4)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Calls:
    """Calls of a gate, each a task that works until it is told to end."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.working: list[str] = []  # in the order in which they began
        self._end: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[str]] = {}

    async def begin(self, name: str, priority: int = NORMAL, *, until: float = 1e9, tenant: str = "acme") -> None:
        execution = Execution(self.gate, Caller(tenant, tenant), kind="work", priority=priority, until=until)
        self._end[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._work(name, execution))
        await settle()

    async def _work(self, name: str, execution: Execution) -> str:
        try:
            await execution.take_slot()
            self.working.append(name)
            await self._end[name].wait()
        finally:
            execution.end()
        return "done"

    async def end(self, name: str) -> str:
        self._end[name].set()
        await settle()
        return await self._tasks[name]

    async def leave(self, name: str) -> None:
        self._tasks[name].cancel()
        await settle()

    async def refusal(self, name: str) -> Exception:
        assert self._tasks[name].done(), f"{name} is not refused"
        with pytest.raises((Overloaded, DeadlineTooShort)) as caught:
            await self._tasks[name]
        return caught.value


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., Calls]]:
    made: list[Calls] = []

    def calls(slots: int, most: int = 100, clock: Clock | None = None) -> Calls:
        made.append(Calls(Gate(slots, most, clock or Clock())))
        return made[-1]

    yield calls
    for one in made:
        for name in one._tasks:
            one._end[name].set()
        await asyncio.gather(*one._tasks.values(), return_exceptions=True)
        assert one.gate.executing == 0
        assert len(one.gate.line) == 0


async def test_no_more_work_at_once_than_there_are_slots(opened: Callable[..., Calls]) -> None:
    calls = opened(3)
    for i in range(10):
        await calls.begin(str(i))
    assert calls.working == ["0", "1", "2"]
    assert calls.gate.executing == 3
    assert dict(calls.gate.waiting())["NORMAL"] == 7
    await calls.end("1")
    assert calls.working == ["0", "1", "2", "3"]
    assert calls.gate.executing == 3


async def test_the_most_urgent_is_next(opened: Callable[..., Calls]) -> None:
    calls = opened(1)
    await calls.begin("first")
    for name, priority in (("low", LOW), ("normal", NORMAL), ("critical", CRITICAL), ("high", HIGH)):
        await calls.begin(name, priority)
    for name in ("first", "critical", "high", "normal", "low"):
        await calls.end(name)
    assert calls.working == ["first", "critical", "high", "normal", "low"]


async def test_who_leaves_the_line_is_not_waited_for(opened: Callable[..., Calls]) -> None:
    calls = opened(1)
    for name in ("first", "second", "third"):
        await calls.begin(name)
    await calls.leave("second")
    assert len(calls.gate.line) == 1
    await calls.end("first")
    assert calls.working == ["first", "third"]


async def test_who_leaves_at_the_moment_of_its_turn_gives_the_slot_on(opened: Callable[..., Calls]) -> None:
    calls = opened(1)
    for name in ("first", "second", "third"):
        await calls.begin(name)
    calls._end["first"].set()
    await asyncio.sleep(0)  # the first has ended, the second's turn was told and it has not run yet
    await calls.leave("second")
    assert calls.working == ["first", "third"]


async def test_a_full_line_refuses_with_a_wait_and_lets_the_more_urgent_in(opened: Callable[..., Calls]) -> None:
    calls = opened(1, most=2)
    for name in ("first", "a", "b"):
        await calls.begin(name)
    await calls.begin("c")
    refused = await calls.refusal("c")
    assert isinstance(refused, Overloaded)
    assert refused.retry_after is not None and 0.1 <= refused.retry_after <= 60
    await calls.begin("urgent", CRITICAL)
    assert isinstance(await calls.refusal("b"), Overloaded)
    await calls.end("first")
    assert calls.working == ["first", "urgent"]


async def learnt(calls: Calls, clock: Clock, seconds: float) -> None:
    for i in range(10):
        await calls.begin(f"learning {i}")
        clock.now += seconds
        await calls.end(f"learning {i}")
    calls.working.clear()


async def test_a_call_whose_time_does_not_suffice_is_refused_before_any_work(opened: Callable[..., Calls]) -> None:
    clock = Clock()
    calls = opened(1, clock=clock)
    await learnt(calls, clock, 2.0)
    await calls.begin("short", until=clock.now + 1.5)
    assert isinstance(await calls.refusal("short"), DeadlineTooShort)
    await calls.begin("long", until=clock.now + 3)
    assert calls.working == ["long"]


async def test_a_call_whose_time_runs_out_in_the_line_does_not_get_its_turn(opened: Callable[..., Calls]) -> None:
    clock = Clock()
    calls = opened(1, clock=clock)
    await learnt(calls, clock, 2.0)
    await calls.begin("first")
    await calls.begin("hasty", until=clock.now + 3)
    await calls.begin("patient", until=clock.now + 30)
    clock.now += 2.0
    await calls.end("first")
    assert isinstance(await calls.refusal("hasty"), DeadlineTooShort)
    assert calls.working == ["first", "patient"]


async def test_a_slow_time_that_is_over_does_not_keep_quick_calls_out(opened: Callable[..., Calls]) -> None:
    clock = Clock()
    calls = opened(1, clock=clock)
    await learnt(calls, clock, 2.0)
    clock.now += 31
    await calls.begin("short", until=clock.now + 1.5)
    assert calls.working == ["short"]


async def test_one_tenant_that_asks_for_all_does_not_keep_others_waiting(opened: Callable[..., Calls]) -> None:
    calls = opened(1, most=50)
    for i in range(60):
        await calls.begin(f"greedy {i}", tenant="greedy")
    await calls.begin("modest", tenant="modest")
    await calls.end("greedy 0")
    assert calls.working[1] in {"greedy 1", "modest"}
    await calls.end(calls.working[1])
    assert "modest" in calls.working


async def test_what_takes_no_slot_waits_for_nothing(opened: Callable[..., Calls]) -> None:
    calls = opened(1)
    await calls.begin("first")
    hit = Execution(calls.gate, Caller("acme", "ada"), priority=PRIORITIES.index("LOW"))
    hit.end()  # a cached answer: nothing was worked for
    assert calls.gate.executing == 1
