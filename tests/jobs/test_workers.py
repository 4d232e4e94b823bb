"""Workers at real queues: outcomes, attempts, dead letters, and what happens when work is taken from under them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from ragents_client.v1 import (
    BATCH_STATE_CANCELLED,
    BATCH_STATE_DONE,
    CACHE_MODE_NONE,
    CACHE_OUTCOME_MISS,
    Answer,
    BatchItem,
    ErrorReason,
    Question,
)
from ragents_server.caller import Caller, current_caller
from ragents_server.errors import InvalidRequest, ModelUnavailable, NotFound, Overloaded, RequestIdReused
from ragents_server.facts import current_facts
from ragents_server.jobs.batches import Batches
from ragents_server.jobs.queue import Job, Queue
from ragents_server.jobs.records import Records
from ragents_server.jobs.retries import Retries
from ragents_server.jobs.workers import Workers
from tests.jobs.places import HIGH, NORMAL, USUAL, Place, batch_id

ADA = Caller("acme", "ada", scopes=frozenset({"ask"}), collections=frozenset({"papers"}), priority="HIGH", quota="big")
ATTEMPTS = 3
SECONDS = 20


@dataclass
class Answering:
    """Answers questions as they are told to: "fail", "refuse", "bug", "wait"; else at once."""

    asked: Counter[str] = field(default_factory=Counter)
    callers: list[tuple[Caller, Caller, int]] = field(default_factory=list)
    failing: int = 10**6  # times that "fail" fails
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, caller: Caller, question: Question, priority: int) -> Answer:
        text = question.text
        self.asked[text] += 1
        self.callers.append((caller, current_caller(), priority))
        if text == "fail" and self.asked[text] <= self.failing:
            raise ModelUnavailable("the model is away")
        if text == "refuse" and self.asked[text] <= self.failing:
            raise Overloaded("full", retry_after=0)
        if text == "wrong":
            raise InvalidRequest("wrong")
        if text == "bug":
            raise ZeroDivisionError("secret")
        if text == "wait":
            self.arrived.set()
            try:
                await self.go.wait()
            finally:
                self.left.set()
        return Answer(text=f"{text}!" + ("" if current_facts().writes else " uncached"))


@dataclass(frozen=True)
class Office:
    """A queue, and workers at it."""

    batches: Batches
    workers: Workers
    queue: Queue

    async def items(self, name: str) -> list[BatchItem]:
        """Those of a batch that has ended."""
        async with asyncio.timeout(SECONDS):
            while True:
                batch, items = await self.batches.find(ADA, batch_id(name), 0, 1000)
                if batch.state == BATCH_STATE_DONE:
                    return items
                await asyncio.sleep(0.01)

    async def submit(self, name: str, *texts: str, priority: int = NORMAL) -> None:
        await self.batches.submit(ADA, name, [Question(text=text) for text in texts], priority)


def office(place: Place, run: Answering, key: bytes = b"") -> Office:
    """One that does not work yet."""
    queue, records = place.queue(), Records(key)
    retries = Retries(ATTEMPTS, patience=3600, draw=lambda: 0.0)
    workers = Workers(queue, run, records, retries, number=4)
    return Office(Batches(queue, workers, records), workers, queue)


@asynccontextmanager
async def working(place: Place, run: Answering) -> AsyncIterator[Office]:
    one = office(place, run)
    async with one.workers.working():
        yield one


def reason(item: BatchItem) -> str:
    return ErrorReason.Name(item.failure.reason).removeprefix("ERROR_REASON_")


async def test_every_question_has_its_answer_in_order(place: Place) -> None:
    async with working(place, Answering()) as one:
        await one.submit("a", *(f"q{i}" for i in range(30)))
        items = await one.items("a")
    assert [item.answer.text for item in items] == [f"q{i}!" for i in range(30)]
    assert [item.index for item in items] == list(range(30))
    assert items[0].cache.outcome == CACHE_OUTCOME_MISS


async def test_questions_are_answered_as_their_caller_and_as_urgently(place: Place) -> None:
    run = Answering()
    async with working(place, run) as one:
        await one.submit("a", "q", priority=HIGH)
        await one.items("a")
    assert run.callers == [(ADA, ADA, HIGH)]


async def test_the_questions_own_use_of_the_cache_is_kept(place: Place) -> None:
    async with working(place, Answering()) as one:
        await one.batches.submit(ADA, "a", [Question(text="q", cache_mode=CACHE_MODE_NONE)], NORMAL)
        assert (await one.items("a"))[0].answer.text == "q! uncached"


async def test_what_fails_in_passing_is_tried_again(place: Place) -> None:
    run = Answering(failing=ATTEMPTS - 1)
    async with working(place, run) as one:
        await one.submit("a", "fail", "q")
        items = await one.items("a")
    assert [item.answer.text for item in items] == ["fail!", "q!"]
    assert run.asked["fail"] == ATTEMPTS


async def test_after_the_last_attempt_it_is_a_dead_letter(place: Place) -> None:
    run = Answering()
    async with working(place, run) as one:
        await one.submit("a", "q", "fail")
        items = await one.items("a")
        assert [(dead.batch, dead.index) for dead in await one.queue.dead(10)] == [(batch_id("a"), 1)]
    assert items[0].answer.text == "q!" and reason(items[1]) == "MODEL_UNAVAILABLE"
    assert run.asked["fail"] == ATTEMPTS


async def test_what_is_refused_spends_no_attempts(place: Place) -> None:
    run = Answering(failing=ATTEMPTS + 3)
    async with working(place, run) as one:
        await one.submit("a", "refuse")
        assert (await one.items("a"))[0].answer.text == "refuse!"


async def test_other_failures_are_for_good_and_tell_no_secret(place: Place) -> None:
    run = Answering()
    async with working(place, run) as one:
        await one.submit("a", "wrong", "bug")
        items = await one.items("a")
        assert (await one.queue.sizes()).dead == 0
    assert [reason(item) for item in items] == ["INVALID_REQUEST", "INTERNAL"]
    assert "secret" not in str(items)
    assert run.asked == Counter(wrong=1, bug=1)


async def test_a_job_that_ends_its_servers_is_given_up(place: Place) -> None:
    run = Answering()
    one = office(place, run)
    await one.submit("a", "q")
    for _ in range(ATTEMPTS):  # each takes it and is never heard of again
        assert await one.queue.take(USUAL) is not None
        await place.pass_time()
    async with one.workers.working():
        items = await one.items("a")
        assert (await one.queue.sizes()).dead == 1
    assert reason(items[0]) == "INTERNAL" and not run.asked


async def test_at_the_end_what_is_worked_at_is_given_back_at_once(place: Place) -> None:
    first, second = Answering(), Answering()
    async with working(place, first) as one:
        await one.submit("a", "wait")
        await first.arrived.wait()
    second.go.set()
    other = office(place, second)
    job = await other.queue.take(USUAL)
    assert job is not None and job.attempt == 1
    assert await other.queue.put_off(job.lease, 0, counted=False)
    async with other.workers.working():
        assert (await other.items("a"))[0].answer.text == "wait!"


async def test_a_drain_waits_for_what_is_worked_at_and_takes_no_more(place: Place) -> None:
    run = Answering()
    async with working(place, run) as one:
        await one.submit("a", "wait")
        await run.arrived.wait()
        draining = asyncio.create_task(one.workers.drain(SECONDS))
        await asyncio.sleep(0)
        await one.submit("b", "q")
        run.go.set()
        await draining
        assert (await one.items("a"))[0].answer.text == "wait!"
        assert not one.workers.running
    assert run.asked["q"] == 0


async def test_a_drain_does_not_wait_for_ever(place: Place) -> None:
    run = Answering()
    async with working(place, run) as one:
        await one.submit("a", "wait")
        await run.arrived.wait()
        await one.workers.drain(0.01)
        assert one.workers.running


async def test_a_cancel_ends_what_runs_here_at_once_and_elsewhere_within_a_second(place: Place) -> None:
    here, there = Answering(), Answering()
    async with working(place, here) as one:
        for canceller, name in ((one, "a"), (office(place, there), "b")):
            here.arrived.clear(), here.left.clear()
            await one.submit(name, "wait", "q")
            await here.arrived.wait()
            began = asyncio.get_running_loop().time()
            batch = await canceller.batches.cancel(ADA, batch_id(name))
            assert batch.state == BATCH_STATE_CANCELLED
            await here.left.wait()
            assert asyncio.get_running_loop().time() - began < 1.5  # a second, and the machine's own delays
        assert (await one.queue.sizes()).waiting == 0


async def test_a_worker_whose_lease_went_to_another_stops_and_changes_nothing(place: Place) -> None:
    run = Answering()
    async with working(place, run) as one:
        await one.submit("a", "wait")
        await run.arrived.wait()
        one.workers.stop()
        job = None
        while job is None:  # a renewal may come between
            await place.pass_time()
            job = await place.queue().take(USUAL)
        await run.left.wait()
        run.go.set()
        assert job.attempt == 2 and (await one.queue.sizes()).waiting == 1
        assert await one.queue.finish(
            job.lease, Records().outcome(batch_id("a"), BatchItem(answer=Answer(text="mine")))
        )
        assert (await one.items("a"))[0].answer.text == "mine"


async def test_without_work_looks_become_rare(place: Place) -> None:
    """At most one a second in the end; a submission here is seen at once."""
    run = Answering()
    one = office(place, run)
    looks: list[float] = []
    enough = asyncio.Event()
    take = one.queue.take

    async def counted(priorities: Sequence[int]) -> Job | None:
        looks.append(asyncio.get_running_loop().time())
        if len(looks) >= 8:
            enough.set()
        return await take(priorities)

    one.queue.take = counted  # type: ignore[method-assign]
    async with one.workers.working():
        await enough.wait()
        pauses = [later - earlier for earlier, later in pairwise(looks)]
        assert all(pause > 0.04 for pause in pauses) and pauses[-1] > 0.9 and sum(pauses) > 2.5
        await one.submit("a", "q")
        began = asyncio.get_running_loop().time()
        await one.items("a")
        assert asyncio.get_running_loop().time() - began < 0.9


async def test_a_damaged_question_is_told_as_such_and_never_asked(place: Place) -> None:
    run = Answering()
    one = office(place, run)
    await one.submit("a", "q", "r")
    await place.tamper(batch_id("a"), b"\x80\x04\x95cposix\nsystem\n.")
    async with one.workers.working():
        items = await one.items("a")
    assert reason(items[0]) == "CHECKPOINT_CORRUPT" and items[1].answer.text == "r!"
    assert run.asked == Counter(r=1)


async def test_anothers_question_in_its_place_is_damage_too(place: Place) -> None:
    one = office(place, Answering())
    await one.submit("a", "q")
    await one.submit("b", "other")
    job = await one.queue.take(USUAL)
    other = await one.queue.take(USUAL)
    assert job is not None and other is not None
    await one.queue.put_off(job.lease, 0, counted=False)
    await place.tamper(batch_id("a"), other.question)
    async with one.workers.working():
        assert reason((await one.items("a"))[0]) == "CHECKPOINT_CORRUPT"


async def test_with_a_key_only_who_has_it_is_believed(place: Place) -> None:
    run = Answering()
    await office(place, run, key=b"theirs").submit("a", "q")
    one = office(place, run, key=b"ours")
    async with one.workers.working():
        assert reason((await one.items("a"))[0]) == "CHECKPOINT_CORRUPT"
    assert not run.asked


async def test_a_damaged_outcome_is_a_failure_of_its_item(place: Place) -> None:
    one = office(place, Answering())
    await one.submit("a", "q")
    job = await one.queue.take(USUAL)
    assert job is not None and await one.queue.finish(job.lease, b"nonsense")
    assert reason((await one.items("a"))[0]) == "CHECKPOINT_CORRUPT"


@pytest.mark.parametrize("who", [Caller("acme", "bob"), Caller("other", "ada")], ids=["user", "tenant"])
async def test_a_batch_is_its_callers_own(place: Place, who: Caller) -> None:
    one = office(place, Answering())
    await one.submit("a", "q")
    wanted: list[Callable[[str], object]] = [
        lambda batch: one.batches.find(who, batch, 0, 1),
        lambda batch: one.batches.cancel(who, batch),
    ]
    for ask in wanted:
        told = set()
        for batch in (batch_id("a"), "0" * 32, ""):
            with pytest.raises(NotFound) as refused:
                await ask(batch)  # type: ignore[misc]
            told.add(str(refused.value))
        assert len(told) == 1
    assert not (await one.batches.find(ADA, batch_id("a"), 0, 1))[0].done


async def test_a_request_id_names_one_request(place: Place) -> None:
    one = office(place, Answering())
    await one.submit("a", "q", "r")
    await one.submit("a", "q", "r")
    with pytest.raises(RequestIdReused):
        await one.submit("a", "q", "s")
    assert (await one.queue.sizes()).waiting == 2
