"""The sub-commands of `ragents`, the options they share, and how a failure ends."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ragents_client.channel import DEFAULT_ADDRESS, release
from ragents_client.command import (
    asking,
    batches,
    caching,
    chatting,
    doctor,
    evaluation,
    health,
    keeping,
    putting,
    threads,
    top,
)
from ragents_client.command.connection import Connection, connection
from ragents_client.command.exits import ALSO, HELP, Exit
from ragents_client.command.screen import print_json, say, tell_error
from ragents_client.errors import RagentsError, Unreachable


class Told(TyperGroup):
    """Tells a failed call in a line or two, never as a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the sub-command and turns failures into exit statuses."""
        try:
            return super().invoke(ctx)
        except RagentsError as error:
            tell_error(error)
            raise typer.Exit(Exit.UNREACHABLE if isinstance(error, Unreachable) else Exit.FAILED) from None
        except KeyboardInterrupt:
            raise typer.Exit(Exit.INTERRUPTED) from None


app = typer.Typer(
    cls=Told,
    no_args_is_help=True,
    epilog=HELP,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stderr.isatty() else None,  # no frames in a pipe
)
app.command("ask", epilog=ALSO)(asking.ask)
app.command("chat", epilog=ALSO)(chatting.chat)
app.command("put", epilog=ALSO)(putting.put)
app.command("retrieve", epilog=ALSO)(asking.retrieve)
app.command("eval", epilog=ALSO)(evaluation.evaluate)
app.add_typer(keeping.documents, name="documents")
app.add_typer(keeping.collections, name="collections")
app.add_typer(batches.batch, name="batch")
app.add_typer(caching.cache, name="cache")
app.command("health", epilog=ALSO)(health.health)
app.command("top", epilog=ALSO)(top.top)
app.command("doctor", epilog=ALSO)(doctor.doctor)
app.command("agents", epilog=ALSO)(threads.list_agents)
app.add_typer(threads.threads, name="threads")


@app.callback()
def shared(
    context: typer.Context,
    *,
    server: Annotated[
        str, typer.Option(envvar="RAGENTS_SERVER", help="The server: host:port, dns:///name:port or unix:path.")
    ] = DEFAULT_ADDRESS,
    token_file: Annotated[
        Path | None, typer.Option(help="A file that holds the token; otherwise RAGENTS_TOKEN.")
    ] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Speak TLS, with the usual roots.")] = False,
    ca: Annotated[
        Path | None, typer.Option(help="Speak TLS, with the roots in this PEM file; otherwise RAGENTS_CA.")
    ] = None,
    cert: Annotated[
        Path | None, typer.Option(help="Show the certificate in this PEM file; otherwise RAGENTS_CLIENT_CERT.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Its key, a PEM file; otherwise RAGENTS_CLIENT_KEY.")] = None,
    insecure_token: Annotated[
        bool, typer.Option("--insecure-token", help="Send the token unencrypted to another machine.")
    ] = False,
    timeout: Annotated[float | None, typer.Option(min=0.001, help="Seconds for each call.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, named as protobuf does.")] = False,
) -> None:
    """Ask your own documents. These options may also stand after the sub-command."""
    context.obj = Connection(server, token_file, tls, ca, cert, key, insecure_token, timeout, json)


@app.command(epilog=ALSO)
def version(context: typer.Context) -> None:
    """Print the release of this client."""
    if connection(context).json:
        print_json({"version": release()})
    else:
        say(f"ragents {release()}")


WITH_VALUE = {"--server", "--token-file", "--ca", "--cert", "--key", "--timeout"}
WITHOUT_VALUE = {"--json", "--tls", "--insecure-token"}


def shared_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with the shared options in front, wherever they were typed before a `--`."""
    shared_ones: list[str] = []
    rest: list[str] = []
    given = iter(arguments)
    for one in given:
        if one == "--":
            rest.append(one)
            break
        if one in WITHOUT_VALUE or (one.partition("=")[0] in WITH_VALUE and "=" in one):
            shared_ones.append(one)
        elif one in WITH_VALUE:
            shared_ones += [one, *([value] if (value := next(given, None)) is not None else [])]
        else:
            rest.append(one)
    return shared_ones + rest + list(given)


def run(arguments: Sequence[str]) -> None:
    """Runs the command with these arguments and ends the process."""
    app(args=shared_first(arguments), prog_name="ragents")
    sys.exit(Exit.DONE)
