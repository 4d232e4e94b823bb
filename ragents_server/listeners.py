"""Where the server listens: ports, their certificate, and which of them must not be open to strangers."""

import ipaddress
import socket

import grpc

from ragents_server.errors import ConfigurationError
from ragents_server.identifying import identifies
from ragents_server.identity.certificates import Certificates
from ragents_server.settings import Settings


def bind(
    server: grpc.aio.Server,
    address: str,
    *,
    setting: str,
    credentials: grpc.ServerCredentials | None = None,
    shared: bool = False,
) -> str:
    """The address bound, with the port chosen where it was 0; ConfigurationError when it is taken.

    `shared`: other processes of this server may have it too.
    """
    try:
        _try_to_bind(address, shared=shared)
        port = (
            server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
        )
    except (OSError, RuntimeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "no such address"
        raise ConfigurationError(
            f"{setting}: cannot listen on {address}: {reason}; is another server running there?"
        ) from None
    return f"{address.rpartition(':')[0]}:{port}"


def certificates_of(settings: Settings) -> Certificates | None:
    """The listener's certificate, None for a plaintext one; ConfigurationError when half of it is missing."""
    if settings.tls_cert is None and settings.tls_key is None and settings.tls_client_ca is None:
        return None
    if settings.tls_cert is None or settings.tls_key is None:
        raise ConfigurationError("RAGENTS_TLS_CERT: needs RAGENTS_TLS_KEY beside it, and RAGENTS_TLS_CLIENT_CA both")
    return Certificates(settings.tls_cert, settings.tls_key, settings.tls_client_ca)


def _try_to_bind(address: str, *, shared: bool) -> None:
    """Of a failure grpc tells only its own log; a socket says why."""
    host, _, port = address.rpartition(":")
    for family, kind, protocol, _name, place in socket.getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_STREAM
    ):
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as grpc does; a listener refuses all the same
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
            probe.bind(place)


def refuse_open_listener(settings: Settings) -> None:
    """A plaintext port must not face strangers, and without a credential everybody would be the local caller."""
    certificates = certificates_of(settings)
    if certificates is not None:
        certificates.credentials()
    if settings.profile == "production" and not identifies(settings):
        raise ConfigurationError("RAGENTS_IDENTITY: needed with RAGENTS_PROFILE=production; or RAGENTS_KEYS")
    if is_loopback(settings.listen):
        return
    if certificates is None and not settings.plaintext:
        raise ConfigurationError(
            f"RAGENTS_LISTEN: {settings.listen} is not loopback, and the listener is plaintext; "
            "set RAGENTS_TLS_CERT and RAGENTS_TLS_KEY, or put a mesh or proxy in front and set RAGENTS_PLAINTEXT=true"
        )
    if not identifies(settings):
        raise ConfigurationError(
            "RAGENTS_IDENTITY: needed on a listener that is not on loopback, such as `keys`; or RAGENTS_KEYS"
        )


def is_loopback(listen: str) -> bool:
    """Whether only this machine can reach the address."""
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
