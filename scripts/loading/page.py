"""A load as one page of HTML that needs nothing else: figures, and how it went over time as pictures."""

import html
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from scripts.figures import Figure, machine, mark, number
from scripts.loading.figuring import answered, hit_ratio, quantile
from scripts.loading.k6 import OK, REFUSED, Call
from scripts.loading.watching import Look

FOLDER = Path(__file__).parents[2] / "build/load"
PERCENTILES = {50: "#1b6ca8", 95: "#edae49", 99: "#d1495b"}
PRIORITIES = {"CRITICAL": "#5f0f40", "HIGH": "#1b6ca8", "NORMAL": "#3d9970", "LOW": "#edae49"}
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #0f172a; }
table { border-collapse: collapse; } td, th { padding: .2rem .9rem .2rem 0; text-align: left; }
td:nth-child(2) { text-align: right; font-variant-numeric: tabular-nums; } .missed { color: #b91c1c; }
svg { width: 100%; height: auto; } footer, .about { color: #475569; } tr + tr { border-top: 1px solid #e2e8f0; }
"""


@dataclass(frozen=True, slots=True)
class Part:
    """One load of a scenario: its calls, and what was seen meanwhile."""

    title: str
    calls: Sequence[Call]
    looks: Sequence[Look]


def write(name: str, about: str, figures: Sequence[Figure], parts: Sequence[Part], folder: Path = FOLDER) -> Path:
    """Keeps the page as `folder`/`name`.html."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.html"
    path.write_text(text(name, about, figures, parts), encoding="utf-8")
    return path


def text(name: str, about: str, figures: Sequence[Figure], parts: Sequence[Part]) -> str:
    """The page."""
    where = machine()
    said = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {where['cores']} cores of {where['cpu']}"
    rows = "\n".join(map(_row, figures))
    pictures = "\n".join(f"<h2>{html.escape(part.title)}</h2>\n{_svg(part)}" for part in parts)
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Load: {html.escape(name)}</title><style>{STYLE}</style></head>
<body>
<h1>Load: {html.escape(name)}</h1>
<p class="about">{html.escape(about)}</p>
<table><tr><th>figure</th><th>value</th><th>unit</th><th>target</th><th></th></tr>
{rows}
</table>
{pictures}
<footer>scripts/load {html.escape(name)}, {html.escape(said)}</footer>
</body>
</html>
"""


def _row(one: Figure) -> str:
    kind = "" if one.ok else ' class="missed"'
    cells = (one.name, number(one.value), one.unit, one.target, mark(one))
    return f"<tr{kind}>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"


def _svg(part: Part) -> str:
    written = io.StringIO()
    pictured(part).savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()[written.getvalue().index("<svg") :]


def pictured(part: Part) -> Picture:
    """Times, calls, hits, what was sent away by priority, and replicas, above each other."""
    picture = Picture(figsize=(9, 9), layout="constrained")
    times, calls, hits, shed, replicas = picture.subplots(5, 1, sharex=True, height_ratios=(3, 2, 1.5, 1.5, 1.5))
    seconds = _by_second(part.calls)
    for share, colour in PERCENTILES.items():
        points = [1e3 * quantile([one.seconds for one in answered(group)], share / 100) for group in seconds]
        times.plot(points, color=colour, linewidth=1.2, label=f"p{share}")
    _line(calls, seconds, lambda group: sum(one.ended == OK for one in group), "answered", "#3d9970")
    _line(calls, seconds, lambda group: sum(one.ended == REFUSED for one in group), "sent away", "#edae49")
    _line(calls, seconds, lambda group: sum(one.ended not in {OK, REFUSED} for one in group), "failed", "#d1495b")
    _line(hits, seconds, hit_ratio, "", "#1b6ca8")
    for priority, colour in PRIORITIES.items():
        if any(one.priority == priority for one in part.calls):
            _line(shed, seconds, lambda group, asked=priority: _shed(group, asked), priority, colour)  # type: ignore[misc]
    at = [look.at for look in part.looks]
    replicas.step(at, [look.healthy for look in part.looks], where="post", color="#444444", label="healthy replicas")
    flight = replicas.twinx()
    flight.plot(at, [look.in_flight for look in part.looks], color="#8d99ae", linewidth=1)
    _title(flight, "calls in flight")
    times.set_yscale("log")
    for axes, title in zip(
        (times, calls, hits, shed, replicas),
        ("ms", "calls a second", "hit ratio", "sent away\na second", "replicas"),
        strict=True,
    ):
        _title(axes, title)
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7, loc="upper right")
    hits.set_ylim(0, 1)
    replicas.set_xlim(0, len(seconds))  # callers who rest when the last call ends are of no interest
    replicas.set_xlabel("seconds", fontsize=8)
    return picture


def _by_second(calls: Sequence[Call]) -> list[list[Call]]:
    """The calls by the second in which they ended."""
    groups: list[list[Call]] = [[] for _ in range(int(max(call.at for call in calls)) + 1)]
    for call in calls:
        groups[int(call.at)].append(call)
    return groups


def _shed(calls: Sequence[Call], priority: str) -> int:
    return sum(call.ended == REFUSED and call.priority == priority for call in calls)


def _line(
    axes: Axes, seconds: Sequence[list[Call]], of: Callable[[Sequence[Call]], float], label: str, colour: str
) -> None:
    axes.plot([of(group) for group in seconds], color=colour, linewidth=1.2, label=label or None)


def _title(axes: Axes, title: str) -> None:
    axes.set_ylabel(title, fontsize=8)
    axes.tick_params(labelsize=8)
    if axes.get_yscale() == "linear":
        axes.set_ylim(bottom=0)
