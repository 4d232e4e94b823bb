"""What is seen once counts for nothing, what is seen twice in a row does."""

from hypothesis import given
from hypothesis import strategies as st

from ragents_client.v1 import (
    COMPONENT_STATE_DEGRADED,
    COMPONENT_STATE_DOWN,
    COMPONENT_STATE_UNSPECIFIED,
    COMPONENT_STATE_UP,
)
from ragents_server.health.steadiness import TIMES, Steadiness

UP, DEGRADED, DOWN = COMPONENT_STATE_UP, COMPONENT_STATE_DEGRADED, COMPONENT_STATE_DOWN


def test_the_first_look_counts_at_once() -> None:
    steady = Steadiness()
    assert steady.state == COMPONENT_STATE_UNSPECIFIED
    assert steady.see(DOWN, 7.0)
    assert (steady.state, steady.since, steady.in_doubt) == (DOWN, 7.0, False)


def test_one_failure_is_an_accident_and_two_are_a_state() -> None:
    steady = Steadiness()
    steady.see(UP, 0.0)
    assert not steady.see(DOWN, 1.0)
    assert steady.in_doubt
    assert not steady.see(UP, 2.0)
    assert not steady.in_doubt
    assert not steady.see(DOWN, 3.0)
    assert steady.see(DOWN, 4.0)
    assert (steady.state, steady.since) == (DOWN, 4.0)


def test_two_different_failures_in_a_row_are_none_of_both() -> None:
    steady = Steadiness()
    steady.see(UP, 0.0)
    assert not steady.see(DOWN, 1.0)
    assert not steady.see(DEGRADED, 2.0)
    assert steady.state == UP
    assert steady.see(DEGRADED, 3.0)


@given(st.lists(st.sampled_from([UP, DEGRADED, DOWN]), max_size=60))
def test_a_change_needs_as_many_looks_that_agree_and_the_state_is_always_one_that_was_seen(seen: list[int]) -> None:
    steady = Steadiness()
    for number, state in enumerate(seen):
        before = steady.state
        changed = steady.see(state, float(number))  # type: ignore[arg-type]
        assert changed == (steady.state != before)
        if changed:
            assert steady.since == number
            if before != COMPONENT_STATE_UNSPECIFIED:
                assert set(seen[number + 1 - TIMES : number + 1]) == {steady.state}
    if len(seen) >= TIMES and len(set(seen[-TIMES:])) == 1:
        assert steady.state == seen[-1]
