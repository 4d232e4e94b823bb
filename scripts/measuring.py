"""How a script that measures is run: bounded in time, ended in order, its figures printed and kept."""

import argparse
import asyncio
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from ragents_client import RagentsError
from ragents_server.errors import RagentsError as ServerSideError
from scripts import figures
from scripts.evaluation.server import ServerError
from scripts.figures import Figure


@dataclass(frozen=True, slots=True)
class Script:
    """A command with a table of what it measures, each a module with `measured` and `NOTES`.

    `longest` and `longest_short` are in seconds. With a `seed`, the default one, `measured` is given one.
    """

    command: str
    sentence: str
    modules: Mapping[str, str]
    longest: float
    longest_short: float
    seed: int | None = None
    about_short: str = "a form for CI, whose machines are busy; no target is checked"
    short_has_targets: bool = False
    failures: tuple[type[Exception], ...] = ()

    @property
    def prefix(self) -> str:
        """What the files of kept figures begin with."""
        return self.command.rpartition("/")[2]


def run(script: Script, arguments: Sequence[str] | None = None) -> int:
    """0: all targets hold, or none is checked; 1: one is missed; 2: it could not be measured."""
    words = parser(script).parse_args(arguments)
    module = import_module(script.modules[words.name])
    if script.seed is not None:
        print(f"seed {words.seed}", file=sys.stderr)
    known: tuple[type[Exception], ...] = (ServerError, RagentsError, ServerSideError, *script.failures)
    try:
        found = asyncio.run(_measured(script, module, words))
    except* TimeoutError:
        print(f"{script.command}: it took too long; is the machine busy?", file=sys.stderr)
        return_code = 2
    except* (KeyboardInterrupt, asyncio.CancelledError):
        return_code = 130
    except* known as failed:
        print(f"{script.command}: {next(_leaves(failed))}", file=sys.stderr)
        return_code = 2
    else:
        return_code = _told(script, module, words, found)
    return return_code


def parser(script: Script) -> argparse.ArgumentParser:
    """The command's words."""
    command = argparse.ArgumentParser(prog=script.command, description=script.sentence)
    command.add_argument("name", metavar="NAME", choices=script.modules, help=", ".join(script.modules))
    figures.add_options(command)
    if script.seed is not None:
        command.add_argument("--seed", type=int, default=script.seed, help="what is drawn at random (%(default)s)")
    return command


async def _measured(script: Script, module: Any, words: argparse.Namespace) -> list[Figure]:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # the servers are ended then too
    seed = {} if script.seed is None else {"seed": words.seed}
    async with asyncio.timeout(script.longest_short if words.short else script.longest):
        found: list[Figure] = await module.measured(short=words.short, **seed)
    if words.short and not script.short_has_targets:
        return [replace(figure, target="", ok=True) for figure in found]
    return found


def _told(script: Script, module: Any, words: argparse.Namespace, found: Sequence[Figure]) -> int:
    if words.write:
        name = f"{script.prefix}-{words.name}{'-short' if words.short else ''}"
        print(f"written: {figures.write(name, found, _command(script, words))}", file=sys.stderr)
    status = figures.report(found, as_json=words.json)
    if not words.json:
        print("\n".join(["", *(f"{name}: {note}." for name, note in module.NOTES.items())]))
        if words.short:
            print(f"short: {script.about_short}.")
    return status


def _command(script: Script, words: argparse.Namespace) -> str:
    """The command as others would give it."""
    seed = [] if script.seed is None else ["--seed", str(words.seed)]
    return shlex.join([script.command, words.name, *(["--short"] if words.short else []), *seed, "--write"])


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """What failed, without the groups of tasks around it."""
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one
