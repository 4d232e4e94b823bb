"""What becomes of a job that failed."""

import pytest

from ragents_server.errors import (
    DeadlineTooShort,
    InternalError,
    InvalidRequest,
    ModelQuota,
    ModelUnavailable,
    Overloaded,
    PermissionDenied,
    RagentsError,
    RateLimited,
    StateUnavailable,
)
from ragents_server.jobs.retries import LONGEST, Pause, Retries

RETRIES = Retries(attempts=3, patience=100, draw=lambda: 1.0)
LIMITED = RateLimited("x", retry_after=40, limit="requests_per_minute")


def test_pauses_double_up_to_a_minute_and_are_drawn_from_nought_on() -> None:
    many = Retries(attempts=50, patience=100, draw=lambda: 1.0)
    pauses = [many.after(ModelUnavailable("x"), attempt, 0) for attempt in (1, 2, 3, 7, 49)]
    assert [pause and pause.seconds for pause in pauses] == [1, 2, 4, LONGEST, LONGEST]
    none = Retries(attempts=50, patience=100, draw=lambda: 0.0)
    assert none.after(ModelUnavailable("x"), 7, 0) == Pause(0, counted=True)


@pytest.mark.parametrize("error", [ModelUnavailable("x"), StateUnavailable("x"), DeadlineTooShort("x")], ids=repr)
def test_what_may_pass_is_tried_again_until_the_attempts_are_spent(error: RagentsError) -> None:
    assert RETRIES.after(error, 1, 0) == Pause(1, counted=True)
    assert RETRIES.after(error, 2, 0) == Pause(2, counted=True)
    assert RETRIES.after(error, 3, 0) is None
    assert RETRIES.is_dead(error)


@pytest.mark.parametrize("error", [InvalidRequest("x"), PermissionDenied("x"), InternalError("x")], ids=repr)
def test_what_will_not_pass_is_for_good_and_no_dead_letter(error: RagentsError) -> None:
    assert RETRIES.after(error, 1, 0) is None
    assert not RETRIES.is_dead(error)


def test_the_wait_that_was_told_is_kept() -> None:
    assert RETRIES.after(ModelQuota("x", retry_after=20), 1, 0) == Pause(21, counted=True)


@pytest.mark.parametrize("error", [LIMITED, Overloaded("x", retry_after=40)], ids=repr)
def test_what_is_refused_spends_no_attempt_but_is_not_put_off_for_ever(error: RagentsError) -> None:
    assert RETRIES.after(error, 50, 99) == Pause(40 + LONGEST, counted=False)
    assert RETRIES.after(error, 1, 101) is None
    assert RETRIES.is_dead(error)
