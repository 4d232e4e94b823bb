"""`scripts/bench NAME`: runs a bench, bounded in time, and says whether its targets hold."""

import argparse
import asyncio
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from ragents_client import RagentsError
from ragents_server.errors import RagentsError as ServerSideError
from scripts import figures
from scripts.benchmarks.errors import BenchError
from scripts.evaluation.server import ServerError
from scripts.figures import Figure

BENCHES = {"main": "scripts.benchmarks.main"}  # each has `measured` and `NOTES`
LONGEST, LONGEST_SHORT = 3600.0, 250.0  # seconds


def parser() -> argparse.ArgumentParser:
    """The command's words."""
    command = argparse.ArgumentParser(prog="scripts/bench", description="Measure speed on loopback.")
    command.add_argument("name", metavar="NAME", choices=BENCHES, help=f"the bench: {', '.join(BENCHES)}")
    figures.add_options(command)
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all targets hold, or none is checked (--short); 1: one is missed; 2: it could not be measured."""
    words = parser().parse_args(arguments)
    bench = import_module(BENCHES[words.name])
    try:
        found = asyncio.run(_measured(bench, short=words.short))
    except (BenchError, ServerError, RagentsError, ServerSideError) as error:
        print(f"scripts/bench: {error}", file=sys.stderr)
        return 2
    except TimeoutError:
        print("scripts/bench: it took too long; is the machine busy?", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    if words.write:
        name = f"bench-{words.name}{'-short' if words.short else ''}"
        print(f"written: {figures.write(name, found, _command(words))}", file=sys.stderr)
    status = figures.report(found, as_json=words.json)
    if not words.json:
        _explain(bench.NOTES, short=words.short)
    return status


async def _measured(bench: Any, *, short: bool) -> list[Figure]:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # the servers are ended then too
    async with asyncio.timeout(LONGEST_SHORT if short else LONGEST):
        found: list[Figure] = await bench.measured(short=short)
    return [replace(figure, target="", ok=True) for figure in found] if short else found


def _explain(notes: Mapping[str, str], *, short: bool) -> None:
    """What was measured, and what limits it."""
    print("\n".join(["", *(f"{name}: {note}." for name, note in notes.items())]))
    if short:
        print("short: a form for CI, whose machines are busy; no target is checked.")


def _command(words: argparse.Namespace) -> str:
    """The command as others would give it."""
    return shlex.join(["scripts/bench", words.name, *(["--short"] if words.short else []), "--write"])


if __name__ == "__main__":
    sys.exit(main())
