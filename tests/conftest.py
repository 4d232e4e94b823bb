"""Fixtures: pytest-grpc's, on the real server. `grpc_channel` leads to it; a module's `server_settings` configures it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers import server_thread


@pytest.fixture(scope="module")
def server_settings() -> dict[str, Any]:
    """Settings of the module's server beyond the defaults; override it in a module that needs others."""
    return {}


@pytest.fixture(scope="module")
def grpc_server(server_settings: dict[str, Any]) -> Iterator[str]:
    """The module's server, a real grpc.aio one on its own loop; its address."""
    with server_thread(**server_settings) as address:
        yield address


@pytest.fixture(scope="module")
def grpc_addr(grpc_server: str) -> str:
    """Where pytest-grpc's channels lead."""
    return grpc_server
