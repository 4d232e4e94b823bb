"""Of callers that want the same at once, one makes it: in a process by riding along, between processes by a lease."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from ragents_server.cache.single_flight import Flights


class Work:
    """A stream of three items that a test lets go on, one by one."""

    def __init__(self, *, fails: bool = False) -> None:
        self.begun = 0
        self.ended = 0
        self.go = asyncio.Semaphore(0)
        self.fails = fails

    async def __call__(self) -> AsyncGenerator[int, None]:
        self.begun += 1
        try:
            for item in range(3):
                await self.go.acquire()
                if self.fails and item == 2:
                    raise ValueError("it broke")
                yield item
        finally:
            self.ended += 1


async def ride(flights: Flights[int], work: Work) -> list[int]:
    async with aclosing(flights.ride("key", work)) as items:
        return [item async for item in items]


async def turn() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_hundred_riders_make_one_flight_and_all_get_everything() -> None:
    flights, work = Flights[int](), Work()
    async with asyncio.TaskGroup() as group:
        early = [group.create_task(ride(flights, work)) for _ in range(50)]
        await turn()
        work.go.release()
        await turn()
        late = [group.create_task(ride(flights, work)) for _ in range(50)]
        await turn()
        work.go.release()
        work.go.release()
    assert [task.result() for task in early + late] == [[0, 1, 2]] * 100
    assert (work.begun, work.ended, flights.is_flying("key")) == (1, 1, False)


async def test_items_come_as_they_are_made() -> None:
    flights, work = Flights[int](), Work()
    async with aclosing(flights.ride("key", work)) as items:
        for item in range(3):
            work.go.release()
            assert await anext(items) == item


async def test_whoever_boarded_first_may_leave() -> None:
    flights, work = Flights[int](), Work()
    first = asyncio.create_task(ride(flights, work))
    await turn()
    second = asyncio.create_task(ride(flights, work))
    await turn()
    first.cancel()
    await asyncio.wait([first])
    for _ in range(3):
        work.go.release()
    assert await second == [0, 1, 2]
    assert (first.cancelled(), work.begun) == (True, 1)


async def test_the_last_one_to_leave_ends_the_flight() -> None:
    flights, work = Flights[int](), Work()
    riders = [asyncio.create_task(ride(flights, work)) for _ in range(3)]
    await turn()
    for rider in riders:
        rider.cancel()
    await asyncio.wait(riders)
    assert (work.begun, work.ended, flights.is_flying("key")) == (1, 1, False)


async def test_a_failure_is_everybodys_and_is_forgotten() -> None:
    flights, broken = Flights[int](), Work(fails=True)
    riders = [asyncio.create_task(ride(flights, broken)) for _ in range(3)]
    await turn()
    for _ in range(3):
        broken.go.release()
    for rider in riders:
        with pytest.raises(ValueError, match="it broke"):
            await rider
    whole = Work()
    for _ in range(3):
        whole.go.release()
    assert await ride(flights, whole) == [0, 1, 2]
