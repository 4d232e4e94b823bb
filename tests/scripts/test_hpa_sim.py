"""`scripts/hpa_sim`: the shipped HPA holds its targets, a worse one does not, and real times come out."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.figures import FOLDER
from scripts.hpa_simulation import flapping, memory, replay, spike
from scripts.hpa_simulation.__main__ import TRAFFIC, asked_of, main
from scripts.hpa_simulation.autoscaler import USERS, Policy, Rules, commented
from scripts.hpa_simulation.cluster import World, run
from scripts.hpa_simulation.loads import noisy, steady
from scripts.hpa_simulation.loads import spike as ten_times
from scripts.hpa_simulation.outcome import Asked, Outcome
from scripts.hpa_simulation.plots import draw
from scripts.hpa_simulation.pods import Pod, Size
from scripts.manifests.building import K8S, overlay


@pytest.fixture(scope="module")
def asked() -> Asked:
    return asked_of(short=True)


def missed(outcome: Outcome) -> list[str]:
    return [figure.name for figure in outcome.figures if not figure.ok]


def values(outcome: Outcome) -> dict[str, float]:
    return {figure.name: figure.value for figure in outcome.figures}


def test_the_shipped_hpa_is_what_is_simulated(asked: Asked) -> None:
    spec = overlay("prod").the("HorizontalPodAutoscaler", "ragents")["spec"]
    assert (asked.scaler.least, asked.scaler.most) == (spec["minReplicas"], spec["maxReplicas"]) == (3, 20)
    assert [one.name for one in asked.scaler.metrics] == [
        "ragents_inflight_requests",
        "grpc_server_started_per_second",
        "cpu",
    ]
    assert asked.scaler.down.window == spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"]


def test_the_memory_target_stands_in_the_hpa_as_a_comment() -> None:
    metric = commented(overlay("prod"))
    assert (metric.name, metric.target, metric.request) == ("memory", 80, 4 * 2**30)


def test_a_spike_is_met_in_two_minutes_and_real_controllers_times_come_out(asked: Asked) -> None:
    outcome = spike.measured(asked)
    assert missed(outcome) == []
    assert values(outcome)["spike_users_metrics_most"] == 3  # its CPU stays low, and its calls at their target


def test_a_window_for_going_up_misses_the_two_minutes(asked: Asked) -> None:
    worse = replace(asked, scaler=replace(asked.scaler, up=replace(asked.scaler.up, window=60.0)))
    assert "spike_ready_worst" in missed(spike.measured(worse))


def test_the_users_own_behaviour_misses_the_two_minutes(asked: Asked) -> None:
    assert "spike_ready_worst" in missed(spike.measured(replace(asked, scaler=asked.users)))


def test_up_and_down_it_turns_round_less_than_the_users(asked: Asked) -> None:
    assert missed(flapping.measured(replace(asked, seeds=asked.seeds[:1]))) == []


def test_a_fast_way_down_flaps(asked: Asked) -> None:
    nervous = replace(asked.scaler, down=Rules(0, (Policy("Percent", 100, 15),)))
    found = missed(flapping.measured(replace(asked, scaler=nervous, seeds=asked.seeds[:1])))
    assert "noisy_reversals" in found


def test_a_target_for_memory_takes_all_pods_there_are_and_keeps_them(asked: Asked) -> None:
    outcome = memory.measured(asked)
    assert missed(outcome) == []
    assert values(outcome)["memory_users_night"] == asked.scaler.most


@pytest.mark.skipif(not TRAFFIC.is_dir(), reason="the evaluation data is not there")
def test_recorded_traffic_is_served(asked: Asked) -> None:
    outcome = replay.measured(asked)
    assert missed(outcome) == []
    assert sum(outcome.courses["shipped"].load.rates) == pytest.approx(19366 * replay.TIMES)


def test_nothing_is_replayed_where_the_traffic_is_not_there(asked: Asked, tmp_path: Path) -> None:
    assert replay.measured(replace(asked, traffic=tmp_path)).figures == []


def test_quiet_load_moves_nothing(asked: Asked) -> None:
    course = run(asked.scaler, steady(30, 1800))
    assert set(course.desired) == {3}
    assert course.shed_share == 0
    assert course.inside[-1] == pytest.approx(60)  # Little's law: 30 a second for 2 s each


def test_more_than_all_pods_can_do_is_sent_away(asked: Asked) -> None:
    course = run(asked.scaler, steady(1000, 1800))
    assert course.desired[-1] == 20
    assert course.shed[-1] == pytest.approx(500)  # 20 pods with 50 slots of 2 s serve 500 a second


def test_pods_that_start_slowly_are_late(asked: Asked) -> None:
    load = ten_times(30, 10, 900, 300)
    quick, slow = (run(asked.scaler, load, World(start=start)).until_ready(20, 300) for start in (17, 47))
    assert slow - quick == 30


def test_no_call_is_lost_or_made() -> None:
    pod, size = Pod("one", 0, 0, 0), Size(slots=5, queue=5)
    shed = sum(pod.serve(size, 10.0, 1.0) for _second in range(20))
    assert pod.inside + pod.ended + shed == pytest.approx(200)
    assert pod.inside <= 10


def test_random_loads_are_those_of_their_seed() -> None:
    assert noisy(100, 60, seed=1).rates == noisy(100, 60, seed=1).rates != noisy(100, 60, seed=2).rates


def test_figures_come_out_as_those_of_other_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spike", "--short", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["spike_ready_worst"]["target"] == "<= 120"
    assert told["spike_ready_worst"]["ok"]


def test_a_scenario_is_drawn(asked: Asked, tmp_path: Path) -> None:
    course = run(USERS, steady(30, 60))
    assert draw("steady", Outcome([], {"the user's HPA": course}, "Steady"), tmp_path).stat().st_size > 1000


def test_the_readmes_figures_are_those_that_were_kept() -> None:
    kept = json.loads((FOLDER / "hpa.json").read_text())["figures"]
    value = {name: figure["value"] for name, figure in kept.items()}
    rows = {
        f"{value['spike_ready']:.0f} s (94 s) | {value['spike_users_ready']:.0f} s (319 s) |",
        f"{value['spike_ready_worst']:.0f} s |",
        f"{value['spike_shed']:.1f} % | {value['spike_users_shed']:.1f} % |",
        f"{value['noisy_reversals']:.1f} / {value['bursty_reversals']:.1f} |",
        f"{value['noisy_users_reversals']:.1f} / {value['bursty_users_reversals']:.1f} |",
        f"{value['noisy_shed']:.2f} / {value['bursty_shed']:.2f} %",
        f"{value['noisy_users_shed']:.2f} / {value['bursty_users_shed']:.2f} %",
        f"{value['noisy_pods']:.1f} / {value['bursty_pods']:.1f} |",
        f"{value['noisy_users_pods']:.1f} / {value['bursty_users_pods']:.1f} |",
        f"may take {value['spike_slowest_start']:.0f} s to be ready",
    }
    page = (K8S / "README.md").read_text()
    assert {row for row in rows if row not in page} == set()
