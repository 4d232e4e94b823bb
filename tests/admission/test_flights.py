"""Executions that ride one flight: one slot among them, as urgent as the most urgent, and nobody waits for himself."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ragents_server.admission.gate import Gate
from ragents_server.cache.single_flight import Flights
from ragents_server.caller import Caller
from ragents_server.execution import Execution, begin, current_execution
from tests.admission.test_gate import CRITICAL, HIGH, LOW, NORMAL, settle


class Server:
    """A gate, flights beneath it, and calls that want things one after the other, each made once for all."""

    def __init__(self, slots: int) -> None:
        self.gate = Gate(slots, 100, lambda: 0.0)
        self.flights = Flights[str]()
        self.made: list[str] = []
        self.go: dict[str, asyncio.Event] = {}
        self.executions: dict[str, Execution] = {}
        self.tasks: dict[str, asyncio.Task[list[str]]] = {}

    async def call(self, name: str, *things: str, priority: int = NORMAL, holds: bool = False) -> None:
        execution = Execution(self.gate, Caller("acme", name), kind="call", priority=priority)
        self.executions[name] = execution
        self.tasks[name] = asyncio.create_task(self._call(execution, things, holds))
        await settle()

    async def _call(self, execution: Execution, things: tuple[str, ...], holds: bool) -> list[str]:
        begin(execution)
        try:
            if holds:
                execution.lasting = True
                await execution.take_slot()
            return [await self._want(thing) for thing in things]
        finally:
            execution.end()

    async def _want(self, thing: str) -> str:
        async with aclosing(self.flights.ride(thing, lambda: self._make(thing))) as items:
            return [item async for item in items][-1]

    async def _make(self, thing: str) -> AsyncGenerator[str, None]:
        await current_execution().take_slot()
        self.made.append(thing)
        await self.go.setdefault(thing, asyncio.Event()).wait()
        yield thing

    async def finish(self, thing: str) -> None:
        self.go.setdefault(thing, asyncio.Event()).set()
        await settle()


async def test_riders_of_one_flight_take_one_slot() -> None:
    server = Server(slots=5)
    for name in ("ada", "bob", "cy"):
        await server.call(name, "answer")
    assert server.gate.executing == 1
    await server.finish("answer")
    assert [await task for task in server.tasks.values()] == [["answer"]] * 3
    assert server.gate.executing == 0


async def test_a_call_keeps_its_slot_from_searching_to_writing() -> None:
    server = Server(slots=1)
    await server.call("ada", "passages", "answer")
    await server.call("bob", "other")
    await server.finish("passages")
    assert server.made == ["passages", "answer"]  # it did not wait again behind bob
    await server.finish("answer")
    assert server.made[-1] == "other"
    await server.finish("other")
    assert server.gate.executing == 0


async def test_a_flight_is_as_urgent_as_its_most_urgent_rider() -> None:
    server = Server(slots=1)
    await server.call("first", "busy")
    await server.call("low", "shared", priority=LOW)
    await server.call("high", "own", priority=HIGH)
    await server.call("critical", "shared", priority=CRITICAL)
    assert [server.executions[name].position() for name in ("low", "high", "critical")] == [0, 1, 0]
    await server.finish("busy")
    assert server.made == ["busy", "shared"]
    for thing in ("shared", "own"):
        await server.finish(thing)
    await asyncio.gather(*server.tasks.values())
    assert server.gate.executing == 0


async def test_who_has_a_slot_does_not_wait_for_one_who_waits_for_it() -> None:
    server = Server(slots=1)
    await server.call("run", "theirs", holds=True)  # has the only slot, and works with it
    await server.call("ada", "shared")  # waits for the slot
    assert server.made == ["theirs"]
    server.tasks["second"] = asyncio.create_task(server._call(server.executions["run"], ("shared",), False))
    await settle()
    assert server.made == ["theirs", "shared"]  # made with the slot of the run
    assert server.gate.executing == 1
    for thing in ("shared", "theirs"):
        await server.finish(thing)
    await asyncio.gather(*server.tasks.values())
    assert server.gate.executing == 0


async def test_the_first_rider_may_leave_and_the_next_one_has_the_slot() -> None:
    server = Server(slots=1)
    await server.call("ada", "passages", "answer")
    await server.call("bob", "passages", "answer")
    await server.call("cy", "other")
    server.tasks.pop("ada").cancel()
    await settle()
    await server.finish("passages")
    assert server.made == ["passages", "answer"]
    for thing in ("answer", "other"):
        await server.finish(thing)
    await asyncio.gather(*server.tasks.values())
    assert server.gate.executing == 0


async def test_a_flight_whose_riders_all_leave_gives_its_place_up() -> None:
    server = Server(slots=1)
    await server.call("first", "busy")
    await server.call("ada", "shared")
    await server.call("bob", "shared")
    for name in ("ada", "bob"):
        server.tasks.pop(name).cancel()
        await settle()
    assert len(server.gate.line) == 0
    await server.finish("busy")
    assert server.made == ["busy"]
    assert server.gate.executing == 0
