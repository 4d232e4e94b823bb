"""What a queue promises, whatever keeps it."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from ragents_server.errors import Overloaded
from ragents_server.jobs.queue import Bounds, Job, Queue
from ragents_server.jobs.turns import Turns
from tests.jobs.places import CRITICAL, EVERYWHERE, HIGH, LOW, NORMAL, USUAL, Place, batch_id, submission


async def taken(queue: Queue, number: int) -> list[Job]:
    """So many jobs, one after the other."""
    jobs = [await queue.take(USUAL) for _ in range(number)]
    return [job for job in jobs if job is not None]


async def one(queue: Queue) -> Job:
    [job] = await taken(queue, 1)
    return job


def names(jobs: list[Job]) -> list[bytes]:
    return [job.question for job in jobs]


async def states(queue: Queue, name: str) -> tuple[int, int, bool]:
    stored = await queue.find(batch_id(name))
    assert stored is not None
    return stored.total, stored.done, stored.cancelled


@pytest.mark.parametrize("name", EVERYWHERE)
async def test_a_batch_is_taken_and_told_wherever_it_is_kept(name: str) -> None:
    async with EVERYWHERE[name]() as place:
        queue = place.queue()
        await queue.submit(submission("a", 3))
        jobs = await taken(queue, 4)
        assert names(jobs) == [b"a0", b"a1", b"a2"]
        assert set(await queue.renew([job.lease for job in jobs])) == {job.lease for job in jobs}
        assert await queue.put_off(jobs[2].lease, 0, counted=False)
        assert await queue.finish(jobs[0].lease, b"zero")
        assert await queue.outcomes(batch_id("a"), 0, 10) == [b"zero", None, None]
        assert await states(queue, "a") == (3, 1, False)
        assert (await one(queue)).question == b"a2"
        cancelled = await queue.cancel(batch_id("a"))
        assert cancelled is not None and cancelled.cancelled
        assert (await queue.sizes()).waiting == 0
        await queue.sweep()


async def test_first_come_first_served_within_a_priority(place: Place) -> None:
    queue = place.queue()
    for name in "abc":
        await queue.submit(submission(name, 2))
    assert names(await taken(queue, 7)) == [b"a0", b"a1", b"b0", b"b1", b"c0", b"c1"]


async def test_several_takers_get_each_job_once_and_nearly_in_order(place: Place) -> None:
    """Each taker sees later and later places; all have each job between them."""
    first = place.queue()
    await first.submit(submission("a", 120))
    seen: list[list[int]] = []

    async def take_all(queue: Queue) -> None:
        mine: list[int] = []
        seen.append(mine)
        while (job := await queue.take(USUAL)) is not None:
            mine.append(job.lease.index)

    await asyncio.gather(*(take_all(place.queue()) for _ in range(6)))
    assert sorted(index for mine in seen for index in mine) == list(range(120))
    assert all(mine == sorted(mine) for mine in seen)


async def test_the_more_urgent_come_first(place: Place) -> None:
    queue = place.queue()
    for name, priority in {"l": LOW, "n": NORMAL, "c": CRITICAL, "h": HIGH}.items():
        await queue.submit(submission(name, 1, priority))
    assert names(await taken(queue, 5)) == [b"c0", b"h0", b"n0", b"l0"]


async def test_low_keeps_a_twentieth_of_what_is_taken(place: Place) -> None:
    queue, turns = place.queue(), Turns()
    for name, priority in {"c": CRITICAL, "h": HIGH, "n": NORMAL, "l": LOW}.items():
        await queue.submit(submission(name, 200, priority))
    shares = Counter[int]()
    for _ in range(200):
        job = await queue.take(turns.order())
        assert job is not None
        turns.took(job.priority)
        shares[job.priority] += 1
    assert shares[LOW] >= 10 and shares[NORMAL] >= 9 and shares[HIGH] >= 9
    assert shares[CRITICAL] > 150


async def test_a_lease_keeps_others_away_until_it_runs_out(place: Place) -> None:
    mine, theirs = place.queue(), place.queue()
    await mine.submit(submission("a"))
    first = await one(mine)
    assert first.attempt == 1 and await theirs.take(USUAL) is None
    await place.pass_time()
    second = await one(theirs)
    assert second.question == first.question and second.attempt == 2
    assert second.lease.token > first.lease.token


async def test_whoever_lost_the_lease_changes_nothing(place: Place) -> None:
    queue = place.queue()
    await queue.submit(submission("a"))
    stale = (await one(queue)).lease
    await place.pass_time()
    lease = (await one(queue)).lease
    assert not await queue.finish(stale, b"stale")
    assert not await queue.put_off(stale, 0, counted=True)
    assert set(await queue.renew([stale])) == set()
    assert await queue.outcomes(batch_id("a"), 0, 1) == [None]
    assert await queue.finish(lease, b"right")
    assert not await queue.finish(stale, b"stale")
    assert not await queue.finish(lease, b"twice")
    assert await queue.outcomes(batch_id("a"), 0, 1) == [b"right"]
    assert await states(queue, "a") == (1, 1, False)


async def test_a_forged_token_is_refused(place: Place) -> None:
    queue = place.queue()
    await queue.submit(submission("a"))
    lease = (await one(queue)).lease
    assert not await queue.finish(replace(lease, token=lease.token + 1), b"forged")


async def test_a_renewed_lease_lasts(place: Place) -> None:
    queue = place.queue()
    await queue.submit(submission("a"))
    lease = (await one(queue)).lease
    await place.pass_time()
    assert set(await queue.renew([lease])) == {lease}
    assert await queue.take(USUAL) is None
    assert await queue.finish(lease, b"done")


async def test_of_a_race_for_a_lease_one_wins(place: Place) -> None:
    queues = [place.queue() for _ in range(8)]
    await queues[0].submit(submission("a"))
    jobs = await asyncio.gather(*(queue.take(USUAL) for queue in queues))
    assert sum(job is not None for job in jobs) == 1


async def test_what_is_put_off_comes_back_after_its_pause_and_first(place: Place) -> None:
    queue = place.queue()
    await queue.submit(submission("a", 2))
    lease = (await one(queue)).lease
    assert await queue.put_off(lease, 30, counted=True)
    assert 28 < await place.pause(batch_id("a")) <= 30
    assert not await queue.finish(lease, b"late")
    assert (await one(queue)).question == b"a1"
    await queue.submit(submission("b"))
    await place.pass_time()
    again = await one(queue)
    assert (again.question, again.attempt) == (b"a0", 2)


async def test_what_is_given_back_is_free_at_once_and_has_spent_no_attempt(place: Place) -> None:
    queue = place.queue()
    await queue.submit(submission("a"))
    assert await queue.put_off((await one(queue)).lease, 0, counted=False)
    again = await one(queue)
    assert again.attempt == 1


async def test_dead_letters_are_counted_and_listed_with_their_outcome(place: Place) -> None:
    queue = place.queue()
    await queue.submit(submission("a", 3))
    jobs = await taken(queue, 3)
    for job, dead in zip(jobs, (True, False, True), strict=True):
        assert await queue.finish(job.lease, b"x", dead=dead)
    assert (await queue.sizes()).dead == 2
    assert {(one.batch, one.index) for one in await queue.dead(10)} == {(batch_id("a"), 0), (batch_id("a"), 2)}
    assert len(await queue.dead(1)) == 1
    assert await queue.outcomes(batch_id("a"), 0, 1) == [b"x"]


async def test_it_takes_no_more_than_it_may_in_all(place: Place) -> None:
    queue = place.queue(Bounds(most=10, most_of_tenant=10))
    await queue.submit(submission("a", 6, tenant="one"))
    with pytest.raises(Overloaded) as refused:
        await queue.submit(submission("b", 5, tenant="two"))
    assert refused.value.retry_after
    assert await queue.find(batch_id("b", "two")) is None
    await queue.submit(submission("b", 4, tenant="two"))
    assert (await queue.sizes()).waiting == 10
    await queue.finish((await one(queue)).lease, b"x")
    await queue.submit(submission("c", 1, tenant="three"))


async def test_a_tenant_takes_its_share_and_no_other_ones(place: Place) -> None:
    queue = place.queue(Bounds(most=100, most_of_tenant=5))
    await queue.submit(submission("a", 5, tenant="one"))
    with pytest.raises(Overloaded):
        await queue.submit(submission("b", 1, tenant="one"))
    await queue.submit(submission("b", 5, tenant="two"))
    await queue.cancel(batch_id("a", "one"))
    await queue.submit(submission("c", 5, tenant="one"))


async def test_bounds_hold_for_submissions_at_once(place: Place) -> None:
    queues = [place.queue(Bounds(most=25, most_of_tenant=25)) for _ in range(10)]
    told = await asyncio.gather(
        *(queue.submit(submission(f"q{i}", 5)) for i, queue in enumerate(queues)), return_exceptions=True
    )
    assert sum(isinstance(one, Overloaded) for one in told) == 5
    assert (await queues[0].sizes()).waiting == 25


async def test_one_batch_of_fifty_submissions_at_once(place: Place) -> None:
    asked = submission("a", 3)
    told = await asyncio.gather(*(place.queue().submit(asked) for _ in range(50)))
    assert {one.created for one in told} == {told[0].created}
    assert len(await taken(place.queue(), 10)) == 3


async def test_another_request_under_the_same_id_finds_the_first_one(place: Place) -> None:
    queue = place.queue()
    await queue.submit(submission("a", 3))
    other = replace(submission("a", 1), digest=b"other")
    assert (await queue.submit(other)).digest == b"a"


async def test_a_full_queue_still_knows_what_it_has(place: Place) -> None:
    queue = place.queue(Bounds(most=1))
    first = await queue.submit(submission("a"))
    assert await queue.submit(submission("a")) == first


async def test_what_is_cancelled_never_begins_and_what_is_done_stays(place: Place) -> None:
    queue = place.queue()
    await queue.submit(submission("a", 4))
    done, running = await taken(queue, 2)
    await queue.finish(done.lease, b"done")
    cancelled = await queue.cancel(batch_id("a"))
    assert cancelled is not None and (cancelled.cancelled, cancelled.done) == (True, 1)
    await place.pass_time()
    assert await queue.take(USUAL) is None
    assert set(await queue.renew([running.lease])) == set()
    assert not await queue.finish(running.lease, b"late")
    assert await queue.outcomes(batch_id("a"), 0, 10) == [b"done", None, None, None]
    assert (await queue.sizes()).waiting == 0


async def test_cancelling_what_is_over_changes_nothing(place: Place) -> None:
    queue = place.queue()
    before = await queue.submit(submission("a"))
    await queue.finish((await one(queue)).lease, b"done")
    after = await queue.cancel(before.id)
    assert after is not None and (after.cancelled, after.done) == (False, 1)
    assert await queue.cancel("0" * 32) is None


async def test_cancels_and_outcomes_at_once_agree(place: Place) -> None:
    """Whatever comes first: what is told is told, what is not never is, and the counts are right."""
    queue = place.queue()
    await queue.submit(submission("a", 30))
    jobs = await taken(queue, 30)
    told = await asyncio.gather(
        *(queue.finish(job.lease, b"x") for job in jobs[:15]),
        queue.cancel(batch_id("a")),
        *(queue.renew([job.lease for job in jobs]) for _ in range(3)),
        *(queue.finish(job.lease, b"x") for job in jobs[15:]),
    )
    finished = sum(one is True for one in told)
    outcomes = await queue.outcomes(batch_id("a"), 0, 30)
    assert sum(one is not None for one in outcomes) == finished == (await states(queue, "a"))[1]
    assert (await queue.sizes()).waiting == 0


async def test_outcomes_are_told_in_pages(place: Place) -> None:
    queue = place.queue()
    await queue.submit(submission("a", 5))
    for job in await taken(queue, 5):
        await queue.finish(job.lease, job.question)
    assert await queue.outcomes(batch_id("a"), 1, 3) == [b"a1", b"a2", b"a3"]
    assert await queue.outcomes(batch_id("a"), 4, 3) == [b"a4"]
    assert await queue.outcomes(batch_id("a"), 5, 3) == []


async def test_an_ended_batch_is_kept_for_its_time_and_then_gone_without_a_trace(place: Place) -> None:
    queue = place.queue()
    await queue.submit(submission("a", 2))
    await queue.submit(submission("b", 2))
    for job in await taken(queue, 2):
        await queue.finish(job.lease, b"x", dead=True)
    await queue.cancel(batch_id("b"))
    await asyncio.gather(*(place.queue().sweep() for _ in range(3)))
    assert await states(queue, "a") == (2, 2, False)
    for name in "ab":
        await place.age(batch_id(name))
    await asyncio.gather(*(place.queue().sweep() for _ in range(3)))
    assert await queue.find(batch_id("a")) is None and await queue.find(batch_id("b")) is None
    assert (await queue.sizes()).dead == 0
    assert await place.left() == 0


async def test_what_has_not_ended_is_never_swept(place: Place) -> None:
    queue = place.queue(Bounds(kept=1))
    await queue.submit(submission("a"))
    if place.pool is not None:
        await place.pool.execute("UPDATE batches SET update_time = now() - interval '2 days'")
    await queue.sweep()
    assert (await one(queue)).question == b"a0"
