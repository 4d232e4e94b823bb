"""The port that all processes of a server listen on."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ragents_server.errors import ConfigurationError


@contextmanager
def reserved(address: str, *, setting: str) -> Iterator[str]:
    """Keeps the port for us while nobody of us listens; yields the address with the port chosen where it was 0.

    Our user's processes may bind it with SO_REUSEPORT, and nobody can without. No connection comes to a socket that
    does not listen. ConfigurationError when the port is taken.
    """
    host, _, number = address.rpartition(":")
    port = int(number)
    with ExitStack() as stack:
        try:
            for family, place in _places(host.strip("[]"), port):
                held = stack.enter_context(_held(family, (place[0], port, *place[2:])))
                port = held.getsockname()[1]  # the same for every address of the host
        except OSError as error:
            raise ConfigurationError(
                f"{setting}: cannot listen on {address}: {error.strerror}; is another server running there?"
            ) from None
        yield f"{host}:{port}"


def _places(host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, place) for family, _kind, _protocol, _name, place in found]  # type: ignore[misc]


def _held(family: int, place: tuple[object, ...]) -> socket.socket:
    """Bound as one that shares with nobody, and shared only then, so that two servers cannot both have it."""
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what a predecessor's connections leave behind
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(place)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except BaseException:
        bound.close()
        raise
    return bound
