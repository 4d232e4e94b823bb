"""A port that is kept: for our processes, and for nobody else."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from ragents_server.errors import ConfigurationError
from ragents_server.processes.ports import reserved


@contextmanager
def listener(address: str, *, shared: bool) -> Iterator[socket.socket]:
    """As a gRPC server listens."""
    host, _, port = address.rpartition(":")
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
        bound.bind((host, int(port)))
        bound.listen()
        yield bound


def test_our_processes_listen_there_and_get_every_connection() -> None:
    with reserved("127.0.0.1:0", setting="RAGENTS_LISTEN") as address, ExitStack() as stack:
        listeners = [stack.enter_context(listener(address, shared=True)) for _ in range(3)]
        host, _, port = address.rpartition(":")
        for _ in range(30):
            stack.enter_context(socket.create_connection((host, int(port)), timeout=5))
        for one in listeners:
            one.settimeout(0)
        accepted = 0
        for one in listeners:
            while True:
                try:
                    stack.enter_context(one.accept()[0])
                except BlockingIOError:
                    break
                accepted += 1
        assert accepted == 30


def test_a_server_that_does_not_share_is_refused_before_any_of_ours_listens_and_after() -> None:
    with reserved("127.0.0.1:0", setting="RAGENTS_LISTEN") as address:
        for _ in range(2):
            with pytest.raises(OSError), listener(address, shared=False):
                pass
            with pytest.raises(ConfigurationError), reserved(address, setting="RAGENTS_LISTEN"):
                pass
            with listener(address, shared=True), pytest.raises(OSError), listener(address, shared=False):
                pass


def test_a_port_that_is_taken_is_told() -> None:
    with listener("127.0.0.1:0", shared=False) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(ConfigurationError, match=f"RAGENTS_LISTEN: cannot listen on {address}: .*another server"),
            reserved(address, setting="RAGENTS_LISTEN"),
        ):
            pass


def test_a_port_is_free_again_at_once_with_connections_left_behind() -> None:
    with listener("127.0.0.1:0", shared=False) as before:
        address = before.getsockname()
        with socket.create_connection(address, timeout=5) as client:
            before.accept()[0].close()  # the server closes first, and its side lingers
            client.recv(1)
    with reserved(f"127.0.0.1:{address[1]}", setting="RAGENTS_LISTEN") as again:
        assert again == f"127.0.0.1:{address[1]}"


@pytest.mark.parametrize("host", ["localhost", "0.0.0.0", "[::1]", "[::]"])  # noqa: S104 - for a moment
def test_every_kind_of_address_gets_one_port(host: str) -> None:
    with reserved(f"{host}:0", setting="RAGENTS_LISTEN") as address:
        assert address.startswith(f"{host}:")
        assert not address.endswith(":0")


def test_a_host_that_is_not_ours_is_told() -> None:
    with (
        pytest.raises(ConfigurationError, match=r"cannot listen on 192\.0\.2\.1:0"),
        reserved("192.0.2.1:0", setting="RAGENTS_LISTEN"),
    ):
        pass
