"""`ragents health`: how the server is, and each of its parts."""

import time

import typer
from rich.table import Table
from rich.text import Text

from ragents_client.command.caching import duration
from ragents_client.command.connection import connection
from ragents_client.command.exits import Exit
from ragents_client.command.screen import clean, is_terminal, out, patience, print_json, say
from ragents_client.v1 import COMPONENT_STATE_DOWN, Component, ComponentState, GetHealthResponse

STYLES = {"UP": "green", "DEGRADED": "yellow", "DOWN": "red", "OFF": "dim"}


def health(context: typer.Context) -> None:
    """Show how the server and its parts are; ends with 1 where a part is down."""
    settings = connection(context)
    with settings.open() as rag, patience(settings.server):
        found = rag.get_health()
    if settings.json:
        print_json(found)
    elif is_terminal():
        say(summary(found))
        out().print(table_of(found))
    else:
        say(summary(found))
        for one in found.components:
            say("\t".join(row(one, clock_of(found))))
    if any(one.state == COMPONENT_STATE_DOWN for one in found.components):
        raise typer.Exit(Exit.FAILED)


def summary(found: GetHealthResponse) -> str:
    """The server in a line."""
    agents = ", ".join(found.agents) or "none"
    return f"ragents-server {found.version}, up for {duration(found.uptime.ToSeconds())}; agents: {agents}"


def state_of(component: Component) -> str:
    """The state as people read it; one that this release does not know, by its number."""
    known = component.state in ComponentState.values()
    return ComponentState.Name(component.state).rpartition("_")[2] if known else str(component.state)


def clock_of(found: GetHealthResponse) -> float:
    """The server's clock, in seconds since 1970; ours, where it is of an older release."""
    return found.time.ToMilliseconds() / 1000 if found.HasField("time") else time.time()


def row(component: Component, now: float) -> list[str]:
    """Name, state, how long its last answer took, for how long it has been so, and what it is."""
    latency = f"{component.latency.ToMicroseconds() / 1000:.1f} ms" if component.HasField("latency") else ""
    lasted = max(0.0, now - component.since.ToMilliseconds() / 1000) if component.HasField("since") else None
    since = "" if lasted is None else duration(lasted)
    return [component.name, state_of(component), latency, since, component.detail]


def table_of(found: GetHealthResponse) -> Table:
    """The rows, the state in colour."""
    table = Table("part", "state", box=None, pad_edge=False)
    table.add_column("latency", justify="right")
    table.add_column("for", justify="right")
    table.add_column("what it is", overflow="fold")
    for one in found.components:
        name, state, *rest = (Text(clean(cell)) for cell in row(one, clock_of(found)))
        state.stylize(STYLES.get(state.plain, ""))
        table.add_row(name, state, *rest)
    return table
