"""`scripts/hpa_sim`: the shipped HPA under the algorithm of autoscaling/v2, and the user's first policy beside it."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts import figures
from scripts.hpa_simulation import flapping, memory, replay, spike
from scripts.hpa_simulation.autoscaler import commented, shipped
from scripts.hpa_simulation.outcome import Asked
from scripts.manifests.building import ManifestError, overlay

SCENARIOS = {"spike": spike, "flapping": flapping, "memory": memory, "replay": replay}
TRAFFIC = Path(__file__).parents[3] / "shared/data/traffic"  # beside the checkout, never in it
OVERLAY = "prod"


def asked_of(*, short: bool, traffic: Path = TRAFFIC) -> Asked:
    """The HPA of the production overlay as kustomize builds it; ManifestError when it does not."""
    built = overlay(OVERLAY)
    step = 5 if short else 1
    phases = [(float(sync), float(scrape)) for sync in range(0, 15, step) for scrape in range(0, 10, step)]
    return Asked(shipped(built), commented(built), phases, range(1, 4 if short else 11), traffic)


def parser() -> argparse.ArgumentParser:
    """The command's words."""
    command = argparse.ArgumentParser(prog="scripts/hpa_sim", description=__doc__.partition(": ")[2] if __doc__ else "")
    command.add_argument("name", metavar="NAME", nargs="?", choices=SCENARIOS, help=f"{', '.join(SCENARIOS)}; all")
    figures.add_options(command)
    command.add_argument("--pictures", action="store_true", help="draw each scenario into docs/pictures/")
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all targets hold; 1: one is missed; 2: it could not be simulated."""
    words = parser().parse_args(arguments)
    try:
        asked = asked_of(short=words.short)
    except ManifestError as failed:
        print(f"scripts/hpa_sim: {failed}", file=sys.stderr)
        return 2
    names = [words.name] if words.name else list(SCENARIOS)
    outcomes = {name: SCENARIOS[name].measured(asked) for name in names}
    found = [figure for outcome in outcomes.values() for figure in outcome.figures]
    if words.write:
        kept = "-".join(["hpa", *([words.name] if words.name else []), *(["short"] if words.short else [])])
        command = shlex.join(["scripts/hpa_sim", *([words.name] if words.name else []), "--write"])
        print(f"written: {figures.write(kept, found, command)}", file=sys.stderr)
    if words.pictures:
        from scripts.hpa_simulation.plots import draw

        for name, outcome in outcomes.items():
            if outcome.courses:
                print(f"drawn: {draw(name, outcome)}", file=sys.stderr)
    status = figures.report(found, as_json=words.json)
    if not words.json:
        notes = [f"{name}: {note}." for one in names for name, note in SCENARIOS[one].NOTES.items()]
        print("\n".join(["", *notes]))
    return status


if __name__ == "__main__":
    sys.exit(main())
