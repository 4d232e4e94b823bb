"""`scripts/load`: calls come in as planned and out as they ended; the page needs nothing but itself."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.figures import Figure
from scripts.loading import burst, k6, page
from scripts.loading.claims import bound
from scripts.loading.errors import LoadError
from scripts.loading.figuring import failed, hit_ratio, quantile, saturated_rate, shed
from scripts.loading.k6 import Call
from scripts.loading.page import Part
from scripts.loading.replay import busiest, stages
from scripts.loading.streams import apart, excite, repeats, zipf
from scripts.loading.watching import Look

ROOT = Path(__file__).parents[2]
CALLS = [
    Call(0.5, 0.5, "OK", "HIGH", "CACHE_OUTCOME_MISS", "a"),
    Call(1.2, 0.01, "OK", "LOW", "CACHE_OUTCOME_HIT", "a"),
    Call(1.5, 0.01, "ResourceExhausted", "LOW", "", "a"),
    Call(2.5, 0.01, "Unavailable", "LOW", "", "a"),
]


def test_the_urgent_are_served_where_others_are_sent_away() -> None:
    try:
        k6.program()
    except LoadError:
        pytest.skip("k6 is not installed")
    command = [sys.executable, "-m", "scripts.loading", "priorities", "--short", "--json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert ran.stdout, ran.stderr
    figures = json.loads(ran.stdout)
    assert figures["priorities_failed"]["value"] == 0, ran.stderr
    assert figures["high_shed"]["value"] == 0
    assert figures["low_shed"]["value"] > figures["normal_shed"]["value"]
    told = (page.FOLDER / "priorities.html").read_text()
    assert "<svg" in told
    assert "high_shed" in told


def test_a_call_counts_as_it_ended() -> None:
    assert failed(CALLS) == {"Unavailable": 1}
    assert shed(CALLS) == 0.25
    assert hit_ratio(CALLS) == 0.5
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([3.0, 1.0, 2.0], 1.0) == 3.0


def test_what_slots_can_do_is_measured_while_callers_call_and_never_where_some_were_sent_away() -> None:
    served = [Call(2.0 + i, 2.0, "OK", "HIGH", "", "a") for i in range(10)]  # the last begins at 9 and ends at 11
    assert saturated_rate(served) == pytest.approx(8 / 9)
    with pytest.raises(LoadError, match="2 of 4"):
        saturated_rate(CALLS)


def test_a_burst_is_not_credited_with_what_its_line_is_answered_after_it() -> None:
    calls = [
        Call(at, 2.0, "OK", "NORMAL", "", "burst") for at in (1.0, 11.0, 19.0, 21.0)
    ]  # all but the first begin in it
    told = {figure.name: figure.value for figure in burst.figured(calls, 9, 11)}
    assert told["burst_answered_rate"] == pytest.approx(2 / 11)


def test_the_page_needs_nothing_but_itself_and_shows_what_was_missed() -> None:
    figures = [Figure.at_most("late", 2, 1, "s"), Figure("calls", 4, "<calls>")]
    told = page.text("users", "A & B", figures, [Part("one", CALLS, [Look(0, 2, 1), Look(1, 1, 3)])])
    assert not re.findall(r"<(?:script|link|img|iframe|object)\b|url\((?!#)|@import", told)
    assert "A &amp; B" in told
    assert "&lt;calls&gt;" in told
    assert 'class="missed"' in told
    assert "sent away" in told


def test_the_pictures_axes_fit_what_is_seen() -> None:
    picture = page.pictured(Part("one", CALLS, [Look(0, 2, 1), Look(60, 2, 0)]))
    lowest, highest = picture.axes[0].get_ylim()  # of a call's milliseconds: 10 and 500
    assert 1 < lowest <= 10
    assert 500 <= highest < 5000
    assert picture.axes[0].get_xlim() == (0, 3)


def test_a_stream_is_the_same_for_a_seed_and_no_cache_could_hit_more_than_its_repeats() -> None:
    assert zipf(50, 10, 1.0, seed=3) == zipf(50, 10, 1.0, seed=3) != zipf(50, 10, 1.0, seed=4)
    assert repeats([1, 2, 1, 1]) == 0.5
    assert not set(apart([1, 2], 1)) & set(apart([1, 2], 2))


def test_what_people_asked_is_numbered_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "asked.tsv"
    path.write_text("time\tuser\tquery_id\twords\n1\tu\tq7\t1\n2\tu\tq8\t1\n3\tu\tq7\t1\n")
    assert excite(10, path) == [0, 1, 0]
    assert excite(10, tmp_path / "nothing.tsv") == []


def test_the_busiest_part_of_a_trace_is_replayed_faster_at_its_own_rates() -> None:
    assert list(busiest([1, 1, 5, 9, 1], 2)) == [5, 9]
    assert stages([2, 2, 2, 2, 8, 8]) == [
        {"target": 2, "duration": "0s"},
        {"target": 2, "duration": "1000ms"},
        {"target": 8, "duration": "0s"},
        {"target": 8, "duration": "500ms"},
    ]


def test_no_cache_is_below_the_models_own_percentile() -> None:
    assert bound(0.0) == pytest.approx(5.0, rel=0.01)  # without hits it is the model's 95th
    assert 1.8 < bound(0.85) < 2.5
    assert bound(0.96) == 0
