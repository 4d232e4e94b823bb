"""The dashboards: what is written is what is described, and every panel shows something of a server under load."""

import asyncio
import json
import math
from itertools import product
from pathlib import Path

import pytest

from scripts.dashboarding.__main__ import DASHBOARDS, path_of
from scripts.dashboarding.grafana import text
from scripts.dashboarding.panels import Dashboard
from tests.monitoring.loaded import Prometheus, loaded
from tests.monitoring.prometheus import promtool

SECONDS = 15


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.name)
def test_the_file_is_the_described_dashboard(dashboard: Dashboard) -> None:
    assert path_of(dashboard.name).read_text() == text(dashboard), "run scripts/dashboards"


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.name)
def test_panels_have_their_places_titles_and_sentences(dashboard: Dashboard) -> None:
    panels = json.loads(text(dashboard))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        across, down = (range(place[at], place[at] + place[size]) for at, size in (("x", "w"), ("y", "h")))
        cells = set(product(across, down))
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
    titles = [panel.title for panel in dashboard.panels]
    assert len(set(titles)) == len(titles)
    assert all(panel.sentence.endswith(".") for panel in dashboard.panels)
    expressions = [query.expression for panel in dashboard.panels for query in panel.queries]
    assert all("$namespace" in one and "$job" in one for one in expressions)


def test_no_panel_of_a_server_under_load_is_empty(tmp_path: Path) -> None:
    async def empty() -> list[str]:
        async with loaded(tmp_path, SECONDS) as prometheus:
            return [
                f"{dashboard.name} / {panel.title} / {query.legend}"
                for dashboard in DASHBOARDS
                for panel in dashboard.panels
                for query in panel.queries
                if not await shown(prometheus, query.expression)
            ]

    promtool("--version")  # skips where there is none
    assert asyncio.run(empty()) == []


async def shown(prometheus: Prometheus, expression: str) -> bool:
    """Whether there is a line with at least one number."""
    series = await prometheus.course(expression, SECONDS)
    return any(not math.isnan(float(value)) for one in series for _, value in one["values"])
