"""`ragents agents` and `ragents threads`: who can be talked to, and the conversations that are kept."""

from datetime import UTC
from itertools import islice
from typing import Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp

from ragents_client.command.chatting import show_interrupt
from ragents_client.command.connection import connection
from ragents_client.command.exits import ALSO, Exit
from ragents_client.command.keeping import show_rows
from ragents_client.command.screen import complain, is_terminal, patience, print_json, say
from ragents_client.errors import NotFound
from ragents_client.v1 import Checkpoint, Thread

threads = typer.Typer(no_args_is_help=True, help="List, show, fork and delete conversations.")

ThreadId = Annotated[str, typer.Argument(metavar="THREAD", help="The thread's id.", show_default=False)]
Most = Annotated[int, typer.Option("--most", "-n", min=1, help="How many at most.")]


def list_agents(context: typer.Context) -> None:
    """List the agents that the server has loaded."""
    settings = connection(context)
    with settings.open() as rag, patience(settings.server):
        found = rag.list_agents()
    if settings.json:
        print_json({"agents": found})
        return
    rows = [[one.name, one.description, ", ".join(one.capabilities), ", ".join(one.tools)] for one in found]
    show_rows(["name", "what it does", "capabilities", "tools"], rows)


@threads.command("list", epilog=ALSO)
def list_threads(context: typer.Context, most: Most = 50) -> None:
    """List your conversations, the latest first."""
    settings = connection(context)
    with settings.open() as rag, patience(settings.server):
        found = list(islice(rag.list_threads(page_size=min(most, 1000)), most))
    if settings.json:
        print_json({"threads": found})
        return
    rows = [[one.id, one.agent, str(one.turns), when(one.update_time), state_of(one), one.title] for one in found]
    show_rows(["thread", "agent", "turns", "last used", "state", "title"], rows)


@threads.command("show", epilog=ALSO)
def show_thread(context: typer.Context, thread: ThreadId) -> None:
    """Show a conversation from its beginning."""
    settings = connection(context)
    with settings.open() as rag, patience(settings.server):
        found = rag.get_thread(thread)
    if settings.json:
        print_json(found)
        return
    for exchange in found.exchanges:
        say(f"> {exchange.question}", style="bold")
        say(f"{exchange.answer}\n")
    if found.thread.HasField("interrupt"):
        show_interrupt(found.thread.interrupt)


@threads.command("history", epilog=ALSO)
def show_history(context: typer.Context, thread: ThreadId, most: Most = 50) -> None:
    """List a conversation's saved states, the latest first; each can be forked from."""
    settings = connection(context)
    with settings.open() as rag, patience(settings.server):
        found = list(islice(rag.get_thread_history(thread, page_size=min(most, 1000)), most))
    if settings.json:
        print_json({"checkpoints": found})
        return
    rows = [[one.id, str(one.step), when(one.create_time), next_of(one), str(len(one.exchanges))] for one in found]
    show_rows(["checkpoint", "step", "saved", "next", "exchanges"], rows)


@threads.command("fork", epilog=ALSO)
def fork_thread(
    context: typer.Context,
    thread: ThreadId,
    checkpoint: Annotated[str, typer.Option(help="The saved state to begin with.", show_default="the latest")] = "",
) -> None:
    """Begin a new conversation with a saved state of another; prints the new thread's id."""
    settings = connection(context)
    with settings.open() as rag, patience(settings.server):
        forked = rag.fork_thread(thread, checkpoint_id=checkpoint)
    if settings.json:
        print_json(forked)
    else:
        say(forked.id)


@threads.command("delete", epilog=ALSO)
def delete_threads(
    context: typer.Context,
    which: Annotated[list[str], typer.Argument(metavar="THREAD…", help="Threads' ids.", show_default=False)],
) -> None:
    """Delete conversations with all that was saved of them."""
    settings, missing = connection(context), False
    with settings.open() as rag, patience(settings.server):
        for one in which:
            try:
                rag.delete_thread(one)
            except NotFound as error:
                missing = True
                complain(f"{one}: {error}")
            else:
                say(f"deleted {one}")
    raise typer.Exit(Exit.FAILED if missing else Exit.DONE)


def when(time: Timestamp) -> str:
    """A time with its zone: the reader's own on a terminal, UTC in a pipe."""
    utc = time.ToDatetime(tzinfo=UTC)
    return f"{utc.astimezone():%Y-%m-%d %H:%M:%S %Z}" if is_terminal() else utc.isoformat(timespec="seconds")


def state_of(thread: Thread) -> str:
    """What a thread is doing."""
    if thread.run_id:
        return "running"
    return "waits for a reply" if thread.HasField("interrupt") else ""


def next_of(checkpoint: Checkpoint) -> str:
    """The steps that come next."""
    return ", ".join(checkpoint.next) or "—"
