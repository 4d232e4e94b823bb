"""Ten times the load from one second to the next: how long until all pods are there, and what is sent away."""

from scripts.figures import Figure
from scripts.hpa_simulation import loads
from scripts.hpa_simulation.autoscaler import USERS, Autoscaler
from scripts.hpa_simulation.cluster import Course, World, run
from scripts.hpa_simulation.outcome import Asked, Outcome, mean

BEFORE, TIMES, AT, SECONDS = 30.0, 10.0, 600, 1200
LONGEST = 120.0  # seconds until all are ready
REAL_USERS, REAL_OURS = 319.0, 94.0  # seconds that the real controller took, with each behaviour

NOTES = {
    "spike": f"{BEFORE:g} calls a second on 3 pods, then {TIMES:g} times as many; a call takes {loads.SERVICE:g} s of a"
    " slot and 12 ms of CPU, a pod has 50 slots and a queue of 200, and is ready 20 s after it is asked for. Means and"
    " worst over the phases of the controller's clock (15 s) and of Prometheus' (10 s)",
    "spike_users": "the same metrics under the user's behaviour: a window of 60 s, +50 % or +2, -10 % or -1 a minute",
    "spike_slowest_start": "the longest that a pod may take to be ready so that 120 s hold at the worst phase",
    "spike_users_metrics": "the user's whole HPA: CPU 70 %, memory 80 %, 100 calls a second. Waiting for a model takes"
    " no CPU, and 300 calls a second on 3 pods are just 100 each",
}


def measured(asked: Asked) -> Outcome:
    """All figures, and the courses of both behaviours."""
    ours, users = _courses(asked, asked.scaler), _courses(asked, asked.users)
    took, users_took = _times(asked.scaler, ours), _times(asked.users, users)
    whole = run(USERS, _load())
    shed, users_shed = _shed(ours), _shed(users)
    return Outcome(
        [
            Figure.at_most("spike_ready_worst", max(took), LONGEST, "s"),
            Figure.near("spike_ready", mean(took), REAL_OURS, REAL_OURS / 10, "s"),
            Figure.near("spike_users_ready", mean(users_took), REAL_USERS, REAL_USERS / 10, "s"),
            Figure("spike_slowest_start", LONGEST - max(took) + World().start + World().schedule, "s"),
            Figure.at_most("spike_shed", shed, users_shed, "%"),
            Figure("spike_users_shed", users_shed, "%"),
            Figure("spike_users_metrics_most", max(whole.desired), "pods"),
            Figure("spike_users_metrics_shed", 100 * whole.shed_share, "%"),
        ],
        {"shipped": ours[0], "the user's behaviour": users[0], "the user's HPA": whole},
        "Ten times the load at 10 min",
    )


def _load() -> loads.Load:
    return loads.spike(BEFORE, TIMES, SECONDS, AT)


def _courses(asked: Asked, scaler: Autoscaler) -> list[Course]:
    return [run(scaler, _load(), World().at_phase(*phase)) for phase in asked.phases]


def _times(scaler: Autoscaler, courses: list[Course]) -> list[float]:
    return [course.until_ready(scaler.most, AT) for course in courses]


def _shed(courses: list[Course]) -> float:
    """Percent of the calls of all courses."""
    return 100 * mean([course.shed_share for course in courses])
