"""Who is known to the server: the authenticators that are set, one after the other; opened and closed here."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from ragents_server.connections.statements import Pool
from ragents_server.errors import ConfigurationError
from ragents_server.identity.authentication import Authenticator, Chain
from ragents_server.identity.client_certificates import CertifiedCallers, ClientCertificates
from ragents_server.identity.forwarded import proxies_in
from ragents_server.identity.keys import read_keys
from ragents_server.identity.stored_keys import open_stored_keys
from ragents_server.settings import Settings

if TYPE_CHECKING:
    from ragents_server.identity.signed_tokens import SignedTokens


@asynccontextmanager
async def open_authenticator(settings: Settings, pool: Pool) -> AsyncIterator[Chain | None]:
    """Asks each in turn; None where everybody is the local caller. ConfigurationError for a file that will not do."""
    async with AsyncExitStack() as stack:
        authenticators: list[Authenticator] = []
        if settings.keys is not None:
            authenticators.append(read_keys(settings.keys))
        if "keys" in settings.identities:
            authenticators.append(await stack.enter_async_context(open_stored_keys(pool, trust=settings.keys_ttl)))
        if "jwt" in settings.identities:
            signed = signed_tokens(settings)
            stack.push_async_callback(signed.aclose)
            authenticators.append(signed)
        certificates = client_certificates(settings) if "certificates" in settings.identities else None
        yield Chain(authenticators, certificates) if authenticators or certificates else None


def signed_tokens(settings: Settings) -> "SignedTokens":
    """Those of the provider that is set; ConfigurationError names what is missing."""
    for name in ("jwt_issuer", "jwt_audience", "jwt_keys"):
        if not getattr(settings, name):
            raise ConfigurationError(f"RAGENTS_{name.upper()}: needed with RAGENTS_IDENTITY={settings.identity}")
    try:
        from ragents_server.identity.key_sets import KeySet, require_sound
        from ragents_server.identity.signed_tokens import Provider, SignedTokens
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"RAGENTS_IDENTITY: `jwt` needs the package {error.name}; install ragents-grpc[jwt]"
        ) from None
    require_sound(settings.jwt_keys)
    provider = Provider(settings.jwt_issuer, settings.jwt_audience, settings.signatures, settings.jwt_tenant_claim)
    return SignedTokens(provider, KeySet(settings.jwt_keys))


def client_certificates(settings: Settings) -> ClientCertificates:
    """Those of the file that is set; ConfigurationError for one that will not do, or where nothing shows any."""
    if settings.certificates is None:
        raise ConfigurationError(f"RAGENTS_CERTIFICATES: needed with RAGENTS_IDENTITY={settings.identity}")
    if settings.tls_client_ca is None and not settings.forwarded_certificates:
        raise ConfigurationError(
            "RAGENTS_TLS_CLIENT_CA: needed for certificates to be asked for; or RAGENTS_FORWARDED_CERTIFICATES, "
            "the networks of the proxies that ask for them"
        )
    try:
        proxies = proxies_in(settings.forwarded_certificates) if settings.forwarded_certificates else None
    except ValueError as error:
        raise ConfigurationError(f"RAGENTS_FORWARDED_CERTIFICATES: {error}") from None
    return ClientCertificates(CertifiedCallers(settings.certificates), proxies)


def require_credentials(settings: Settings) -> None:
    """ConfigurationError for files of callers that will not do."""
    if settings.keys is not None:
        read_keys(settings.keys)
    if "certificates" in settings.identities:
        client_certificates(settings)
    elif settings.certificates is not None or settings.forwarded_certificates:  # nobody would be asked for one
        raise ConfigurationError("RAGENTS_IDENTITY: RAGENTS_CERTIFICATES counts only with `certificates` here")


def identifies(settings: Settings) -> bool:
    """Whether callers need a credential."""
    return settings.keys is not None or bool(settings.identities)
