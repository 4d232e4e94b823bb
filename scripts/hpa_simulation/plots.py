"""A scenario as a picture: load, pods and what was sent away, over time."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from scripts.hpa_simulation.cluster import Course
from scripts.hpa_simulation.outcome import Outcome

FOLDER = Path(__file__).parent.parent.parent / "docs/pictures"
POINTS = 1200  # of a line at most
COLOURS = ("#1b6ca8", "#d1495b", "#8d99ae")


def draw(name: str, outcome: Outcome, folder: Path = FOLDER) -> Path:
    """Keeps the picture as `folder`/hpa-`name`.png."""
    picture = Picture(figsize=(8, 6), layout="constrained")
    load, pods, shed = picture.subplots(3, 1, sharex=True, height_ratios=(2, 4, 2))
    picture.suptitle(outcome.title)
    first = next(iter(outcome.courses.values()))
    _line(load, first, first.load.rates, colour="#444444")
    for (label, course), colour in zip(outcome.courses.items(), COLOURS, strict=False):
        _line(pods, course, course.ready, label=f"ready, {label}", colour=colour)
        _line(pods, course, course.desired, label=f"asked for, {label}", colour=colour, style=":")
        _line(shed, course, course.shed, label=label, colour=colour)
    for axes, title in ((load, "calls begun a second"), (pods, "pods"), (shed, "calls sent away\na second")):
        axes.set_ylabel(title, fontsize=8)
        axes.tick_params(labelsize=8)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    pods.legend(fontsize=7, loc="best")
    shed.set_xlabel("minutes", fontsize=8)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"hpa-{name}.png"
    picture.savefig(path, dpi=90, metadata={"Software": None})  # the same bytes each time
    return path


def _line(
    axes: Axes, course: Course, values: Sequence[float], *, colour: str, label: str = "", style: str = "-"
) -> None:
    seconds = range(0, len(course.desired), max(1, len(course.desired) // POINTS))
    axes.plot(
        [second / 60 for second in seconds],
        [values[second] for second in seconds],
        style,
        color=colour,
        linewidth=1.2,
        label=label or None,
    )
