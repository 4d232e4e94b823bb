"""What a dashboard is made of. Queries are PromQL; SELECTED picks the deployment that somebody looks at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SELECTED = 'namespace=~"$namespace",job=~"$job"'
OURS = f'{SELECTED},grpc_service=~"ragents[.].+"'
# Calls whose length is their caller's choice say nothing of the server: streams, whole runs, batches.
UNARY = f'{OURS},grpc_type="unary",grpc_method!~"Run|BatchQuery"'
WINDOW = "$__rate_interval"

# As Grafana names them.
Unit = Literal["reqps", "s", "percentunit", "short", "bytes", "ops", "currencyUSD", "cps"]


@dataclass(frozen=True, slots=True)
class Query:
    """One line, or one for each set of labels that `legend` names in braces."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A graph; `line` is what must not be crossed, in the panel's unit."""

    title: str
    unit: Unit
    sentence: str
    queries: Sequence[Query]
    line: float | None = None
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Rows of panels under headings."""

    name: str
    title: str
    rows: Sequence[tuple[str, Sequence[Panel]]]

    @property
    def panels(self) -> list[Panel]:
        """All of them, from the top."""
        return [panel for _, row in self.rows for panel in row]


def across(panels: Sequence[Panel]) -> int:
    """How many stand beside each other."""
    return 4 if len(panels) % 4 == 0 else min(3, len(panels))


def rate(counter: str, by: str = "", selected: str = SELECTED) -> str:
    """How often in a second, over all replicas."""
    return f"sum{f' by ({by})' if by else ''} (rate({counter}{{{selected}}}[{WINDOW}]))"


def quantile(share: float, histogram: str, by: str = "", selected: str = SELECTED) -> str:
    """The value that this share of observations is not above, over all replicas."""
    labels = ", ".join(filter(None, [by, "le"]))
    return f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket{{{selected}}}[{WINDOW}])))"


def quantiles(histogram: str, selected: str = SELECTED) -> list[Query]:
    """The three that are looked at."""
    return [Query(quantile(share, histogram, selected=selected), f"p{share * 100:.0f}") for share in (0.5, 0.95, 0.99)]


def total(gauge: str, by: str = "", selected: str = SELECTED) -> str:
    """The sum over all replicas."""
    return f"sum{f' by ({by})' if by else ''} ({gauge}{{{selected}}})"


def share(part: str, whole: str) -> str:
    """Of what there is; nothing where there is nothing."""
    return f"{part} / ({whole} > 0)"
