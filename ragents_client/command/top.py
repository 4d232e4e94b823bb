"""`ragents top`: what servers do right now, looked at again and again."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated

import typer
from rich.live import Live

from ragents_client.client import Client
from ragents_client.command.connection import connection
from ragents_client.command.exits import Exit
from ragents_client.command.overview import Overview, overview, screen
from ragents_client.command.readings import Replica, addresses_of
from ragents_client.command.screen import complain, is_terminal, out, patience, print_json
from ragents_client.errors import RagentsError
from ragents_client.v1 import GetHealthResponse

DEFAULT = "127.0.0.1:9464"
HEALTH_SECONDS = 2.0
AT_ONCE = 32  # pages

Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metrics",
        metavar="HOST:PORT",
        help=f"Where servers tell their metrics, {DEFAULT} unless given; repeatable. A name with several addresses is"
        " as many replicas.",
    ),
]
Interval = Annotated[float, typer.Option(min=0.2, max=60, help="Seconds between two looks.")]
Once = Annotated[bool, typer.Option("--once", help="Look twice, show it, and end; so it is in a pipe and with --json.")]


def top(context: typer.Context, metrics: Metrics = None, interval: Interval = 2.0, once: Once = False) -> None:
    """Show calls, times, hits, lines and replicas live; needs RAGENTS_METRICS_LISTEN at the server."""
    settings = connection(context)
    try:
        replicas = [Replica(address) for place in metrics or [DEFAULT] for address in addresses_of(place)]
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong), param_hint="--metrics") from None
    with settings.open() as rag, ThreadPoolExecutor(min(AT_ONCE, len(replicas))) as pool:
        replicas = look(pool, replicas)
        if all(one.after is None for one in replicas):
            complain(f"{', '.join(one.address for one in replicas)}: no metrics there; set RAGENTS_METRICS_LISTEN")
            raise typer.Exit(Exit.UNREACHABLE)
        if once or settings.json or not is_terminal():
            with patience(f"{interval:g} s to pass"):
                time.sleep(interval)
            show(overview(look(pool, replicas)), rag, interval, json=settings.json)
            return
        follow(pool, replicas, rag, interval)


def look(pool: ThreadPoolExecutor, replicas: Sequence[Replica]) -> list[Replica]:
    """At all of them at once."""
    return list(pool.map(Replica.read, replicas))


def show(seen: Overview, rag: Client, interval: float, *, json: bool) -> None:
    """Once."""
    if json:
        print_json(asdict(seen))
    else:
        out().print(screen(seen, health_of(rag), interval))


def follow(pool: ThreadPoolExecutor, replicas: Sequence[Replica], rag: Client, interval: float) -> None:
    """Until Ctrl-C. One that does not answer is told, and looked at again."""
    with Live(console=out(), screen=True, auto_refresh=False) as live, suppress(KeyboardInterrupt):
        while True:
            time.sleep(interval)
            replicas = look(pool, replicas)
            live.update(screen(overview(replicas), health_of(rag), interval), refresh=True)


def health_of(rag: Client) -> GetHealthResponse | None:
    """None where the server does not tell."""
    try:
        return rag.get_health(timeout=HEALTH_SECONDS)
    except RagentsError:
        return None
