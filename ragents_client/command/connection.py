"""The options that every sub-command shares, and the client they make."""

from dataclasses import dataclass
from pathlib import Path

import typer

from ragents_client.channel import DEFAULT_ADDRESS, Endpoint
from ragents_client.client import Client
from ragents_client.tls import Files


@dataclass(frozen=True, slots=True)
class Connection:
    """Which server, as whom, and how results are shown."""

    server: str = DEFAULT_ADDRESS
    token_file: Path | None = None
    tls: bool = False
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    insecure_token: bool = False
    timeout: float | None = None
    json: bool = False
    priority: str = ""

    def endpoint(self) -> Endpoint:
        """Where the server is and how to speak to it; what cannot be right is a usage error."""
        try:
            token = self.token_file.read_text() if self.token_file else None
            files = Files(self.ca, self.cert, self.key)
            return Endpoint.of(self.server, self.tls or None, files, token, self.insecure_token)
        except (OSError, ValueError) as wrong:
            raise typer.BadParameter(str(wrong)) from None

    def open(self) -> Client:
        """A client; what cannot be right is a usage error."""
        try:
            return Client(
                self.server,
                token=self.token_file.read_text() if self.token_file else None,
                tls=self.tls or None,
                ca=self.ca,
                certificate=self.cert,
                key=self.key,
                insecure_token=self.insecure_token,
                timeout=self.timeout,
                priority=self.priority,
            )
        except (OSError, ValueError) as wrong:
            raise typer.BadParameter(str(wrong)) from None


def connection(context: typer.Context) -> Connection:
    """The options given before or after the sub-command."""
    found = context.find_object(Connection)
    return found or Connection()
