"""`process_with_rate_limit`: a user's work waits for its tokens, then for its turn by priority."""

import asyncio

import pytest

from ragents_server.admission.gate import Gate
from ragents_server.caller import Caller
from ragents_server.errors import DeadlineTooShort, InvalidRequest, RateLimited
from ragents_server.limits.law import Quota
from ragents_server.limits.limiter import Limiter
from ragents_server.limits.processing import Processing
from ragents_server.limits.quotas import Quotas

ADA, LOW = Caller("acme", "ada"), Caller("acme", "low", priority="LOW")


def processing(slots: int = 1, **limits: int) -> Processing:
    free = {"requests_per_minute": 0, "requests_per_hour": 0}
    return Processing(Limiter(), Quotas(Quota(**free | limits), {}), Gate(slots, 10), most_wait=30)


async def test_what_the_work_gives_is_given_on() -> None:
    async def work() -> int:
        return 42

    assert await processing().process_with_rate_limit(ADA, work) == 42


async def test_work_is_done_by_priority_within_what_its_user_may_have() -> None:
    process, order, go = processing().process_with_rate_limit, list[str](), asyncio.Event()

    async def first() -> None:
        await go.wait()

    def work(name: str) -> object:
        async def noted() -> None:
            order.append(name)

        return noted

    async with asyncio.TaskGroup() as group:
        group.create_task(process(ADA, first))
        await asyncio.sleep(0)
        for user, name, priority in (
            (LOW, "above its ceiling", "CRITICAL"),
            (ADA, "normal", "NORMAL"),
            (ADA, "high", "HIGH"),
        ):
            group.create_task(process(user, work(name), priority))
            await asyncio.sleep(0)
        go.set()
    # ADA's own ceiling is CRITICAL
    assert order == ["high", "normal", "above its ceiling"]


async def test_a_spent_limit_refuses_with_the_wait_and_the_work_is_not_begun() -> None:
    limited = processing(requests_per_minute=1, burst=1)

    async def work() -> None:
        begun.append(True)

    begun: list[bool] = []
    await limited.process_with_rate_limit(ADA, work)
    with pytest.raises(RateLimited) as refused:
        await limited.process_with_rate_limit(ADA, work, timeout=5)
    assert refused.value.retry_after == pytest.approx(60, abs=1)
    assert len(begun) == 1


async def test_a_slot_that_does_not_become_free_in_time_is_told() -> None:
    process, go = processing().process_with_rate_limit, asyncio.Event()
    holding = asyncio.create_task(process(ADA, go.wait))
    await asyncio.sleep(0)
    with pytest.raises(DeadlineTooShort):
        await process(ADA, go.wait, timeout=0.05)
    go.set()
    await holding


async def test_an_unknown_priority_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="CRITICAL"):
        await processing().process_with_rate_limit(ADA, asyncio.Event().wait, "URGENT")
