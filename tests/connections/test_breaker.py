"""The breaker: when it opens, who may try, and how it closes."""

import pytest

from ragents_server.connections.breaker import Breaker, State


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_it_opens_after_so_many_failures_in_a_row(clock: Clock) -> None:
    breaker = Breaker(failures=3, clock=clock)
    for _ in range(2):
        breaker.failed()
    breaker.succeeded()
    for _ in range(2):
        breaker.failed()
    assert breaker.state is State.CLOSED
    assert breaker.allow()
    breaker.failed()
    assert breaker.state is State.OPEN
    assert not breaker.allow()


def test_after_the_pause_one_caller_may_try_and_nobody_else(clock: Clock) -> None:
    breaker = Breaker(pause=2.0, clock=clock)
    breaker.failed()
    assert breaker.retry_after() == 2.0
    clock.now += 1.9
    assert not breaker.allow()
    clock.now += 0.2
    assert breaker.retry_after() == 0.0
    assert [breaker.allow() for _ in range(3)] == [True, False, False]
    assert breaker.state is State.HALF_OPEN


def test_a_trial_that_goes_well_closes_it_for_all(clock: Clock) -> None:
    breaker = Breaker(failures=2, pause=1.0, clock=clock)
    breaker.failed()
    breaker.failed()
    clock.now += 1.0
    assert breaker.allow()
    breaker.succeeded()
    assert [breaker.allow() for _ in range(3)] == [True, True, True]
    breaker.failed()
    assert breaker.state is State.CLOSED  # the count began anew


def test_the_pause_doubles_up_to_its_maximum_and_starts_anew_after_a_success(clock: Clock) -> None:
    breaker = Breaker(pause=1.0, longest=5.0, clock=clock)
    pauses = []
    breaker.failed()
    for _ in range(5):
        pauses.append(breaker.retry_after())
        clock.now += breaker.retry_after()
        assert breaker.allow()
        breaker.failed()
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]
    clock.now += 5.0
    assert breaker.allow()
    breaker.succeeded()
    breaker.failed()
    assert breaker.retry_after() == 1.0


def test_a_trial_whose_caller_vanished_makes_room_for_another(clock: Clock) -> None:
    breaker = Breaker(pause=1.0, patience=30.0, clock=clock)
    breaker.failed()
    clock.now += 1.0
    assert breaker.allow()
    clock.now += 29.0
    assert not breaker.allow()
    clock.now += 1.0
    assert breaker.allow()


def test_calls_that_began_before_it_opened_change_nothing(clock: Clock) -> None:
    breaker = Breaker(pause=1.0, clock=clock)
    breaker.failed()
    breaker.succeeded()
    assert breaker.state is State.OPEN
    clock.now += 0.5
    breaker.failed()
    assert breaker.retry_after() == 0.5


def test_jitter_is_a_factor_on_every_pause(clock: Clock) -> None:
    factors = iter((0.5, 0.8))
    breaker = Breaker(pause=1.0, clock=clock, jitter=lambda: next(factors))
    breaker.failed()
    assert breaker.retry_after() == 0.5
    clock.now += 0.5
    assert breaker.allow()
    breaker.failed()
    assert breaker.retry_after() == pytest.approx(2.0 * 0.8)


def test_a_closed_one_has_nothing_to_wait_for(clock: Clock) -> None:
    assert Breaker(clock=clock).retry_after() == 0.0
