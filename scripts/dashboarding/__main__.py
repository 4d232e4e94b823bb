"""`scripts/dashboards`: writes Grafana's dashboards, checks that they are the described ones, or draws them."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.dashboarding import agents, capacity, grafana, quality, service
from scripts.dashboarding.panels import Dashboard

DASHBOARDS = (service.DASHBOARD, quality.DASHBOARD, agents.DASHBOARD, capacity.DASHBOARD)
FOLDER = Path(__file__).parent.parent.parent / "k8s/components/monitoring/dashboards"


def path_of(name: str) -> Path:
    """Where the JSON is."""
    return FOLDER / f"{name}.json"


def parser() -> argparse.ArgumentParser:
    """The command's words."""
    command = argparse.ArgumentParser(prog="scripts/dashboards", description=(__doc__ or "").partition(": ")[2])
    command.add_argument("--check", action="store_true", help="write nothing; 1 where a file is not the described one")
    command.add_argument(
        "--pictures",
        action="store_true",
        help="draw them into docs/pictures/ from a Prometheus that scrapes a server under load, half a minute",
    )
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """0: done; 1: a file is not the described one."""
    words = parser().parse_args(arguments)
    if words.pictures:
        from scripts.dashboarding.pictures import draw_all

        for path in asyncio.run(draw_all(DASHBOARDS)):
            print(f"drawn: {path}", file=sys.stderr)
        return 0
    if words.check:
        stale = [one.name for one in DASHBOARDS if not is_described(one)]
        for name in stale:
            print(f"{path_of(name)} is not the described one: run scripts/dashboards", file=sys.stderr)
        return int(bool(stale))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for one in DASHBOARDS:
        path_of(one.name).write_text(grafana.text(one))
        print(f"written: {path_of(one.name)}", file=sys.stderr)
    return 0


def is_described(dashboard: Dashboard) -> bool:
    """Whether its file is there and as it would be written."""
    path = path_of(dashboard.name)
    return path.exists() and path.read_text() == grafana.text(dashboard)


if __name__ == "__main__":
    sys.exit(main())
