"""`ragents doctor`: what is wrong between here and a server, and what to do."""

import os
from dataclasses import asdict, replace
from typing import Annotated

import typer
from rich.text import Text

from ragents_client.calls.call import fresh_id
from ragents_client.command.connection import connection
from ragents_client.command.examining import examine
from ragents_client.command.exits import Exit
from ragents_client.command.patient import SECONDS, Finding, Metadata, Patient, channel_of
from ragents_client.command.screen import clean, is_terminal, out, patience, print_json, say
from ragents_client.status import REQUEST_ID
from ragents_client.tls import Files

MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}
Server = Annotated[str, typer.Argument(help="The server; unless given, the one of --server.", show_default=False)]


def doctor(context: typer.Context, server: Server = "") -> None:
    """Examine a server from here: way, TLS, credentials, health, versions, clock, limits; ends with 1 for a failure."""
    settings = connection(context)
    if server:
        settings = replace(settings, server=server)
    endpoint = settings.endpoint()
    metadata: Metadata = ((REQUEST_ID, fresh_id()),)
    if endpoint.token:
        metadata = (*metadata, ("authorization", f"Bearer {endpoint.token}"))
    files = Files(settings.ca, settings.cert, settings.key).or_from(os.environ)
    found: list[Finding] = []
    with channel_of(endpoint) as channel, patience(endpoint.address) as silence:
        patient = Patient(endpoint, files, metadata, channel, settings.timeout or SECONDS)
        for finding in examine(patient):
            silence()
            found.append(finding)
            if not settings.json:
                show(finding)
    if settings.json:
        print_json([asdict(one) for one in found])
    if any(one.verdict == "fail" for one in found):
        raise typer.Exit(Exit.FAILED)


def show(finding: Finding) -> None:
    """One line, and one more with what to do."""
    mark, style = MARKS[finding.verdict]
    if is_terminal():
        out().print(Text.assemble((mark, style), f" {finding.about:<12} ", clean(finding.said)))
        if finding.advice:
            out().print(Text(f"  {'':<12} {clean(finding.advice)}", style="dim"))
    else:
        say("\t".join(filter(None, (finding.verdict, finding.about, finding.said, finding.advice))))
