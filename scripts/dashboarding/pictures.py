"""A dashboard as a picture: the same queries, asked of a Prometheus that scrapes a server under load."""

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import FuncFormatter

from scripts.dashboarding.panels import Dashboard, Panel, across
from tests.monitoring.loaded import Prometheus, loaded

FOLDER = Path(__file__).parent.parent.parent / "docs/pictures"
SECONDS = 30.0  # of load
GRID = 12  # columns
MOST = 8  # entries of a legend before those that show nothing are left out
LONGEST = 34  # characters of a legend
Line = tuple[str, Sequence[tuple[float, float]]]
STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


async def draw_all(dashboards: Sequence[Dashboard], folder: Path = FOLDER) -> list[Path]:
    """Keeps a picture of each as `folder`/dashboard-NAME.png."""
    with tempfile.TemporaryDirectory(prefix="ragents-dashboards-") as scratch:
        async with loaded(Path(scratch), SECONDS) as prometheus:
            seen = [(one, {panel.title: await _lines(panel, prometheus) for panel in one.panels}) for one in dashboards]
    return [draw(dashboard, lines, folder) for dashboard, lines in seen]


async def _lines(panel: Panel, prometheus: Prometheus) -> list[Line]:
    """What the panel shows: a legend, and points of seconds before now and values."""
    lines = list[Line]()
    for query in panel.queries:
        for series in await prometheus.course(query.expression, SECONDS):
            last = float(series["values"][-1][0])
            points = [(float(at) - last, float(value)) for at, value in series["values"]]
            lines.append((_legend(query.legend, series["metric"]), points))
    return lines


def draw(dashboard: Dashboard, lines: Mapping[str, Sequence[Line]], folder: Path) -> Path:
    """One of them; `lines` are by the panel's title."""
    rows = [row[at : at + across(row)] for _, row in dashboard.rows for at in range(0, len(row), across(row))]
    picture = Picture(figsize=(14, 2.9 * len(rows)), layout="constrained")
    picture.suptitle(dashboard.title)
    grid = picture.add_gridspec(len(rows), GRID)
    for down, row in enumerate(rows):
        wide = GRID // max(3, len(row))
        for right, panel in enumerate(row):
            axes = picture.add_subplot(grid[down, right * wide : (right + 1) * wide])
            _panel(axes, panel, lines[panel.title])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"dashboard-{dashboard.name}.png"
    picture.savefig(path, dpi=72, metadata={"Software": None})
    return path


def _panel(axes: Axes, panel: Panel, lines: Sequence[Line]) -> None:
    for legend, points in lines:
        silent = len(lines) > MOST and not any(value > 0 for _, value in points)
        axes.plot(*zip(*points, strict=True), linewidth=1.2, label=None if silent else legend)
    highest = max((value for _, points in lines for _, value in points if not math.isnan(value)), default=0.0)
    if panel.line is not None and panel.line <= 2 * highest:
        axes.axhline(panel.line, color="#d1495b", linestyle=":", linewidth=1)
    axes.set_title(panel.title, fontsize=9)
    axes.set_ylim(bottom=0, top=None if highest > 0 else 1)
    axes.tick_params(labelsize=7)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _number(value, panel.unit)))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=6, loc="best")


def _legend(text: str, labels: dict[str, Any]) -> str:
    for name, value in labels.items():
        text = text.replace(f"{{{{{name}}}}}", "replica" if name == "instance" else str(value))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _number(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s":
        return f"{value:.3g} s" if value >= 1 or not value else f"{value * 1000:.3g} ms"
    for step, letter in STEPS:
        if value >= step:
            return f"{value / step:.3g} {letter}"
    return f"{value:.3g}"
