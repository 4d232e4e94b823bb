"""`ragents documents` and `ragents collections`: see and delete what is kept."""

import re
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from ragents_client.client import Client
from ragents_client.command.connection import connection
from ragents_client.command.exits import ALSO, Exit
from ragents_client.command.screen import as_json, clean, complain, is_terminal, out, patience, print_json, say
from ragents_client.errors import NotFound
from ragents_client.v1 import DocumentState

documents = typer.Typer(no_args_is_help=True, help="List, show and delete documents.")
collections = typer.Typer(no_args_is_help=True, help="List and delete collections.")

In = Annotated[str, typer.Option("--collection", "-c", help="The collection.", show_default="default")]
Which = Annotated[str, typer.Argument(help="The document's name or id.", show_default=False)]


def show_rows(headings: list[str], rows: list[list[str]]) -> None:
    """A table on a terminal, tab-separated lines in a pipe."""
    if not is_terminal():
        for row in rows:
            say("\t".join(row))
        return
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    out().print(table)


def id_of(rag: Client, which: str, collection: str) -> str:
    """A document's id, looked up where a name was given."""
    if re.fullmatch("[0-9a-f]{32}", which):
        return which
    for document in rag.list_documents(collection, name_prefix=which):
        if document.name == which:
            return document.id
    raise NotFound(f"no document {which!r} in the collection {collection or 'default'}")


@documents.command("list", epilog=ALSO)
def list_documents(
    context: typer.Context,
    collection: In = "",
    prefix: Annotated[str, typer.Option(help="Only names that begin with this.")] = "",
) -> None:
    """List the documents of a collection by name."""
    settings = connection(context)
    with settings.open() as rag, patience(settings.server):
        found = list(rag.list_documents(collection, name_prefix=prefix))
    if settings.json:
        print_json({"documents": found})
        return
    rows = [[one.name, str(one.passages), str(one.size), state_of(one.state), one.media_type, one.id] for one in found]
    show_rows(["name", "passages", "bytes", "state", "type", "id"], rows)


def state_of(state: DocumentState.ValueType) -> str:
    """A state as people read it."""
    return DocumentState.Name(state).removeprefix("DOCUMENT_STATE_").lower()


@documents.command("show", epilog=ALSO)
def show_document(context: typer.Context, which: Which, collection: In = "") -> None:
    """Show all that is known of a document."""
    settings = connection(context)
    with settings.open() as rag, patience(settings.server):
        found = rag.get_document(id_of(rag, which, collection))
    if settings.json:
        print_json(found)
        return
    for field, value in as_json(found).items():
        say(f"{field}: {value}")


@documents.command("delete", epilog=ALSO)
def delete_documents(
    context: typer.Context,
    which: Annotated[list[str], typer.Argument(help="Names or ids.", show_default=False)],
    collection: In = "",
) -> None:
    """Delete documents."""
    settings, missing = connection(context), False
    with settings.open() as rag, patience(settings.server):
        for one in which:
            try:
                rag.delete_document(id_of(rag, one, collection))
            except NotFound as error:
                missing = True
                complain(f"{one}: {error}")
            else:
                say(f"deleted {one}")
    raise typer.Exit(Exit.FAILED if missing else Exit.DONE)


@collections.command("list", epilog=ALSO)
def list_collections(context: typer.Context) -> None:
    """List the collections by name."""
    settings = connection(context)
    with settings.open() as rag, patience(settings.server):
        found = list(rag.list_collections())
    if settings.json:
        print_json({"collections": found})
        return
    rows = [[one.name, str(one.documents), str(one.passages), one.embedding_model] for one in found]
    show_rows(["name", "documents", "passages", "embedding model"], rows)


@collections.command("delete", epilog=ALSO)
def delete_collection(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The collection.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a collection with all its documents."""
    settings = connection(context)
    if not yes and not typer.confirm(f"Delete the collection {name} with all its documents?", err=True):
        raise typer.Exit(Exit.FAILED)
    with settings.open() as rag, patience(settings.server):
        gone = rag.delete_collection(name)
    if settings.json:
        print_json({"documents": gone})
    else:
        say(f"deleted {name} with {gone} documents")
