"""The HPA's algorithm against cases computed by hand from Kubernetes' documentation, and its bounds by property."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.hpa_simulation.autoscaler import Autoscaler, Metric, Policy, Rules
from scripts.hpa_simulation.controller import SYNC, Controller
from scripts.hpa_simulation.recommending import NoMetricError, Reading, Seen, most_wanted, wanted

CALLS = Metric("calls", 10)
CPU = Metric("cpu", 50, 2.0)  # percent of two CPUs
AT_ONCE = Rules(0, (Policy("Percent", 1000, 15), Policy("Pods", 100, 15)))
FREE = Autoscaler(1, 100, (CALLS,), AT_ONCE, AT_ONCE)
LATE = 10_000.0  # all pods have long been there


def pods(*values: float | None, name: str = "calls") -> list[Seen]:
    """Ready pods with these values; None: a pod that says nothing."""
    return [Seen(f"pod-{at}", {} if value is None else {name: Reading(value, LATE)}) for at, value in enumerate(values)]


def pending(count: int) -> list[Seen]:
    return [Seen(f"pending-{at}", pending=True, ready=False) for at in range(count)]


def asked(seen: Sequence[Seen], metric: Metric = CALLS, current: int | None = None) -> int:
    return wanted(metric, FREE, len(seen) if current is None else current, seen, LATE)


# ceil(current * value / target), https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/
@pytest.mark.parametrize(
    ("seen", "number"),
    [
        (pods(20, 20), 4),  # twice the target: twice the pods
        (pods(5, 5), 1),  # half of it
        (pods(10.5, 11.5), 2),  # 1.1 is within the tolerance
        (pods(11, 11.5), 3),  # 1.125 is not: ceil(2.25)
        (pods(9, 9, 9), 3),  # .9 is within it
        (pods(8, 8, 8), 3),  # .8 is not, but ceil(2.4) is 3
        (pods(0, 0, 0), 0),  # the least is the controller's affair
    ],
)
def test_pods_follow_the_ratio(seen: list[Seen], number: int) -> None:
    assert asked(seen) == number


def test_utilization_is_of_the_request_in_whole_percents() -> None:
    assert asked(pods(2.0, 2.0, name="cpu"), CPU) == 4  # 100 % of 50 %
    assert asked(pods(1.109, 1.109, name="cpu"), CPU) == 2  # 55.45 % are 55: 1.1


@pytest.mark.parametrize(
    ("seen", "number"),
    [
        # More are asked for: a silent pod is idle. (30 + 30 + 0) / 3 = 20: twice the target of 3 pods.
        (pods(30, 30, None), 6),
        # (12 + 12 + 0) / 3 = 8 would be fewer, so nothing changes.
        (pods(12, 12, None), 3),
        # Fewer are asked for: a silent pod is at its target. (2 + 2 + 10) / 3 = 4.7: ceil(1.4).
        (pods(2, 2, None), 2),
        # (9.2 + 6 + 10) / 3 = 8.4: .84 of 3 pods, ceil(2.52).
        (pods(9.2, 6, None), 3),
    ],
)
def test_pods_that_say_nothing_dampen(seen: list[Seen], number: int) -> None:
    assert asked(seen) == number


def test_a_silent_pod_is_as_busy_as_its_request_where_cpu_is_low() -> None:
    # 20 % and 20 %, the third at 100 %: 46 % of 50 % is within the tolerance.
    assert asked(pods(0.4, 0.4, None, name="cpu"), CPU) == 3


def test_pods_that_start_count_as_idle_where_more_are_asked_for() -> None:
    assert asked([*pods(30, 30), *pending(2)]) == 6  # (30 + 30) / 4 = 15, of 4 pods
    assert asked([*pods(30, 30), *pending(4)]) == 6  # 10: within the tolerance, they suffice


def test_pods_that_start_do_not_count_where_fewer_are_asked_for() -> None:
    assert asked([*pods(5, 5), *pending(2)]) == 1


@pytest.mark.parametrize(
    ("ready", "turned", "number"),
    [
        (False, LATE - 60, 4),  # not ready in its first 5 minutes: its CPU is that of starting. (4 + 4 + 0) / 3
        (True, LATE - 60, 6),  # ready for longer than the reading's window: it counts. (4 + 4 + 4) / 3
        (True, LATE - 5, 4),  # ready for less than that
    ],
)
def test_cpu_of_a_start_is_not_counted(ready: bool, turned: float, number: int) -> None:
    young = Seen("young", {"cpu": Reading(2.0, LATE, window=30)}, ready=ready, started=LATE - 90, turned=turned)
    assert asked([*pods(2.0, 2.0, name="cpu"), young], CPU) == number


def test_the_largest_of_the_metrics_counts() -> None:
    scaler = replace(FREE, metrics=(CALLS, Metric("more", 1)))
    both = [Seen(one.name, {**one.readings, "more": Reading(3, LATE)}) for one in pods(10, 10)]
    assert most_wanted(scaler, 2, both, LATE) == 6


def test_a_metric_that_is_away_keeps_pods_from_going_but_not_from_coming() -> None:
    scaler = replace(FREE, metrics=(CALLS, Metric("away", 1)))
    assert most_wanted(scaler, 2, pods(30, 30), LATE) == 6
    with pytest.raises(NoMetricError):
        most_wanted(scaler, 2, pods(1, 1), LATE)
    with pytest.raises(NoMetricError):
        most_wanted(scaler, 2, pods(None, None), LATE)


def steps(scaler: Autoscaler, values: Sequence[float | None], current: int) -> list[int]:
    """The numbers of pods over looks that see this value in each pod."""
    controller, found = Controller(scaler), []
    for look, value in enumerate(values):
        current = controller.look(look * SYNC, current, pods(*[value] * current))
        found.append(current)
    return found


def test_up_by_the_largest_policy() -> None:
    # 4 pods or 100 % in 30 s: 3, 7 (4 pods), 14 (100 %), 20; the looks between have used the period up.
    up = Rules(0, (Policy("Percent", 100, 30), Policy("Pods", 4, 30)))
    assert steps(Autoscaler(3, 20, (CALLS,), up), [1000.0] * 6, 3) == [7, 7, 14, 14, 20, 20]


def test_the_users_policy_takes_its_time() -> None:
    # 60 s of waiting, then every 60 s the larger of half as many again and two more: 3, 5, 8, 12, 18, 20.
    up = Rules(60, (Policy("Percent", 50, 60), Policy("Pods", 2, 60)))
    found = steps(Autoscaler(3, 20, (CALLS,), up), [10.0, *[1000.0] * 24], 3)
    assert found[:4] == [3, 3, 3, 3]
    assert list(dict.fromkeys(found)) == [3, 5, 8, 12, 18, 20]
    assert [found.index(number) * SYNC for number in (5, 8, 12, 18, 20)] == [60, 120, 180, 240, 300]


def test_up_by_the_smallest_policy() -> None:
    up = Rules(0, (Policy("Percent", 100, 30), Policy("Pods", 4, 30)), "Min")
    assert steps(Autoscaler(3, 40, (CALLS,), up), [1000.0] * 5, 3) == [6, 6, 10, 10, 14]


def test_down_by_the_largest_and_by_the_smallest_policy() -> None:
    policies = (Policy("Percent", 10, 60), Policy("Pods", 4, 60))
    fast = Autoscaler(1, 100, (CALLS,), AT_ONCE, Rules(0, policies))
    assert steps(fast, [0.1] * 5, 80) == [72, 72, 72, 72, 64]  # 10 % of 80, then of 72: int(64.8)
    slow = replace(fast, down=Rules(0, policies, "Min"))
    assert steps(slow, [0.1] * 5, 80) == [76, 76, 76, 76, 72]


def test_disabled_is_never() -> None:
    never = Rules(0, (Policy("Percent", 100, 15),), "Disabled")
    assert steps(Autoscaler(1, 100, (CALLS,), never, never), [1000.0, 0.1, 1000.0], 5) == [5, 5, 5]


def test_down_waits_for_the_largest_recommendation_of_its_window() -> None:
    scaler = Autoscaler(1, 100, (CALLS,), AT_ONCE, Rules(60, (Policy("Percent", 100, 15),)))
    # 10 pods at their target; then a tenth of it: the 10 of the last look count for 60 s.
    assert steps(scaler, [10.0, 1.0, 1.0, 1.0, 1.0, 1.0], 10) == [10, 10, 10, 10, 1, 1]


def test_bounds_are_kept_without_any_metric() -> None:
    controller = Controller(Autoscaler(3, 20, (CALLS,)))
    assert controller.look(0, 1, []) == 3
    assert controller.look(15, 30, []) == 20


directions = st.builds(
    Rules,
    st.integers(0, 600).map(float),
    st.lists(
        st.builds(
            Policy, st.sampled_from(["Pods", "Percent"]), st.integers(1, 200).map(float), st.integers(1, 300).map(float)
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    st.sampled_from(["Max", "Min", "Disabled"]),
)
values_seen = st.lists(st.one_of(st.none(), st.floats(0, 500)), min_size=1, max_size=60)


@settings(deadline=None)
@given(up=directions, down=directions, least=st.integers(1, 10), more=st.integers(0, 40), seen=values_seen)
def test_pods_stay_between_the_bounds(up: Rules, down: Rules, least: int, more: int, seen: list[float | None]) -> None:
    found = steps(Autoscaler(least, least + more, (CALLS,), up, down), seen, least)
    assert all(least <= number <= least + more for number in found)


one_policy = st.builds(
    Policy, st.sampled_from(["Pods", "Percent"]), st.integers(1, 90), st.sampled_from([15, 30, 60, 120])
)


@settings(deadline=None)
@given(policy=one_policy, up=st.booleans(), seen=st.lists(st.floats(0, 500), min_size=1, max_size=60))
def test_no_period_changes_more_than_its_policy_allows(policy: Policy, up: bool, seen: list[float]) -> None:
    limited, never = Rules(0, (policy,)), Rules(0, (policy,), "Disabled")
    scaler = Autoscaler(1, 1000, (CALLS,), limited if up else never, never if up else limited)
    found = [50, *steps(scaler, seen, 50)]
    looks = int(policy.period / SYNC)
    for at, after in enumerate(found):
        for before in found[max(0, at - looks) : at]:
            # 50 less 34 % is 32.99 to a computer, in the real controller too: one more.
            part = policy.value if policy.kind == "Pods" else math.ceil(before * policy.value / 100) + 1
            assert before - part <= after <= before + part


@settings(deadline=None)
@given(up=directions, down=directions, seen=st.lists(st.floats(9, 11), min_size=1, max_size=40))
def test_nothing_moves_within_the_tolerance(up: Rules, down: Rules, seen: list[float]) -> None:
    assert set(steps(Autoscaler(1, 100, (CALLS,), up, down), seen, 7)) == {7}
