"""Settings: who callers are, and what they meet before they say so."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from ragents_server.settings.kinds import Address

IDENTITIES = ("keys", "jwt", "certificates")
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


def _identities(value: str) -> str:
    if unknown := set(_split(value)) - set(IDENTITIES):
        raise ValueError(f"there is no {min(unknown)!r}; known: {', '.join(IDENTITIES)}")
    return value


def _algorithms(value: str) -> str:
    if not _split(value) or not set(_split(value)) <= set(ALGORITHMS):
        raise ValueError(f"must be of {', '.join(ALGORITHMS)}")
    return value


def _split(value: str) -> list[str]:
    return [name for name in (part.strip() for part in value.split(",")) if name]


class Identity(BaseModel):
    """Who callers are, and what they meet before they say so."""

    profile: str = Field(
        "", pattern="^(|production)$", description="`production`: credentials are needed on loopback too."
    )
    identity: Annotated[str, AfterValidator(_identities)] = Field(
        "", description="Whose credentials count beside RAGENTS_KEYS: `keys`, the database's; `jwt`; `certificates`."
    )
    keys: Path | None = Field(None, description="File of API keys: JSON, SHA-256 of the token to its caller.")
    keys_ttl: float = Field(
        30, ge=0, le=30, description="Seconds that a key of the database counts before it is looked up again."
    )
    jwt_issuer: str = Field("", description="The identity provider, as its tokens name it (`iss`).")
    jwt_audience: str = Field("", description="Whom its tokens must be made for (`aud`).")
    jwt_keys: str = Field("", description="Its signing keys, JWKS: an https URL or a file.")
    jwt_algorithms: Annotated[str, AfterValidator(_algorithms)] = Field(
        "RS256,ES256", description="Signatures that count."
    )
    jwt_tenant_claim: str = Field("tenant", min_length=1, description="The claim that names the tenant.")
    certificates: Path | None = Field(
        None, description="File of callers by certificate: JSON, its name to its caller; read again when it changes."
    )
    forwarded_certificates: str = Field(
        "",
        description="Proxies whose `x-forwarded-client-cert` counts: networks, such as `127.0.0.0/8,::1/128`; `unix`.",
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

    @property
    def signatures(self) -> tuple[str, ...]:
        """The names in `jwt_algorithms`."""
        return tuple(_split(self.jwt_algorithms))
