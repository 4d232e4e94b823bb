"""`ragents ask` and `ragents retrieve`: one question, one answer, or the passages it would be written from."""

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from ragents_client.calls.questions import Asked
from ragents_client.command.caching import show_use
from ragents_client.command.citations import place
from ragents_client.command.connection import Connection, connection
from ragents_client.command.exits import Exit
from ragents_client.command.live import Live
from ragents_client.command.screen import clean, is_terminal, out, patience, print_json, say
from ragents_client.v1 import CACHE_MODE_NONE, CACHE_MODE_REFRESH, CACHE_MODE_UNSPECIFIED, CacheMode, Passage

Question = Annotated[str, typer.Argument(help="The question in plain words.", show_default=False)]
Collections = Annotated[
    list[str] | None, typer.Option("--collection", "-c", help="Search this collection; repeatable.")
]
TopK = Annotated[int | None, typer.Option(help="How many passages an answer may be written from, 1 to 100.")]
Where = Annotated[
    list[str] | None, typer.Option(help="Only documents whose field has the value, FIELD=VALUE; repeatable: all hold.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Make it anew, and let the cache keep that.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither read the cache nor write to it.")]


def plain_value(text: str) -> str | float | bool:
    """A value as typed: true, false or a number where it reads as one; in double quotes always a string."""
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        return text[1:-1]
    if text in {"true", "false"}:
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text


def pairs(given: list[str] | None, option: str) -> dict[str, Any]:
    """FIELD=VALUE options as a mapping."""
    found = {}
    for one in given or []:
        field, equals, value = one.partition("=")
        if not field or not equals:
            raise typer.BadParameter(f"{one!r} is not FIELD=VALUE", param_hint=option)
        found[field] = plain_value(value)
    return found


def cache_mode(fresh: bool, no_cache: bool) -> CacheMode.ValueType:
    """How the cache is to be used."""
    if fresh and no_cache:
        raise typer.BadParameter("give one of --fresh and --no-cache", param_hint="--no-cache")
    if no_cache:
        return CACHE_MODE_NONE
    return CACHE_MODE_REFRESH if fresh else CACHE_MODE_UNSPECIFIED


def options_of(
    collection: list[str] | None,
    top_k: int | None,
    where: list[str] | None,
    mode: CacheMode.ValueType = CACHE_MODE_UNSPECIFIED,
) -> Asked:
    """What was typed beside the question, as the client takes it."""
    options = Asked()
    if collection:
        options["collections"] = collection
    if top_k is not None:
        options["top_k"] = top_k
    if where:
        options["conditions"] = pairs(where, "--where")
    if mode:
        options["cache_mode"] = mode
    return options


def ask(
    context: typer.Context,
    question: Question,
    *,
    collection: Collections = None,
    top_k: TopK = None,
    where: Where = None,
    fresh: Fresh = False,
    no_cache: NoCache = False,
) -> None:
    """Answer a question from your documents, with numbered citations."""
    options = options_of(collection, top_k, where, cache_mode(fresh, no_cache))
    settings = connection(context)
    refused = ask_for_json(settings, question, options) if settings.json else ask_aloud(settings, question, options)
    raise typer.Exit(Exit.REFUSED if refused else Exit.DONE)


def ask_for_json(settings: Connection, question: str, options: Asked) -> bool:
    """Prints the whole response; tells whether it is a refusal."""
    with settings.open() as rag, patience(settings.server):
        response = rag.query_response(question, **options)
    print_json(response)
    return response.answer.HasField("refusal")


def ask_aloud(settings: Connection, question: str, options: Asked) -> bool:
    """Prints the answer as it comes; tells whether it is a refusal."""
    with settings.open() as rag, patience(settings.server) as first, rag.stream_query(question, **options) as events:
        answer = Live().follow(events, first)
    show_use(events.last)
    return answer.HasField("refusal")


def retrieve(
    context: typer.Context,
    question: Question,
    *,
    collection: Collections = None,
    top_k: TopK = None,
    where: Where = None,
    fresh: Fresh = False,
    no_cache: NoCache = False,
) -> None:
    """Show the passages that an answer would be written from, with the scores of both legs."""
    options = options_of(collection, top_k, where, cache_mode(fresh, no_cache))
    settings = connection(context)
    with settings.open() as rag, patience(settings.server):
        response = rag.retrieve_response(question, **options)
    passages = list(response.passages)
    if settings.json:
        print_json({"passages": passages, "cache": response.cache})
    elif is_terminal():
        out().print(passage_table(passages))
        show_use(response)
    else:
        for passage in passages:
            say("\t".join([*scores(passage), place(passage), shortened(passage.text)]))


def scores(passage: Passage) -> list[str]:
    """The fused score and those of the lexical and the dense leg."""
    return [f"{value:.3f}" for value in (passage.score.fused, passage.score.lexical, passage.score.dense)]


def shortened(text: str, most: int = 200) -> str:
    """A passage's beginning in one line."""
    line = " ".join(clean(text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def passage_table(passages: list[Passage]) -> Table:
    """The passages, best first."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "score", "lexical", "dense", "where", "passage"):
        table.add_column(heading, justify="right" if heading in {"", "score", "lexical", "dense"} else "left")
    for number, passage in enumerate(passages, 1):
        texts = [str(number), *scores(passage), clean(place(passage)), shortened(passage.text)]
        table.add_row(*(Text(text) for text in texts))
    return table
