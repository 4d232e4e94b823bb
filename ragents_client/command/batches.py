"""`ragents batch`: questions that are answered in the background."""

import sys
import time
from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ragents_client.client import Client
from ragents_client.command.asking import Collections, Fresh, NoCache, TopK, Where, cache_mode, options_of
from ragents_client.command.connection import Connection, connection
from ragents_client.command.exits import ALSO, Exit
from ragents_client.command.screen import clean, complain, err, patience, print_json, say
from ragents_client.command.threads import when
from ragents_client.status import error_of_item
from ragents_client.v1 import BATCH_STATE_CANCELLED, BATCH_STATE_DONE, Batch, BatchItem, BatchState

batch = typer.Typer(no_args_is_help=True, help="Have many questions answered in the background.")

SHORTEST, LONGEST = 0.1, 2.0  # seconds between looks at a batch that is waited for
OVER = (BATCH_STATE_DONE, BATCH_STATE_CANCELLED)


class Priority(StrEnum):
    """How urgent questions are."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="The batch's id.", show_default=False)]
Questions = Annotated[
    typer.FileText, typer.Argument(metavar="FILE", help="One question a line; -: standard input.", show_default=False)
]
Urgency = Annotated[Priority, typer.Option(help="How urgent they are; no more than your credential allows.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for the outcomes and print them.")]
RequestId = Annotated[str | None, typer.Option(help="The same one again submits nothing.", show_default="a fresh one")]


@batch.command("submit", epilog=ALSO)
def submit(
    context: typer.Context,
    questions: Questions,
    *,
    priority: Urgency = Priority.NORMAL,
    wait: Wait = False,
    request_id: RequestId = None,
    collection: Collections = None,
    top_k: TopK = None,
    where: Where = None,
    fresh: Fresh = False,
    no_cache: NoCache = False,
) -> None:
    """Submit a file of questions; prints the batch's id, or with --wait the outcomes."""
    asked = [line.strip() for line in questions if line.strip()]
    if not asked:
        raise typer.BadParameter("there is no question in it", param_hint="FILE")
    options = options_of(collection, top_k, where, cache_mode(fresh, no_cache))
    settings = replace(connection(context), priority=priority.upper())
    with settings.open() as rag:
        with patience(settings.server):
            submitted = rag.submit_batch(asked, request_id=request_id, **options)
        if wait:
            typer.echo(clean(f"batch {submitted.id}"), err=True)
            raise typer.Exit(show_outcomes(settings, rag, waited_for(rag, submitted)))
    print_json(submitted) if settings.json else say(submitted.id)


@batch.command("show", epilog=ALSO)
def show(context: typer.Context, batch_id: BatchId, wait: Wait = False) -> None:
    """Tell how far a batch is, with the outcomes so far."""
    settings = connection(context)
    with settings.open() as rag:
        with patience(settings.server):
            found = rag.get_batch(batch_id)
        if wait:
            found = waited_for(rag, found)
        elif not settings.json:
            typer.echo(clean(summary(found)), err=True)
        raise typer.Exit(show_outcomes(settings, rag, found))


@batch.command("cancel", epilog=ALSO)
def cancel(context: typer.Context, batch_id: BatchId) -> None:
    """Cancel what has no outcome yet of a batch."""
    settings = connection(context)
    with settings.open() as rag, patience(settings.server):
        cancelled = rag.cancel_batch(batch_id)
    print_json(cancelled) if settings.json else say(summary(cancelled))


def waited_for(rag: Client, found: Batch) -> Batch:
    """The batch when it is over; a bar on a terminal tells how far it is."""
    columns = (TextColumn("answering"), BarColumn(), MofNCompleteColumn())
    pause = SHORTEST
    with Progress(*columns, console=err(), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("", total=found.total, completed=found.done)
        while found.state not in OVER:
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST)
            found = rag.get_batch(found.id)
            progress.update(task, completed=found.done)
    return found


def show_outcomes(settings: Connection, rag: Client, found: Batch) -> Exit:
    """Prints the items; FAILED where one of them has failed."""
    items = list(rag.list_batch_items(found.id, page_size=1000))
    failed = any(item.HasField("failure") for item in items)
    if settings.json:
        print_json({"batch": found, "items": items})
    else:
        for item in items:
            show_item(item)
    return Exit.FAILED if failed else Exit.DONE


def show_item(item: BatchItem) -> None:
    """One outcome in one line; failures go to standard error, what waits is left out."""
    if item.HasField("answer"):
        said = item.answer.text or item.answer.refusal.message
        say(f"{item.index + 1}\t{' '.join(said.split())}")
    elif item.HasField("failure"):
        complain(f"{item.index + 1}\t{error_of_item(item.failure)}")


def summary(found: Batch) -> str:
    """How far it is, in one line."""
    state = BatchState.Name(found.state).removeprefix("BATCH_STATE_").lower()
    return f"{found.id}  {state}  {found.done} of {found.total}  {when(found.create_time)}"
