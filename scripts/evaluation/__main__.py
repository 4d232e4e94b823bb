"""`scripts/eval`: finds the sets, starts a server, measures each set through gRPC, and says whether targets hold."""

import argparse
import asyncio
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ragents_client import RagentsError
from ragents_server.models.minilm import MiniLM
from scripts import figures
from scripts.evaluation import answers, filings, follow_ups, retrieval, semantic, spans
from scripts.evaluation.server import ServerError, running_server
from scripts.evaluation.service import PutError, Service
from scripts.evaluation.sets import Answered, DataError, DataSet, Intended, Ranked, Spanned, find_sets, is_small
from scripts.figures import Figure

DATA = Path(__file__).parents[3] / "shared/data"  # beside the checkout, never in it


def parser() -> argparse.ArgumentParser:
    """The command's words."""
    command = argparse.ArgumentParser(prog="scripts/eval", description="Measure retrieval and answers through gRPC.")
    command.add_argument("names", nargs="*", metavar="NAME", help="only these sets (default: all)")
    command.add_argument(
        "--data",
        action="append",
        type=Path,
        metavar="DIR",
        help="a set, or a folder of sets; may be repeated: corpus.jsonl with queries.jsonl and qrels.tsv, or with "
        "qa.jsonl (and corpus_partial.jsonl); docs/ with questions.jsonl (spans) or qa.jsonl (gold_docs); "
        "queries.jsonl alone (text, intent)",
    )
    figures.add_options(command)
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all targets hold, or there is nothing to measure by default; 1: one is missed; 2: the data is not usable."""
    words = parser().parse_args(arguments)
    try:
        sets = chosen(words)
        if not sets:
            print("skipped: no evaluation data beside the checkout; give --data DIR", file=sys.stderr)
            return 0
        found = asyncio.run(measured(sets, short=words.short))
    except (DataError, PutError, ServerError, RagentsError) as error:
        print(f"scripts/eval: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    if words.write:
        path = figures.write("eval-short" if words.short else "eval", found, command(words))
        print(f"written: {path}", file=sys.stderr)
    return figures.report(found, as_json=words.json)


def chosen(words: argparse.Namespace) -> list[DataSet]:
    """The sets to measure; DataError when what was asked for is not there. None only where nothing was asked for."""
    folders = words.data or ([DATA] if DATA.is_dir() else [])
    sets = []
    for folder in folders:
        if not (found := find_sets(folder)):
            raise DataError(f"{folder} holds no set in a layout that is known; see scripts/eval --help")
        sets += found
    if unknown := set(words.names) - {data.name for data in sets}:
        raise DataError(f"no set is named {', '.join(sorted(unknown))}; there are {', '.join(d.name for d in sets)}")
    sets = [data for data in sets if not words.names or data.name in words.names]
    return [data for data in sets if is_small(data)] if words.short else sets


async def measured(sets: Sequence[DataSet], *, short: bool) -> list[Figure]:
    """The figures of all sets, each in a collection of its own."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # the server is ended then too
    found: list[Figure] = []
    async with running_server() as client, MiniLM.open() as model:
        for number, data in enumerate(sets):
            if isinstance(data, Intended):
                found += await semantic.evaluate(data, model)
                continue
            collection = f"set-{number}"
            service = Service(client, data.name, collection)
            found += await figures_of(data, service, model, short=short)
            found += await follow_ups.evaluate(data, follow_ups.Place(client, service, collection))
            await service.clear()
    return found + retrieval.means(found)


async def figures_of(data: DataSet, service: Service, model: MiniLM, *, short: bool) -> list[Figure]:
    """The figures of one set, by its kind."""
    match data:
        case Ranked():
            return await retrieval.evaluate(data, service, model)
        case Answered():
            return await answers.evaluate(data, service, short=short)
        case Spanned():
            return await spans.evaluate(data, service)
        case _:
            return await filings.evaluate(data, service)


def command(words: argparse.Namespace) -> str:
    """The command as others would give it; folders by their names alone."""
    options = [name for name in ("--short",) if words.short]
    for folder in words.data or ():
        options += ["--data", folder.resolve().name]
    return shlex.join(["scripts/eval", *options, "--write", *words.names])


if __name__ == "__main__":
    sys.exit(main())
