"""`ragents put`: files and folders go in, each with its result."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ragents_client.command.asking import pairs
from ragents_client.command.connection import connection
from ragents_client.command.exits import Exit
from ragents_client.command.screen import complain, err, is_terminal, patience, print_json, say
from ragents_client.status import error_of_item
from ragents_client.uploads import PutEvent, find_sources
from ragents_client.v1 import PutOutcome

Paths = Annotated[
    list[Path], typer.Argument(help="Files and folders; a folder means all its files.", show_default=False)
]
Into = Annotated[str, typer.Option("--collection", "-c", help="The collection to put them in.", show_default="default")]
Meta = Annotated[list[str] | None, typer.Option(help="A field of every document, FIELD=VALUE; repeatable.")]
Listener = Callable[[PutEvent], None]


def put(context: typer.Context, paths: Paths, collection: Into = "", meta: Meta = None) -> None:
    """Put files and folders; the same file again changes nothing. A bad file never stops the good ones."""
    settings, metadata = connection(context), pairs(meta, "--meta")
    given = list(find_sources(paths))
    if not given:
        complain(f"no files in {', '.join(map(str, paths))}")
        raise typer.Exit(Exit.FAILED)
    title = f"reading {' '.join(map(str, paths))}"
    with (
        settings.open() as rag,
        patience(settings.server) as first,
        listening(title, len(given), settings.json) as tell,
    ):

        def heard(event: PutEvent) -> None:
            first()
            tell(event)

        results = rag.put_documents(given, collection=collection, metadata=metadata, progress=heard)
    if settings.json:
        print_json({"results": [as_result(one) for one in results]})
    elif not is_terminal():
        say(summary(results))
    raise typer.Exit(Exit.FAILED if any(one.failure for one in results) else Exit.DONE)


def listening(title: str, total: int, json: bool) -> AbstractContextManager[Listener]:
    """How progress is shown: a bar on a terminal, a line a document in a pipe, nothing beside JSON."""
    if json:
        return nullcontext(lambda _: None)
    return Bar(title, total) if is_terminal() else nullcontext(tell_line)


def tell_line(event: PutEvent) -> None:
    """One document's result in one line; failures go to standard error."""
    if event.failure:
        complain(f"{event.name}: {error_of_item(event.failure)}")
    elif event.document:
        outcome = PutOutcome.Name(event.outcome).removeprefix("PUT_OUTCOME_").lower()
        say(f"{outcome} {event.name}  {event.document.passages} passages")


def summary(results: list[PutEvent]) -> str:
    """How many documents and passages are in, and how many are not."""
    kept = [one.document for one in results if one.document]
    failed = len(results) - len(kept)
    return f"{len(kept)} documents, {sum(one.passages for one in kept)} passages, {failed} failed"


def as_result(event: PutEvent) -> dict[str, Any]:
    """A document's result for JSON, named as in the contract."""
    what = {"failure": event.failure} if event.failure else {"document": event.document}
    return {"name": event.name, "outcome": PutOutcome.Name(event.outcome), **what}


class Bar:
    """A progress bar that counts documents and passages; failures are printed above it."""

    def __init__(self, title: str, total: int) -> None:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, TextColumn("{task.fields[passages]} passages"), console=err())
        self._task = self._progress.add_task(title, total=total, passages=0)
        self._passages = 0

    def __enter__(self) -> Listener:
        self._progress.start()
        return self._tell

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _tell(self, event: PutEvent) -> None:
        if not event.is_result:
            return
        if event.failure:
            self._progress.console.print(f"{event.name}: {error_of_item(event.failure)}", style="red", markup=False)
        self._passages += event.document.passages if event.document else 0
        self._progress.update(self._task, advance=1, passages=self._passages)
