"""`ragents cache`: see, clear and correct what the server keeps of earlier calls; and how a cached answer is told."""

import sys
from enum import StrEnum
from typing import Annotated

import typer
from google.protobuf.message import Message
from rich.filesize import decimal
from rich.table import Table

from ragents_client.command.connection import connection
from ragents_client.command.exits import ALSO, Exit
from ragents_client.command.keeping import id_of
from ragents_client.command.screen import clean, err, is_terminal, out, patience, print_json, say
from ragents_client.v1 import (
    CACHE_OUTCOME_HIT,
    CACHE_OUTCOME_REVALIDATED,
    CACHE_OUTCOME_SHARED,
    CacheLayer,
    CacheUse,
    LayerStats,
    RetrieveResponse,
    StreamQueryResponse,
)

cache = typer.Typer(no_args_is_help=True, help="See and clear the cache, and report a wrong answer of it.")

FIGURES = ("requests", "hits", "misses", "hit\nratio", "size", "entries", "evictions", "errors", "bad\nhits")
STORY = {
    CACHE_OUTCOME_HIT: "from the cache",
    CACHE_OUTCOME_REVALIDATED: "from the cache, its passages are unchanged",
    CACHE_OUTCOME_SHARED: "shared with a call that asked the same",
}


class Layer(StrEnum):
    """The layers by the names that are typed."""

    EMBEDDING = "embedding"
    RETRIEVAL = "retrieval"
    REWRITE = "rewrite"
    ANSWER = "answer"

    @property
    def number(self) -> CacheLayer.ValueType:
        """The layer as the contract has it."""
        return CacheLayer.Value(f"CACHE_LAYER_{self.name}")


LayerNames = Annotated[
    list[Layer] | None,
    typer.Option("--layer", metavar="NAME", help=f"Only this layer: {', '.join(Layer)}; repeatable."),
]
MadeFrom = Annotated[str, typer.Option("--collection", "-c", help="Only what was made from this collection.")]
Document = Annotated[
    str, typer.Option(help="Only what was made from this document: its id, or its name in the collection.")
]
AllTenants = Annotated[bool, typer.Option("--all-tenants", help="Of all tenants; needs the scope `admin`.")]


@cache.command("stats", epilog=ALSO)
def stats(context: typer.Context, all_tenants: AllTenants = False) -> None:
    """Show the figures of each layer; in a pipe without headings, the size in bytes."""
    settings = connection(context)
    with settings.open() as rag, patience(settings.server):
        layers = rag.get_cache_stats(all_tenants=all_tenants)
    if settings.json:
        print_json({"layers": layers})
    elif is_terminal():
        out().print(stats_table(layers))
    else:
        for one in layers:
            say("\t".join(figures(one, f"{one.bytes:.0f}")))


def figures(layer: LayerStats, size: str) -> list[str]:
    """One layer's row."""
    looked_up = [str(layer.requests), str(layer.hits), str(layer.misses), f"{layer.hit_ratio:.3f}"]
    kept = [size, str(layer.entries), str(layer.evictions), str(layer.errors), str(layer.bad_hits)]
    return [name_of(layer.layer), *looked_up, *kept]


def name_of(layer: CacheLayer.ValueType) -> str:
    """A layer as people read it; one that this release does not know, by its number."""
    known = {one.number: one.value for one in Layer}
    return known.get(layer, str(layer))


def stats_table(layers: list[LayerStats]) -> Table:
    """The figures of all layers, narrow enough for 80 columns."""
    table = Table("layer", box=None, pad_edge=False, collapse_padding=True)
    for heading in FIGURES:
        table.add_column(heading, justify="right", overflow="fold")
    for one in layers:
        table.add_row(*figures(one, decimal(int(one.bytes))))
    return table


@cache.command("clear", epilog=ALSO)
def clear(
    context: typer.Context,
    *,
    layer: LayerNames = None,
    collection: MadeFrom = "",
    document: Document = "",
    all_tenants: AllTenants = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before clearing everything.")] = False,
) -> None:
    """Drop entries, all of them or those that match everything given; what is asked again is made anew."""
    settings = connection(context)
    if not (layer or collection or document or yes):
        confirm_everything(all_tenants)
    with settings.open() as rag, patience(settings.server):
        entries = rag.clear_cache(
            layers=[one.number for one in layer or []],
            collection=collection,
            document_id=id_of(rag, document, collection) if document else "",
            all_tenants=all_tenants,
        )
    if settings.json:
        print_json({"entries": entries})
    else:
        say(f"cleared {entries} {'entry' if entries == 1 else 'entries'}")


def confirm_everything(all_tenants: bool) -> None:
    """Asks on a terminal; a script means what it says, and loses only time."""
    whose = " of all tenants" if all_tenants else ""
    if sys.stdin.isatty() and not typer.confirm(f"Clear the whole cache{whose}?", err=True):
        raise typer.Exit(Exit.FAILED)


@cache.command("report", epilog=ALSO)
def report(
    context: typer.Context,
    entry_id: Annotated[str, typer.Argument(help="The entry, as the answer named it.", show_default=False)],
    comment: Annotated[str, typer.Argument(help="What is wrong, for the server's log.", show_default=False)] = "",
) -> None:
    """Report a wrong answer from the cache: its entry is dropped and counted as a bad hit."""
    settings = connection(context)
    with settings.open() as rag, patience(settings.server):
        rag.report_bad_hit(entry_id, comment)
    if settings.json:
        print_json({"entryId": entry_id})
    else:
        say(f"reported {entry_id}")


def show_use(response: Message | None) -> None:
    """Tells on a terminal that an answer was not made for this call; of a stream, `response` is the last."""
    if (
        isinstance(response, StreamQueryResponse | RetrieveResponse)
        and response.cache.outcome in STORY
        and is_terminal()
    ):
        err().print(clean(used(response.cache)), style="dim", markup=False)


def used(use: CacheUse) -> str:
    """Where an answer came from, how old it is, and the entry to report if it is wrong."""
    facts = [STORY[use.outcome]]
    if seconds := use.age.seconds + use.age.nanos / 1e9:
        facts.append(f"{duration(seconds)} old")
    if use.entry_id:
        facts.append(f"entry {use.entry_id}")
    return ", ".join(facts)


def duration(seconds: float) -> str:
    """A time as people say it, in one unit."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
