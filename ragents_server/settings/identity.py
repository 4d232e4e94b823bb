"""Settings: who callers are, and what they meet before they say so."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from ragents_server.settings.kinds import Address

IDENTITIES = ("keys",)


def _identities(value: str) -> str:
    if unknown := set(_split(value)) - set(IDENTITIES):
        raise ValueError(f"there is no {min(unknown)!r}; known: {', '.join(IDENTITIES)}")
    return value


def _split(value: str) -> list[str]:
    return [name for name in (part.strip() for part in value.split(",")) if name]


class Identity(BaseModel):
    """Who callers are, and what they meet before they say so."""

    identity: Annotated[str, AfterValidator(_identities)] = Field(
        "", description="Whose credentials count beside RAGENTS_KEYS: `keys`, those in the database. Empty: none."
    )
    keys: Path | None = Field(None, description="File of API keys: JSON, SHA-256 of the token to its caller.")
    keys_ttl: float = Field(
        30, ge=0, le=30, description="Seconds that a key of the database counts before it is looked up again."
    )
    plaintext: bool = Field(False, description="Allow a plaintext listener that is not on loopback, behind a mesh.")
    tls_cert: Path | None = Field(
        None, description="File of the listener's certificate chain, PEM; read again when it changes."
    )
    tls_key: Path | None = Field(None, description="File of its key, PEM, without a password.")
    tls_client_ca: Path | None = Field(
        None, description="File of authorities, PEM: only clients with a certificate of theirs may connect."
    )
    health_listen: Address | None = Field(
        None, description="Where health alone is served in plaintext, HOST:NUMBER, for probes."
    )
    reflection: bool = Field(True, description="Serve gRPC reflection, for grpcurl.")

    @property
    def identities(self) -> frozenset[str]:
        """The names in `identity`."""
        return frozenset(_split(self.identity))
